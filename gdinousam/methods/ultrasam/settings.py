"""The settings of UltraSam."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from pydantic import Field

from gdinousam.evaluation.scoring.notes import Notes
from gdinousam.methods.hints import HintedMethod, HintSettings
from gdinousam.methods.interface import Weights
from gdinousam.methods.leaks import leak_notes
from gdinousam.methods.ultrasam.segmenter import UltraSamHint, UltraSamMasks, load_ultrasam
from gdinousam.records import HintedSegmenter, ImageRecord
from gdinousam.settings import ModelName

# US-43d, the training set of UltraSam (Meyer and others, 2024): the paper's datasets and the widely used ones in it.
TRAINED_ON = (
    "BrEaST",
    "BUID",
    "BUSUC",
    "BUSUCLM",
    "BUSB",
    "BUSI",
    "STU",
    "S1",
    "BUSBRA",
    "TN3K",
    "TG3K",
    "TNSCUI",
    "105US",
    "AUL",
    "MicroSeg",
    "RegPro",
    "kidneyUS",
    "HC18",
    "MMOTU",
    "DDTI",
    "CAMUS",
)


class UltraSamSettings(HintedMethod):
    """UltraSam, given a box or a click."""

    name: Literal["ultrasam"] = Field(description="The method.")
    weights: ModelName = Field(description="Its mmengine checkpoint, random or random-small.")
    shown: UltraSamHint = Field("box", description="What it is given for an object: its box, or a click.")
    masks: UltraSamMasks = Field(
        "published",
        description="published: thresholded at 0 before they are enlarged, so that they come out a few percent "
        "larger; plain: thresholded afterwards.",
    )
    prompts: HintSettings = HintSettings()

    def load(self, device: torch.device) -> HintedSegmenter:
        """See ``HintedMethod``."""
        return load_ultrasam(self.weights, self.shown, self.masks).to(device)

    def own_weights(self) -> Mapping[str, Weights]:
        """See ``MethodSettings``."""
        return {self.name: Weights(self.weights)}

    def leaks(self, records: Sequence[ImageRecord]) -> Notes:
        """Marks the datasets of US-43d."""
        return leak_notes("UltraSam", self.weights, TRAINED_ON, records)
