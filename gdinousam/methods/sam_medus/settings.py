"""The settings: how it is tested, what it is trained from, and its losses."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import torch
from pydantic import Field

from gdinousam.evaluation.scoring.notes import Notes
from gdinousam.methods.hints import HintedMethod, HintSettings
from gdinousam.methods.interface import Weights
from gdinousam.methods.sam_medus.task import SamMedUsTask
from gdinousam.methods.sam_medus.weights import load_sam_medus, start_from_sam
from gdinousam.models.adapters.lora import count_parameters
from gdinousam.preprocessing import ResizeSettings
from gdinousam.records import HintedSegmenter, ImageRecord
from gdinousam.settings import ModelName
from gdinousam.training.images import TrainData, TrainingImages
from gdinousam.training.learner import Learner, LearnerSettings
from gdinousam.training.sheets import mask_head_sheet

logger = logging.getLogger(__name__)

APPROXIMATION = "An approximation of SAM-MedUS from its abstract: neither its code nor its weights are published."


class SamMedUsSettings(HintedMethod):
    """SAM-MedUS (approximation), given a box."""

    name: Literal["sam_medus"] = Field(description="The method.")
    weights: ModelName = Field(
        description="A folder written by baselines/trainSamMedUS.py, random or random-small; none are published."
    )
    prompts: HintSettings = HintSettings()

    def load(self, device: torch.device) -> HintedSegmenter:
        """See ``HintedMethod``."""
        return load_sam_medus(self.weights).requires_grad_(False).to(device)

    def own_weights(self) -> Mapping[str, Weights]:
        """See ``MethodSettings``."""
        return {self.name: Weights(self.weights)}

    def leaks(self, records: Sequence[ImageRecord]) -> Notes:
        """No datasets, since all weights were trained here, in a folder that names its data; what the method is."""
        return Notes((APPROXIMATION,))


class SamMedUsTraining(LearnerSettings):
    """SAM-MedUS (approximation) from the weights of SAM, given the box of each object of an image."""

    needs_objects: ClassVar[bool] = True  # there is no box to show otherwise

    name: Literal["sam_medus"] = Field(description="The method.")
    start: ModelName = Field(
        description="SAM ViT-B: official file, folder or hub id; random, or random-small for a small network."
    )
    box_jitter: float = Field(
        0.1, ge=0, le=0.5, description="Boxes are shifted by up to this fraction of their size, as found ones are."
    )
    boundary_weight: float = Field(
        1.0, ge=0, description="Weight of the boundary loss, beside 1 of cross-entropy and of soft Dice."
    )

    def learner(self, data: TrainData, images: TrainingImages) -> Learner:
        """See ``LearnerSettings``; everything is trained."""
        model = start_from_sam(self.start)
        logger.info("SAM-MedUS (approximation): %s", count_parameters(model))
        return Learner(
            name=self.name,
            started_from=self.start,
            task=SamMedUsTask(model, self.box_jitter, self.boundary_weight),
            resize=ResizeSettings(size=model.side),
            sheet=lambda records, path: mask_head_sheet(model, records, path),
        )
