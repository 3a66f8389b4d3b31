"""The settings of SAMUS: how it is tested, what it is trained from, and how much of it is trained."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import torch
from pydantic import Field

from gdinousam.evaluation.scoring.notes import NO_NOTES, Notes
from gdinousam.methods.hints import HintedMethod, HintSettings
from gdinousam.methods.interface import Weights
from gdinousam.methods.leaks import leak_notes
from gdinousam.methods.samus.network import freeze_as_published
from gdinousam.methods.samus.segmenter import SamusSegmenter
from gdinousam.methods.samus.task import SamusTask
from gdinousam.methods.samus.weights import load_samus, start_from_sam
from gdinousam.methods.true_hints import TrueHints, fixed_click
from gdinousam.models.adapters.lora import count_parameters
from gdinousam.preprocessing import ResizeSettings
from gdinousam.records import HintedSegmenter, ImageRecord
from gdinousam.settings import ModelName
from gdinousam.training.images import TrainData, TrainingImages
from gdinousam.training.learner import Learner, LearnerSettings
from gdinousam.training.sheets import segmenter_sheet

logger = logging.getLogger(__name__)

# US30K, the training set of SAMUS (Lin and others, 2023), of which DDTI, UDIAT (BUSB) and HMC-QU are for testing only.
TRAINED_ON = ("BUSI", "TN3K", "TG3K", "CAMUS")


class SamusSettings(HintedMethod):
    """SAMUS, given a click."""

    name: Literal["samus"] = Field(description="The method.")
    weights: ModelName = Field(
        description="Its official file, a folder written by baselines/trainSAMUS.py, random or random-small."
    )
    prompts: HintSettings = HintSettings()

    def load(self, device: torch.device) -> HintedSegmenter:
        """See ``HintedMethod``."""
        return SamusSegmenter(load_samus(self.weights)).to(device)

    def own_weights(self) -> Mapping[str, Weights]:
        """See ``MethodSettings``."""
        return {self.name: Weights(self.weights)}

    def leaks(self, records: Sequence[ImageRecord]) -> Notes:
        """Marks the datasets of US30K, unless our own script trained the weights, whose folder names its data."""
        if Path(self.weights).is_dir():
            return NO_NOTES
        return leak_notes("SAMUS", self.weights, TRAINED_ON, records)


class SamusTraining(LearnerSettings):
    """SAMUS from the weights of SAM, given a random click on an object of each image."""

    needs_objects: ClassVar[bool] = True  # there is nothing to click on otherwise

    name: Literal["samus"] = Field(description="The method.")
    start: ModelName = Field(description="Official file of SAM ViT-B; random or random-small for a trial run.")
    tune: Literal["published", "full"] = Field(
        "published",
        description="published: the parts that SAM does not have (convolutional branch, adapters, halved "
        "positions) and the relative positions of the global blocks, 39.65 million parameters; full: "
        "everything, which random weights need.",
    )

    def learner(self, data: TrainData, images: TrainingImages) -> Learner:
        """See ``LearnerSettings``."""
        model = start_from_sam(self.start)
        if self.tune == "published":
            freeze_as_published(model)
        logger.info("SAMUS: %s", count_parameters(model))
        clicked = TrueHints(SamusSegmenter(model), lambda mask_hw, seed: fixed_click(mask_hw))
        return Learner(
            name=self.name,
            started_from=self.start,
            task=SamusTask(model),
            resize=ResizeSettings(size=model.config.image_size),
            sheet=lambda records, path: segmenter_sheet(clicked.segment_records, model, records, path),
        )
