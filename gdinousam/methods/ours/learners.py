"""The detector and the mask head as learners."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Literal

from gdinousam.errors import InputError
from gdinousam.models.adapters.lora import LoraSettings, add_lora, count_parameters
from gdinousam.models.detector.detector import Detector
from gdinousam.models.loading import (
    base_name,
    load_detector,
    load_grounding_dino,
    load_mask_head,
    place,
    trained_resize,
)
from gdinousam.models.mask_heads.phrase_prompt import PhraseMaskHead, PhraseReader
from gdinousam.models.mask_heads.sam2 import Sam2MaskHead
from gdinousam.preprocessing import ResizeSettings
from gdinousam.prompts import build_caption, build_public_caption
from gdinousam.training.captions import require_askable, require_texts_askable
from gdinousam.training.corrections import CorrectedMaskTask, CorrectionSettings
from gdinousam.training.images import TrainingImages
from gdinousam.training.learner import Learner
from gdinousam.training.phrase_masks import PhraseMaskTask, PhrasePromptSettings
from gdinousam.training.settings import LossSettings, TrainingSettings
from gdinousam.training.sheets import detector_sheet, mask_head_sheet
from gdinousam.training.tasks import DetectorTask, MaskHeadTask

logger = logging.getLogger(__name__)


def detector_learner(
    name: str,
    lora: LoraSettings,
    losses: LossSettings,
    resize: ResizeSettings,
    training: TrainingSettings,
    captions: Literal["distinct_phrases", "phrase_per_box"],
    images: TrainingImages,
    texts: Sequence[str],
) -> Learner:
    """Grounding DINO, tuned by adapters or in full.

    name: see ``load_grounding_dino``. captions: see ``TrainData``. images: their phrases must fit a caption, and so
    must the texts that a phrase book adds. Raises InputError for weights that do not load and for a phrase that is too
    long.
    """
    model, tokenizer = load_grounding_dino(name)
    tuned = add_lora(model, lora) if training.tune == "lora" else model
    logger.info("detector: %s", count_parameters(tuned))
    detector = Detector(tuned, tokenizer, noisy_when_frozen=training.frozen_parts == "train")
    require_askable((*images.train, *images.val), tokenizer, detector.max_tokens)
    require_texts_askable(texts, tokenizer, detector.max_tokens)
    caption_of = build_public_caption if captions == "phrase_per_box" else build_caption
    if training.gradient_checkpointing:
        detector.recompute_layers()
    return Learner(
        name="detector",
        started_from=name,
        task=DetectorTask(detector, losses, resize, caption_of, base=base_name(name)),
        resize=resize,
        sheet=lambda records, path: detector_sheet(detector, resize, records, path),
    )


def mask_head_learner(name: str, box_jitter: float, corrections: CorrectionSettings | None) -> Learner:
    """SAM2, trained in full.

    name: see ``load_mask_head``. box_jitter: see ``TrainingSettings``. corrections: ``None`` shows boxes alone. Raises
    InputError for weights that do not load, and for a SAM.
    """
    mask_head = _sam2(name)
    mask_head.requires_grad_(True)
    logger.info("mask head: %s", count_parameters(mask_head))
    return Learner(
        name="mask_head",
        started_from=name,
        task=MaskHeadTask(mask_head, box_jitter)
        if corrections is None
        else CorrectedMaskTask(mask_head, corrections, box_jitter),
        resize=ResizeSettings(size=mask_head.side),
        sheet=lambda records, path: mask_head_sheet(mask_head, records, path),
    )


def phrase_mask_head_learner(name: str, settings: PhrasePromptSettings, training: TrainingSettings) -> Learner:
    """SAM2 that hears phrases, or learns to.

    name: see ``load_mask_head``. Raises InputError for weights that do not load, for a SAM, and for a detector that
    does not see squares.
    """
    mask_head, detector, resize = _sam2(name), load_detector(settings.detector), trained_resize(settings.detector)
    if resize.mode != "square":
        raise InputError(f"{settings.detector} sees images in their own aspect, a mask head squares; name another one")
    if not isinstance(mask_head, PhraseMaskHead):
        mask_head = PhraseMaskHead(mask_head.model, PhraseReader.of(detector))
    # the precision of the training would not reach a model beside the trained one
    place(detector, training.device, "float32" if training.mixed_precision == "no" else "auto")
    mask_head.model.requires_grad_(not settings.alone)
    mask_head.prompt.requires_grad_(True)
    logger.info("mask head: %s", count_parameters(mask_head))
    return Learner(
        name="mask_head",
        started_from=name,
        task=PhraseMaskTask(mask_head, detector, resize.size, settings, training.box_jitter),
        resize=ResizeSettings(size=mask_head.side),
        sheet=lambda records, path: mask_head_sheet(mask_head, records, path),
    )


def _sam2(name: str) -> Sam2MaskHead:
    mask_head = load_mask_head(name)
    if not isinstance(mask_head, Sam2MaskHead):
        raise InputError(f"{name} is a SAM; training.part: mask_head trains SAM2 only")
    return mask_head
