"""The configs of ``train.py`` and of the scripts that train compared methods."""

from __future__ import annotations

from pydantic import Field, model_validator

from gdinousam.methods.ours.learners import detector_learner, mask_head_learner, phrase_mask_head_learner
from gdinousam.methods.registry import AnyLearner
from gdinousam.models.adapters.lora import LoraSettings
from gdinousam.models.loading import RANDOM_SMALL
from gdinousam.preprocessing import ResizeSettings
from gdinousam.settings import ModelName, Settings
from gdinousam.training.corrections import CorrectionSettings
from gdinousam.training.examples import texts_in_captions
from gdinousam.training.images import LearningConfig, TrainingImages
from gdinousam.training.learner import Learner
from gdinousam.training.phrase_masks import PhrasePromptSettings
from gdinousam.training.settings import LossSettings, TrainingSettings


class TrainModelSettings(Settings):
    """The weights that training starts from; those of the trained part must be named."""

    detector: ModelName | None = Field(
        None, description="Grounding DINO: folder, file, hub id, small, small-v1 or random-small."
    )
    mask_head: ModelName | None = Field(
        None, description="SAM2: folder, file, hub id, small, small-v1 or random-small."
    )


class TrainConfig(LearningConfig):
    """Everything train.py needs."""

    program = "train"

    resize: ResizeSettings = ResizeSettings()
    model: TrainModelSettings
    lora: LoraSettings = LoraSettings()
    losses: LossSettings = LossSettings()
    phrase_prompt: PhrasePromptSettings | None = Field(
        None, description="Mask head: let it hear the phrase beside the box. null: it sees boxes alone (the paper)."
    )
    corrections: CorrectionSettings | None = Field(
        None,
        description="Mask head: let it learn from clicks too, so that masks can be corrected. null: from boxes alone.",
    )
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
            if self.phrase_prompt is None:
                self.data.require_plain_captions("the mask head", takes_absent_phrases=False)
        if part == "detector" and self.losses.encoder_masks:
            self.data.require_masks("losses.encoder_masks")
            if self.resize.mode != "square":
                raise ValueError("losses.encoder_masks takes square images; set resize.mode to square or leave it out")
        if part == "detector" and self.phrase_prompt is not None:
            raise ValueError("phrase_prompt is for the mask head; set training.part to mask_head or leave it out")
        if self.corrections is not None and (part == "detector" or self.phrase_prompt is not None):
            raise ValueError("corrections are for a mask head that hears no phrase; leave corrections out")
        if part == "detector" and tune == "lora" and self.model.detector == RANDOM_SMALL:
            raise ValueError("adapters on random weights learn nothing; set training.tune to full or name a detector")
        return self

    @property
    def needs_masks(self) -> bool:
        """The mask head learns from masks, and the detector's encoder may."""
        return self.training.part == "mask_head" or self.losses.encoder_masks > 0

    @property
    def needs_objects(self) -> bool:
        """Without an object there is no box to show the mask head."""
        return self.training.part == "mask_head"

    def learner(self, images: TrainingImages) -> Learner:
        """What is trained; InputError for weights that do not load or images that do not fit them."""
        if self.training.part == "mask_head":
            name = str(self.model.mask_head)
            if self.phrase_prompt is not None:
                return phrase_mask_head_learner(name, self.phrase_prompt, self.training)
            return mask_head_learner(name, self.training.box_jitter, self.corrections)
        return detector_learner(
            str(self.model.detector),
            self.lora,
            self.losses,
            self.resize,
            self.training,
            self.data.captions,
            images,
            texts_in_captions(self, images),
        )


class BaselineTrainConfig(LearningConfig):
    """Everything that training a compared method needs."""

    baseline: AnyLearner = Field(description="The method to train.")

    @model_validator(mode="after")
    def _masks_are_named(self) -> BaselineTrainConfig:
        if self.needs_masks:
            self.data.require_masks(f"a {self.baseline.name}")
        self.data.require_plain_captions(f"a {self.baseline.name}", takes_absent_phrases=not self.needs_objects)
        return self

    @property
    def needs_masks(self) -> bool:
        """See ``LearningConfig``."""
        return self.baseline.needs_masks

    @property
    def needs_objects(self) -> bool:
        """See ``LearningConfig``."""
        return self.baseline.needs_objects

    def learner(self, images: TrainingImages) -> Learner:
        """What is trained; InputError for what does not load, or images that do not fit it."""
        return self.baseline.learner(self.data, images)


AnyTrainConfig = TrainConfig | BaselineTrainConfig
