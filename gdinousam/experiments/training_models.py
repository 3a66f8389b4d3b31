"""What a training config asks to be trained: the model with its loss, and how its images are sized and drawn."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gdinousam.errors import InputError
from gdinousam.experiments.config import AnyTrainConfig, BaselineTrainConfig, TrainConfig
from gdinousam.experiments.training_data import TrainingImages, training_phrases
from gdinousam.geometry import ResizeSettings
from gdinousam.methods.clicks import fixed_click
from gdinousam.methods.samus.network import freeze_as_published
from gdinousam.methods.samus.segmenter import SamusSegmenter
from gdinousam.methods.samus.settings import SamusTraining
from gdinousam.methods.samus.task import SamusTask
from gdinousam.methods.samus.weights import start_from_sam
from gdinousam.methods.true_hints import TrueHints
from gdinousam.methods.unet.network import UNet
from gdinousam.methods.unet.segmenter import UNetSegmenter
from gdinousam.methods.unet.settings import UNetDescription, UNetTraining
from gdinousam.methods.unet.task import UNetTask
from gdinousam.models.adapters.lora import add_lora, count_parameters
from gdinousam.models.detector.detector import Detector
from gdinousam.models.loading import base_name, load_grounding_dino, load_mask_head
from gdinousam.models.mask_heads.sam2 import Sam2MaskHead
from gdinousam.phrases import build_caption, build_public_caption
from gdinousam.records import ImageRecord
from gdinousam.training.captions import require_askable
from gdinousam.training.sheets import detector_sheet, mask_head_sheet, segmenter_sheet
from gdinousam.training.tasks import DetectorTask, MaskHeadTask, Task

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Learner:
    """What is trained.

    name: as noted beside its weights. started_from: the weights it starts from, ``None`` where they are random.
    resize: how its images are sized. sheet: draws what it finds on some images into a file.
    """

    name: str
    started_from: str | None
    task: Task
    resize: ResizeSettings
    sheet: Callable[[Sequence[ImageRecord], Path], None]


def build_learner(config: AnyTrainConfig, images: TrainingImages) -> Learner:
    """Build or load what the config names; InputError for weights that do not load or images that do not fit it."""
    if isinstance(config, BaselineTrainConfig):
        if isinstance(config.baseline, SamusTraining):
            return _samus(config.baseline)
        return _unet(config.baseline, config, images)
    return _mask_head(config) if config.training.part == "mask_head" else _detector(config, images)


def _detector(config: TrainConfig, images: TrainingImages) -> Learner:
    name = str(config.model.detector)
    model, tokenizer = load_grounding_dino(name)
    tuned = add_lora(model, config.lora) if config.training.tune == "lora" else model
    logger.info("detector: %s", count_parameters(tuned))
    detector = Detector(tuned, tokenizer, noisy_when_frozen=config.training.frozen_parts == "train")
    resize = config.resize
    require_askable((*images.train, *images.val), tokenizer, detector.max_tokens)
    caption_of = build_public_caption if config.data.captions == "phrase_per_box" else build_caption
    if config.training.gradient_checkpointing:
        detector.recompute_layers()
    return Learner(
        name="detector",
        started_from=name,
        task=DetectorTask(detector, config.losses, resize, caption_of, base=base_name(name)),
        resize=resize,
        sheet=lambda records, path: detector_sheet(detector, resize, records, path),
    )


def _mask_head(config: TrainConfig) -> Learner:
    name = str(config.model.mask_head)
    mask_head = load_mask_head(name)
    if not isinstance(mask_head, Sam2MaskHead):
        raise InputError(f"{name} is a SAM; training.part: mask_head trains SAM2 only")
    mask_head.requires_grad_(True)
    logger.info("mask head: %s", count_parameters(mask_head))
    return Learner(
        name="mask_head",
        started_from=name,
        task=MaskHeadTask(mask_head, config.training.box_jitter),
        resize=ResizeSettings(size=mask_head.side),
        sheet=lambda records, path: mask_head_sheet(mask_head, records, path),
    )


def _unet(settings: UNetTraining, config: BaselineTrainConfig, images: TrainingImages) -> Learner:
    phrases = training_phrases(config, images)
    unknown = {phrase for record in images.val for phrase in record.phrases} - set(phrases)
    if unknown:
        raise InputError(
            f"{config.data.val_ann}: phrases that no training image has: {', '.join(sorted(unknown))}; a U-Net has no "
            "channel for them, so add training images or leave these rows out"
        )
    network = UNet(settings.channels, len(phrases))
    logger.info("U-Net of %d phrases: %s", len(phrases), count_parameters(network))
    description = UNetDescription(**settings.model_dump(), phrases=phrases)
    segmenter = UNetSegmenter(network, description)
    return Learner(
        name=settings.name,
        started_from=None,
        task=UNetTask(network, description),
        resize=ResizeSettings(size=settings.size),
        sheet=lambda records, path: segmenter_sheet(
            lambda images, of: segmenter.segment(images, [record.phrases for record in of]), network, records, path
        ),
    )


def _samus(settings: SamusTraining) -> Learner:
    model = start_from_sam(settings.start)
    if settings.tune == "published":
        freeze_as_published(model)
    logger.info("SAMUS: %s", count_parameters(model))
    clicked = TrueHints(SamusSegmenter(model), lambda mask_hw, seed: fixed_click(mask_hw))
    return Learner(
        name=settings.name,
        started_from=settings.start,
        task=SamusTask(model),
        resize=ResizeSettings(size=model.config.image_size),
        sheet=lambda records, path: segmenter_sheet(clicked.segment_records, model, records, path),
    )
