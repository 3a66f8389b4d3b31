"""Settings of a training run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from gdinousam.models.detector.deformable_choice import Kernel
from gdinousam.settings import Settings, SettingsPath
from gdinousam.training.matching import MatchingCosts

MixedPrecisionName = Literal["no", "bf16", "fp16"]


class LossSettings(Settings):
    """Weights of the loss and of the matching cost; the defaults are Grounding DINO's."""

    focal: float = Field(1.0, ge=0, description="Weight of the focal loss over query boxes and text tokens.")
    l1: float = Field(5.0, ge=0, description="Weight of the L1 loss of matched boxes.")
    giou: float = Field(2.0, ge=0, description="Weight of the GIoU loss of matched boxes.")
    token_targets: Literal["ones", "shares"] = Field(
        "ones",
        description="Target of the focal loss for the n tokens of a box's phrase. ones: 1 each; shares: 1/n "
        "each (public code).",
    )
    focal_divisor: Literal["boxes", "images"] = Field(
        "boxes",
        description="Divisor of the summed focal loss: the number of true boxes of the batch, or of its images "
        "(public code). L1 and GIoU are always divided by the number of boxes.",
    )
    matching: MatchingCosts = Field(MatchingCosts(), description="Weights of the matching cost.")
    earlier_layers: bool = Field(
        False, description="Also apply the loss to the earlier decoder layers (the paper: last layer only)."
    )
    encoder_matches: int = Field(
        0,
        ge=0,
        description="Also apply the loss to the encoder's proposals, with this many proposals per object. 0: do "
        "not (the paper). Training from random weights needs at least 1; several make it learn faster "
        "(one-to-many matching).",
    )
    encoder_masks: float = Field(
        0.0,
        ge=0,
        description="Also teach the encoder's token logits which pixels each phrase names, with this weight of "
        "cross-entropy and soft Dice; takes masks and square images, and the place of the encoder's focal loss. 0: do "
        "not (the paper).",
    )


class OneCycleSettings(Settings):
    """Shape of the schedule one_cycle; the defaults are torch's."""

    pct_start: float = Field(0.3, gt=0, lt=1, description="Share of the steps during which the learning rate rises.")
    div_factor: float = Field(25.0, gt=1, description="The learning rate begins at learning_rate / div_factor.")
    final_div_factor: float = Field(
        1e4, gt=1, description="The learning rate ends at its initial value / final_div_factor."
    )
    whole_batches: bool = Field(
        False,
        description="Count an epoch as floor(images / batch) steps (public code), so that with a short last "
        "batch the cycle ends before the run does. The learning rate then stays at its final value, whereas the "
        "public code stops with an error.",
    )


class LoopSettings(Settings):
    """How to train, whatever the model; the defaults are the paper's (section 2.5)."""

    output_dir: SettingsPath = Field(description="Folder of the run; new for every run.")
    num_epochs: int = Field(200, ge=1, description="Maximum number of passes over the training images.")
    learning_rate: float = Field(5e-4, gt=0, description="Peak learning rate of AdamW.")
    weight_decay: float = Field(1e-4, ge=0, description="Weight decay of AdamW.")
    schedule: Literal["constant", "linear", "cosine", "one_cycle"] = Field(
        "constant", description="Learning rate over the run, after the warm-up."
    )
    one_cycle: OneCycleSettings = Field(OneCycleSettings(), description="Only for this schedule.")
    warmup_steps: int = Field(0, ge=0, description="Optimizer steps of linear warm-up (not used by one_cycle).")
    accumulation_steps: int = Field(1, ge=1, description="Batches whose gradients make one optimizer step.")
    max_gradient_norm: float = Field(1.0, ge=0, description="Gradients are clipped to this norm; 0: no clipping.")
    average_decay: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Keep a moving average of the trained parameters, of which a step replaces 1 - this share, and "
        "validate and save the average. 0: do not (the paper).",
    )
    mixed_precision: MixedPrecisionName = Field(
        "no", description="Precision of matrix products; positions, boxes and losses stay in float32."
    )
    tf32: bool = Field(
        False,
        description="CUDA: compute float32 matrix products and convolutions in TensorFloat-32, with 10 bits of "
        "mantissa instead of 23. false: never, although torch would do so for convolutions.",
    )
    stop_on: Literal["val_loss", "train_loss"] = Field(
        "val_loss", description="Loss that selects the best epoch and stops the run (public code: train_loss)."
    )
    patience: int = Field(
        20,
        ge=0,
        description="Epochs without a better loss before the run stops; 0: after the first epoch. The public "
        "code counts the best epoch too, so its 20 is 19 here.",
    )
    sample_pictures_every: int = Field(5, ge=0, description="Epochs between pictures of predictions; 0: none.")
    num_sample_pictures: int = Field(8, ge=1, description="Images per sheet of pictures.")
    log_every: int = Field(10, ge=1, description="Optimizer steps between entries in TensorBoard and the log file.")
    seed: int = Field(0, ge=0, description="Seed of everything random in the run.")
    deterministic: bool = Field(
        False,
        description="Refuse operations whose results may differ between equal runs; the detector's deformable "
        "attention then uses plain code that adds up gradients in a fixed order.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where to train.")
    license: str = Field(
        "apache-2.0",
        pattern=r"^[a-z0-9][a-z0-9.+-]*$",
        description="Licence of the trained weights in their model card, as hubs abbreviate it (apache-2.0, "
        "cc-by-nc-4.0, other).",
    )

    @model_validator(mode="after")
    def _warmup_fits(self) -> LoopSettings:
        if self.schedule == "one_cycle" and self.warmup_steps:
            raise ValueError("one_cycle has a warm-up of its own; set warmup_steps to 0 or choose another schedule")
        return self


class TrainingSettings(LoopSettings):
    """How to train the paper's two models."""

    gradient_checkpointing: bool = Field(
        False,
        description="Detector: recompute activations in the backward pass instead of keeping them; slower, but "
        "with much less memory (docs/performance.md).",
    )
    deformable_kernel: Kernel = Field(
        "auto",
        description="Detector on CUDA: the code for sampling in its deformable attention. auto: the Triton "
        "kernel if it has just given the same values and gradients as plain code on that GPU, otherwise plain "
        "code; triton: the kernel or an error; plain: transformers' own code.",
    )
    part: Literal["detector", "mask_head"] = Field(
        "detector", description="Part to train. The mask head stays frozen in the paper; small models train theirs."
    )
    tune: Literal["lora", "full"] = Field(
        "lora",
        description="lora: adapters on a frozen detector; full: every parameter (small models).",
    )
    frozen_parts: Literal["eval", "train"] = Field(
        "eval",
        description="Detector: mode of the parts in which nothing is trained. eval: no dropout and no dropped "
        "layers; train: both, as in the public code, and captions are encoded again at every step.",
    )
    box_jitter: float = Field(
        0.1,
        ge=0,
        le=0.5,
        description="Mask head: box prompts are shifted by up to this fraction of their size, to resemble "
        "detected boxes.",
    )

    @model_validator(mode="after")
    def _kernel_is_deterministic(self) -> TrainingSettings:
        if self.deterministic and self.deformable_kernel == "triton":
            raise ValueError("the Triton kernel adds up in any order; with deterministic, leave out deformable_kernel")
        return self
