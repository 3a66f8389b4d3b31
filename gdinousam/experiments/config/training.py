"""The configs of ``train.py`` and of the scripts that train compared methods."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from gdinousam.data.augmentation import AugmentationSettings
from gdinousam.data.contract.plausibility import ALLOW_ODD
from gdinousam.data.sources.phantoms.endless import PhantomData
from gdinousam.geometry import ResizeSettings
from gdinousam.methods.samus.settings import SamusTraining
from gdinousam.methods.unet.settings import UNetTraining
from gdinousam.models.adapters.lora import LoraSettings
from gdinousam.models.loading import RANDOM_SMALL
from gdinousam.settings import ModelName, Settings, SettingsPath
from gdinousam.training.settings import LoopSettings, LossSettings, TrainingSettings


class TrainData(Settings):
    """Where the training and validation images lie and how they are batched."""

    train_dir: SettingsPath | None = Field(None, description="Folder of the training images; none: phantoms alone.")
    train_ann: SettingsPath | None = Field(None, description="CSV of the training boxes and phrases.")
    train_masks: SettingsPath | None = Field(None, description="Folder of the training masks; not for the detector.")
    val_dir: SettingsPath | None = Field(None, description="Folder of the validation images; none: no validation.")
    val_ann: SettingsPath | None = Field(None, description="CSV of the validation boxes and phrases.")
    val_masks: SettingsPath | None = Field(None, description="Folder of the validation masks.")
    unlike_dir: SettingsPath | None = Field(
        None, description="Folder of test images; training images that are near-duplicates of one are left out."
    )
    phantoms: PhantomData | None = Field(None, description="null: none.")
    batch_size: int = Field(4, ge=1, description="Images per batch and process.")
    num_workers: int = Field(4, ge=0, description="Processes that read images; 0: the main process reads.")
    num_absent_phrases: int = Field(
        0, ge=0, description="Phrases of other images added to each caption as negatives (the public code: none)."
    )
    captions: Literal["distinct_phrases", "phrase_per_box"] = Field(
        "distinct_phrases",
        description="What a training caption holds. distinct_phrases: each phrase of the image once; phrase_per_box: "
        "the phrase of every box in turn, and of a phrase with slashes one part at random (public code).",
    )
    datasets: tuple[str, ...] | None = Field(
        None, min_length=1, description="Use only the images of these datasets, of both files."
    )
    max_images: int | None = Field(
        None, ge=1, description="Use only the first so many images of each file, of the datasets named."
    )
    allow_odd: bool = Field(False, description=ALLOW_ODD)

    @model_validator(mode="after")
    def _splits_are_whole(self) -> TrainData:
        if (self.val_dir is None) != (self.val_ann is None):
            raise ValueError("give both val_dir and val_ann, or neither")
        if self.train_dir is None and (self.train_ann is not None or self.phantoms is None):
            raise ValueError("data.train_dir is missing; add it, or leave out train_ann too and give phantoms")
        if self.train_ann is None and self.train_dir is not None:
            raise ValueError("data.train_ann is missing; add it")
        return self

    def require_masks(self, learner: str) -> None:
        """Raise ValueError where images are named without their masks. learner: who needs them."""
        for split in ("train", "val"):
            if getattr(self, f"{split}_dir") is not None and getattr(self, f"{split}_masks") is None:
                raise ValueError(f"{learner} learns from masks; name their folder in data.{split}_masks")


class TrainModelSettings(Settings):
    """What training starts from; the part that is trained must be named."""

    detector: ModelName | None = Field(None, description="Grounding DINO: folder, file, hub id, small or random-small.")
    mask_head: ModelName | None = Field(None, description="SAM2: folder, file, hub id, small or random-small.")


class TrainConfig(Settings):
    """Everything train.py needs."""

    program = "train"

    data: TrainData
    resize: ResizeSettings = ResizeSettings()
    augmentation: AugmentationSettings | None = Field(AugmentationSettings(), description="null: none.")
    model: TrainModelSettings
    lora: LoraSettings = LoraSettings()
    losses: LossSettings = LossSettings()
    training: TrainingSettings

    @model_validator(mode="after")
    def _parts_fit(self) -> TrainConfig:
        part, tune = self.training.part, self.training.tune
        if getattr(self.model, part) is None:
            raise ValueError(f"training.part is {part}, so name the weights to start from in model.{part}")
        if part == "mask_head" and self.training.gradient_checkpointing:
            raise ValueError("training.gradient_checkpointing is for the detector; set it to false for the mask head")
        if part == "mask_head" and tune == "lora":
            raise ValueError("the mask head has no adapters; set training.tune to full")
        if part == "mask_head":
            self.data.require_masks("the mask head")
        if part == "detector" and tune == "lora" and self.model.detector == RANDOM_SMALL:
            raise ValueError("adapters on random weights learn nothing; set training.tune to full or name a detector")
        return self

    @property
    def needs_masks(self) -> bool:
        """Whether what is trained learns from masks."""
        return self.training.part == "mask_head"

    @property
    def needs_objects(self) -> bool:
        """Whether an image without objects teaches nothing: there is nothing to prompt the mask head with."""
        return self.training.part == "mask_head"


BaselineTraining = Annotated[UNetTraining | SamusTraining, Field(discriminator="name")]
"""The compared methods that can be trained."""


class BaselineTrainConfig(Settings):
    """Everything that training a compared method needs."""

    data: TrainData
    augmentation: AugmentationSettings | None = Field(AugmentationSettings(), description="null: none.")
    baseline: BaselineTraining = Field(description="The method to train.")
    training: LoopSettings

    @model_validator(mode="after")
    def _masks_are_named(self) -> BaselineTrainConfig:
        self.data.require_masks(f"a {self.baseline.name}")
        return self

    @property
    def needs_masks(self) -> bool:
        """Whether what is trained learns from masks; every compared method does."""
        return True

    @property
    def needs_objects(self) -> bool:
        """Whether an image without objects teaches nothing."""
        return self.baseline.needs_objects


AnyTrainConfig = TrainConfig | BaselineTrainConfig
