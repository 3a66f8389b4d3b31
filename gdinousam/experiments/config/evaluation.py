"""The config of ``test.py``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from gdinousam.data.contract.plausibility import ALLOW_ODD
from gdinousam.evaluation.scoring.absent import AbsentSettings
from gdinousam.methods.interface import MethodSettings
from gdinousam.methods.registry import PredictConfig
from gdinousam.methods.saved_masks.scored import ScoredMasks
from gdinousam.methods.saved_masks.settings import SavedMasksSettings
from gdinousam.models.compute import ComputeSettings
from gdinousam.phrase_book import PHRASE_BOOK
from gdinousam.records import Need
from gdinousam.settings import Settings, SettingsPath, derive

OUR_METHOD = "GroundingDINO-US-SAM"


class TestData(Settings):
    """The test data."""

    test_dir: SettingsPath = Field(description="Folder of the test images.")
    test_ann: SettingsPath = Field(description="CSV of the test boxes and phrases.")
    test_masks: SettingsPath = Field(
        description="Folder of the test masks, which have the names of the images or those in mask_name."
    )
    batch_size: int = Field(
        4,
        ge=1,
        description="Images given to the method at once; another number changes at most the last digits of the "
        "scores (docs/evaluation.md).",
    )
    num_workers: int = Field(4, ge=0, description="Threads that read images and masks ahead.")
    datasets: tuple[str, ...] | None = Field(
        None, min_length=1, description="Use only the images of these datasets. null: all."
    )
    max_images: int | None = Field(
        None, ge=1, description="Use only this many images, the first ones of the datasets used."
    )
    allow_odd: bool = Field(False, description=ALLOW_ODD)
    masks_of_other_size: Literal["refuse", "resize"] = Field(
        "refuse",
        description="What to do with a mask whose size differs from its image. resize: resize it as the public "
        "test scripts do (bicubic; afterwards everything that is not black is foreground), for both protocols.",
    )


class ValidationData(AbsentSettings):
    """The images on which scripts/operating_point.py chooses thresholds; never test images."""

    val_dir: SettingsPath = Field(description="Folder of the validation images.")
    val_ann: SettingsPath = Field(description="CSV of their boxes and phrases.")
    val_masks: SettingsPath = Field(
        description="Folder of their masks, which have the names of the images or those in mask_name."
    )
    datasets: tuple[str, ...] | None = Field(
        None, min_length=1, description="Use only the images of these datasets. null: all."
    )
    max_images: int | None = Field(
        None, ge=1, description="Use only this many images, the first ones of the datasets used."
    )
    max_false_positives: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Choose among the points that answer at most this share of the absent phrases; where none does, "
        "the one that answers the fewest. null: the best Dice, whatever it answers.",
    )


class RunSettings(ComputeSettings, AbsentSettings):
    """What an evaluation writes, and how it is run."""

    output_dir: SettingsPath = Field(description="Folder of the results; new for every run.")
    num_pictures: int = Field(
        20, ge=0, description="Number of images drawn with ground truth and prediction, spread over the file."
    )
    save_masks: bool = Field(
        True,
        description="Keep the predicted masks in masks/, for figures, the report and --predictions: about 2 KB "
        "per image and phrase.",
    )


class EvaluationSettings(RunSettings):
    """What test.py writes, and which masks it scores."""

    method: str = Field(OUR_METHOD, min_length=1, description="Name of the method in tables and figures.")
    predictions: SettingsPath | None = Field(
        None, description="Folder of masks made by another program, to score instead of running models."
    )
    needs: tuple[Need, ...] = Field(
        ("text",), description="What the method that made those masks was given besides the image."
    )


class TestConfig(PredictConfig):
    """Everything test.py needs."""

    left_aside = ()

    data: TestData
    validation: ValidationData | None = Field(None, description="Only for scripts/operating_point.py.")
    phrase_book: SettingsPath | None = Field(None, description=PHRASE_BOOK)
    saved_masks: SavedMasksSettings | None = Field(
        None, description="Only for evaluation.predictions; null: the defaults."
    )
    evaluation: EvaluationSettings

    @property
    def method(self) -> MethodSettings:
        """What is scored; see ``PredictConfig``."""
        evaluation = self.evaluation
        if evaluation.predictions is None:
            return super().method
        return derive(ScoredMasks, evaluation, allowed=self.saved_masks or SavedMasksSettings())

    @model_validator(mode="after")
    def _is_whole(self) -> TestConfig:
        evaluation = self.evaluation
        if evaluation.predictions is None and self.saved_masks is not None:
            raise ValueError("saved_masks is for masks of another program; name them in evaluation.predictions")
        if evaluation.predictions is None and evaluation.needs != ("text",):
            raise ValueError("evaluation.needs is for masks of another program; models say themselves what they need")
        whose = self.method.whose
        if whose is not None and "method" not in evaluation.model_fields_set:
            raise ValueError(f"{whose}; name it in evaluation.method")
        return self
