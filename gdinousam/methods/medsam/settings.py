"""The settings of MedSAM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from pydantic import Field

from gdinousam.evaluation.scoring.notes import Notes
from gdinousam.methods.hints import HintedMethod, HintSettings
from gdinousam.methods.interface import Weights
from gdinousam.methods.leaks import leak_notes
from gdinousam.methods.medsam.segmenter import FirstLabelFinder, load_medsam
from gdinousam.models.detector.box_finder import BoxFinder
from gdinousam.records import HintedSegmenter, ImageRecord
from gdinousam.settings import ModelName


class MedSamSettings(HintedMethod):
    """MedSAM, given a box."""

    name: Literal["medsam"] = Field(description="The method.")
    weights: ModelName = Field(description="Official file, folder, hub id, random or random-small.")
    as_in_study: bool = Field(
        False, description="Give it images and boxes as the comparison study did, including the transposed image."
    )
    prompts: HintSettings = HintSettings()

    @property
    def finder_kind(self) -> type[BoxFinder]:
        """The study took the box of the first label."""
        return FirstLabelFinder if self.as_in_study else BoxFinder

    def load(self, device: torch.device) -> HintedSegmenter:
        """See ``HintedMethod``."""
        return load_medsam(self.weights, self.as_in_study).to(device)

    def own_weights(self) -> Mapping[str, Weights]:
        """See ``MethodSettings``."""
        return {self.name: Weights(self.weights)}

    def leaks(self, records: Sequence[ImageRecord]) -> Notes:
        """Nobody has held the training data against public datasets."""
        return leak_notes("MedSAM", self.weights, None, records)
