"""What the loop trains, behind one interface, and the paper's two: the detector and the mask head."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import torch
import torch.nn.functional as F
from peft import PeftModel
from torch import nn
from torchvision.ops import clip_boxes_to_image

from gdinousam.data.dataset import Batch, Example
from gdinousam.models.adapters.base_note import BaseNote, describe_base
from gdinousam.models.adapters.loading import save_adapter
from gdinousam.models.adapters.lora import adapter_change
from gdinousam.models.detector.detector import Detector, DetectorOutput, LayerPrediction
from gdinousam.models.loading import save_resize
from gdinousam.models.mask_heads.sam2 import MaskHead, Sam2MaskHead
from gdinousam.models.weights.training_note import ENCODER_MASKS
from gdinousam.preprocessing import ResizeSettings, boxes_xyxy_pixels
from gdinousam.prompts import Caption, build_caption, positive_map, tokenize_captions
from gdinousam.training.captions import with_captions_that_fit
from gdinousam.training.encoder_masks import encoder_mask_sums
from gdinousam.training.losses import DetectionTarget, Term, detection_sums, mask_sums, means
from gdinousam.training.settings import LossSettings


class Task(ABC):
    """A model with its loss. ``model`` is trained; only its parameters that require gradients change.

    terms: the parts of the loss by name, the same for every batch.
    """

    model: nn.Module
    terms: Mapping[str, Term]

    @abstractmethod
    def counts(self, batch: Batch) -> dict[str, int]:
        """How many things of a batch the terms are means over, by the names that ``terms`` give."""

    @abstractmethod
    def sums(self, model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        """Every term summed over a batch, scalars. model: ``self.model``, possibly wrapped for several processes."""

    def losses(self, batch: Batch, model: nn.Module | None = None) -> dict[str, torch.Tensor]:
        """The loss of a batch by itself and the mean of each term; see ``terms.means``. model: as in ``sums``."""
        return means(self.sums(model or self.model, batch), self.terms, self.counts(batch))

    def change(self) -> float | None:
        """How much of a weight matrix adapters change at most, as a share; ``None`` where there are none."""
        return None

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write weights, and what is needed to load them again, into an existing folder."""


BOXES, IMAGES, MASKS, PHRASES = "boxes", "images", "masks", "phrases"
MASK_TERMS = {"mask_bce": Term(1.0, MASKS), "mask_dice": Term(1.0, MASKS)}
# of earlier decoder layers and of the encoder, already weighted
_OTHER_BOXES, _OTHER_TOKENS = "other_layers_boxes", "other_layers_tokens"


class DetectorTask(Task):
    """Grounding DINO with L1, GIoU and focal losses (paper, section 2.3).

    caption_of: joins the phrases of an example into the caption that the detector reads. base: the name of the weights
    below adapters, for the note beside them; see ``gdinousam.models.loading.base_name``.
    """

    def __init__(
        self,
        detector: Detector,
        settings: LossSettings,
        resize: ResizeSettings,
        caption_of: Callable[[Sequence[str]], Caption] = build_caption,
        base: str = "",
    ) -> None:
        self.model = detector
        self.detector = detector
        self.settings = settings
        self.resize = resize
        self.caption_of = caption_of
        self.base = base
        self._has_other_layers = settings.earlier_layers or settings.encoder_matches > 0 or settings.encoder_masks > 0
        self.terms = {
            "l1": Term(settings.l1, BOXES),
            "giou": Term(settings.giou, BOXES),
            "focal": Term(settings.focal, settings.focal_divisor),
        }
        if self._has_other_layers:
            self.terms |= {_OTHER_BOXES: Term(1.0, BOXES), _OTHER_TOKENS: Term(1.0, settings.focal_divisor)}
        if settings.encoder_masks:
            self.terms |= {ENCODER_MASKS: Term(settings.encoder_masks, PHRASES)}

    def counts(self, batch: Batch) -> dict[str, int]:
        phrases = sum(len(example.phrases) for example in batch.examples)
        return {BOXES: batch.num_boxes, IMAGES: len(batch.examples), PHRASES: phrases}

    def sums(self, model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        settings = self.settings
        batch = with_captions_that_fit(batch, self.detector.tokenizer, self.detector.max_tokens, self.caption_of)
        device = batch.pixel_values.device
        captions = [self.caption_of(example.phrases) for example in batch.examples]
        tokens = tokenize_captions(captions, self.detector.tokenizer, self.detector.max_tokens).to(device)
        output: DetectorOutput = model(batch.pixel_values, tokens, batch.pixel_mask, self._has_other_layers)
        targets = [
            DetectionTarget(example.boxes_cxcywh_norm, positive_map(phrase_tokens, example.phrase_indices))
            for example, phrase_tokens in zip(batch.examples, tokens.phrase_tokens, strict=True)
        ]
        last = self._sums_of(output.last, output.valid_tokens, targets)
        if not self._has_other_layers:
            return last
        others = [self._sums_of(layer, output.valid_tokens, targets) for layer in self._earlier(output)]
        if settings.encoder_matches and output.encoder is not None:
            times = settings.encoder_matches
            repeated = [target.repeated(times) for target in targets]
            of_encoder = self._sums_of(output.encoder, output.valid_tokens, repeated)
            if settings.encoder_masks:
                of_encoder.pop("focal")
            others.append({name: value / times for name, value in of_encoder.items()})
        zero = last["l1"].new_zeros(())
        boxes = sum((settings.l1 * one["l1"] + settings.giou * one["giou"] for one in others), zero)
        tokens_of_others = sum((settings.focal * one["focal"] for one in others if "focal" in one), zero)
        sums = {**last, _OTHER_BOXES: boxes, _OTHER_TOKENS: tokens_of_others}
        if settings.encoder_masks and output.encoder is not None:
            masks = encoder_mask_sums(output.encoder.logits, tokens.phrase_tokens, batch.examples)
            sums[ENCODER_MASKS] = torch.stack(list(masks.values())).sum()
        return sums

    def _earlier(self, output: DetectorOutput) -> Sequence[LayerPrediction]:
        return output.earlier if self.settings.earlier_layers else ()

    def _sums_of(
        self, layer: LayerPrediction, valid_tokens: torch.Tensor, targets: list[DetectionTarget]
    ) -> dict[str, torch.Tensor]:
        return detection_sums(layer.logits, layer.boxes_cxcywh_norm, valid_tokens, targets, self.settings)

    def change(self) -> float | None:
        return adapter_change(self.detector.model) if isinstance(self.detector.model, PeftModel) else None

    def save(self, folder: Path) -> None:
        model: PeftModel | nn.Module = self.detector.model
        if isinstance(model, PeftModel):
            save_adapter(model, self._base_note, folder)
        else:
            self.detector.grounding_dino.save_pretrained(folder)
            self.detector.tokenizer.save_pretrained(folder)
        save_resize(folder, self.resize)

    @cached_property
    def _base_note(self) -> BaseNote:
        """Of the frozen weights below the adapters, which are the same at every save."""
        return describe_base(self.detector.grounding_dino, self.base)


class BoxPromptTask(Task):
    """A mask head shown the true boxes, slightly moved, with cross-entropy and soft Dice losses.

    box_jitter: by how much of its size an edge of a box moves at most, in training alone.
    """

    terms = MASK_TERMS

    def __init__(self, mask_head: MaskHead, box_jitter: float) -> None:
        self.model = mask_head
        self.side = mask_head.side
        self.box_jitter = box_jitter

    def counts(self, batch: Batch) -> dict[str, int]:
        return {MASKS: batch.num_boxes}

    def sums(self, model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        hints, truth, present = self._pad(batch)
        logits = model(batch.pixel_values, hints)  # (B, N, h, w)
        at_logits = F.interpolate(truth, logits.shape[-2:], mode="area")
        return self.losses_of_masks(logits[present], (at_logits[present] > 0.5).float())

    def losses_of_masks(self, logits: torch.Tensor, truth: torch.Tensor) -> dict[str, torch.Tensor]:
        """Every term summed over K masks, scalars. logits, truth: (K, h, w), truth zeros and ones."""
        return mask_sums(logits, truth)

    def _pad(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Hints (B, N, 4) in pixels of the square, masks (B, N, S, S) and which of the N are real (B, N)."""
        side = self.side
        num_hints = max(1, *(len(example.boxes_cxcywh_norm) for example in batch.examples))
        device = batch.pixel_values.device
        # a box round the whole image stands where an image has fewer objects than the others
        hints = torch.tensor([0.0, 0.0, side, side], device=device).repeat(len(batch.examples), num_hints, 1)
        truth = torch.zeros(len(batch.examples), num_hints, side, side, device=device)
        present = torch.zeros(len(batch.examples), num_hints, dtype=torch.bool, device=device)
        for row, example in enumerate(batch.examples):
            count = len(example.boxes_cxcywh_norm)
            if count:
                if example.masks is None:
                    raise ValueError("the mask head learns from masks; build its dataset with with_masks=True")
                boxes_xyxy = boxes_xyxy_pixels(example.boxes_cxcywh_norm, (side, side))
                hints[row, :count] = self._jittered(boxes_xyxy)
                truth[row, :count] = example.masks.float()
                present[row, :count] = True
        return hints, truth, present

    def _jittered(self, boxes_xyxy: torch.Tensor) -> torch.Tensor:
        return jittered(boxes_xyxy, self.box_jitter, self.side) if self.model.training else boxes_xyxy


def jittered(boxes_xyxy: torch.Tensor, box_jitter: float, side: int) -> torch.Tensor:
    """Boxes (N, 4), every edge moved by up to so much of their size, cut at the border of a square; all in pixels."""
    if not box_jitter:
        return boxes_xyxy
    size = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).repeat(1, 2)
    moved = boxes_xyxy + (torch.rand_like(boxes_xyxy) * 2 - 1) * box_jitter * size
    return clip_boxes_to_image(moved, (side, side))


class MaskHeadTask(BoxPromptTask):
    """SAM2 as such a mask head.

    Not part of the paper, whose mask head is frozen: it makes small mask heads for small detectors.
    """

    def __init__(self, mask_head: Sam2MaskHead, box_jitter: float) -> None:
        super().__init__(mask_head, box_jitter)
        self.mask_head = mask_head

    def save(self, folder: Path) -> None:
        self.mask_head.save(folder)


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch with every tensor on the device."""
    examples = tuple(
        Example(
            pixel_values=example.pixel_values,  # stays: its copy in batch.pixel_values is what models read
            boxes_cxcywh_norm=example.boxes_cxcywh_norm.to(device),
            phrases=example.phrases,
            phrase_indices=example.phrase_indices.to(device),
            masks=None if example.masks is None else example.masks.to(device, non_blocking=True),
        )
        for example in batch.examples
    )
    pixel_mask = None if batch.pixel_mask is None else batch.pixel_mask.to(device)
    return Batch(batch.pixel_values.to(device, non_blocking=True), pixel_mask, examples)
