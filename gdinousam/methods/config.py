"""The groups of settings that name models and thresholds, whichever method uses them."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field, model_validator

from gdinousam.errors import InputError
from gdinousam.models.compute import ComputeSettings
from gdinousam.models.detector.box_finder import BoxFinder
from gdinousam.models.detector.operating_point import PredictionSettings
from gdinousam.models.detector.public_rule import PublicRuleSettings
from gdinousam.models.segmenter import load_box_finder
from gdinousam.models.weights.training_note import warn_of_new_phrases
from gdinousam.preprocessing import ResizeSettings
from gdinousam.settings import REFERENCES, AdapterName, ModelName, Settings

TRAINED_BOX_LAYER = Field(
    True,
    description="Use the last layer of the box head as it was trained with the adapter. false: as it was "
    "before the training, which is what the public code does by mistake.",
)


class ModelSettings(Settings):
    """The weights: a local folder or file, a hub id, ``small`` or ``small-v1`` (bundled), or ``random-small``."""

    detector: ModelName = Field(
        description="Grounding DINO, or an adapter folder that names its base. true-box or whole-image for the "
        "two references without a detector: the true boxes, or one box around every image."
    )
    adapter: AdapterName | None = Field(None, description="LoRA folder or file that tunes the detector, or its hub id.")
    trained_box_layer: bool = TRAINED_BOX_LAYER
    mask_head: ModelName | None = Field(
        None, description="SAM2 of any size, SAM or MedSAM; null if a compared method makes the masks."
    )

    @model_validator(mode="after")
    def _adapter_has_a_detector(self) -> ModelSettings:
        if self.is_reference and self.adapter is not None:
            raise ValueError(f"{self.detector} is not a detector that an adapter fits on; leave out adapter")
        return self

    @property
    def is_reference(self) -> bool:
        """Whether boxes are given to the mask head instead of found by a detector."""
        return self.detector in REFERENCES


class ModelsConfig(Settings):
    """Models, thresholds, and where they run."""

    resize: ResizeSettings | None = Field(None, description="null: as the detector was trained.")
    model: ModelSettings | None = Field(
        None, description="Required unless evaluation.predictions is given, or a baseline that needs no detector."
    )
    prediction: PredictionSettings = PredictionSettings()
    public_rule: PublicRuleSettings = PublicRuleSettings()
    evaluation: ComputeSettings = ComputeSettings()

    @property
    def named_model(self) -> ModelSettings:
        """The models; InputError where the config names none because it scores a folder of masks."""
        if self.model is None:
            raise InputError("the config names no models; add model.detector and model.mask_head")
        return self.model

    def warn_of_new_phrases(self, phrases: Iterable[str]) -> None:
        """Log which of the phrases the detector's training never had, where a list of its phrases is kept."""
        model = self.named_model
        warn_of_new_phrases(model.detector, model.adapter, phrases)

    def load_finder(self, kind: type[BoxFinder] = BoxFinder) -> BoxFinder:
        """The detector, ready to find boxes in float32. kind: its class. Raises InputError for what does not load."""
        model = self.named_model
        return load_box_finder(
            model.detector,
            model.adapter,
            self.resize,
            self.prediction,
            self.evaluation.device,
            kind=kind,
            trained_box_layer=model.trained_box_layer,
            public_rule=self.public_rule,
        )
