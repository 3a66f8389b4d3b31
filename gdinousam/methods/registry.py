"""All methods in one place: a new one is a folder beside the others and a name in ``AnyMethod``."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from gdinousam.methods.biomedparse.settings import BiomedParseSettings
from gdinousam.methods.config import ModelsConfig
from gdinousam.methods.interface import MethodSettings
from gdinousam.methods.medclip_sam.settings import MedClipSamSettings, MedClipSamV2Settings
from gdinousam.methods.medclip_sam.training import MedClipSamV2Training
from gdinousam.methods.medsam.settings import MedSamSettings
from gdinousam.methods.ours.settings import PipelineSettings, TrueBoxSettings, WholeImageSettings
from gdinousam.methods.samus.settings import SamusSettings, SamusTraining
from gdinousam.methods.saved_masks.scored import ScoredMasks
from gdinousam.methods.ultrasam.settings import UltraSamSettings
from gdinousam.methods.unet.settings import UNetSettings, UNetTraining
from gdinousam.methods.universeg.settings import UniverSegSettings
from gdinousam.models.detector.operating_point import resolve_prediction
from gdinousam.settings import TRUE_BOX, derive

AnyMethod = Annotated[
    PipelineSettings
    | TrueBoxSettings
    | WholeImageSettings
    | ScoredMasks
    | MedSamSettings
    | MedClipSamSettings
    | MedClipSamV2Settings
    | UltraSamSettings
    | SamusSettings
    | UniverSegSettings
    | UNetSettings
    | BiomedParseSettings,
    Field(discriminator="name"),
]

AnyLearner = Annotated[UNetTraining | SamusTraining | MedClipSamV2Training, Field(discriminator="name")]
"""The compared methods that can be trained."""


class PredictConfig(ModelsConfig):
    """Models and thresholds: all that is needed to segment images. A config of test.py will do, its other groups are
    left aside."""

    program = "test"
    left_aside: ClassVar[tuple[str, ...]] = (
        "data",
        "validation",
        "phrase_book",
        "saved_masks",
        *(
            f"evaluation.{key}"
            for key in (
                "output_dir",
                "num_pictures",
                "save_masks",
                "method",
                "predictions",
                "needs",
                "absent_phrases",
                "absent_from",
                "absent_per_image",
            )
        ),
    )

    baseline: AnyMethod | None = Field(None, description="A compared method instead of ours; null: ours.")

    @property
    def method(self) -> MethodSettings:
        """The method: that of ``baseline``, or what ``model`` names. Raises ValueError where neither names one."""
        if self.baseline is not None:
            return self.baseline
        model = self.model
        if model is None:
            raise ValueError("name model.detector and model.mask_head, or masks to score with --predictions")
        if model.mask_head is None:
            raise ValueError("name model.mask_head, or the compared method that makes the masks in baseline")
        if not model.is_reference:
            return derive(PipelineSettings, model)
        kind = TrueBoxSettings if model.detector == TRUE_BOX else WholeImageSettings
        return derive(kind, model, name=model.detector)

    @model_validator(mode="after")
    def _method_goes_with_the_rest(self) -> PredictConfig:
        self.method.check(self)
        return self

    def resolved(self) -> Self:
        """The config with what it leaves open about boxes taken from the operating point beside the detector's weights.

        A method that finds no boxes by phrases leaves it open. Logs what is used; raises InputError for a point that
        cannot be read.
        """
        if not self.method.finds_by_phrase:
            return self
        model = self.named_model
        return self.model_copy(
            update={"prediction": resolve_prediction(self.prediction, model.adapter or model.detector)}
        )
