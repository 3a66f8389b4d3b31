"""Mask heads: what they share, and the one of the paper, SAM2 from transformers, shown boxes.

Shapes: B images, N boxes of an image, S side of the square that the model sees (1024 for the published models).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import nn
from transformers import Sam2Model, SamModel

from gdinousam.errors import InputError
from gdinousam.inputs import as_boxes, as_hints, as_images
from gdinousam.models.first_answer import explained
from gdinousam.models.mask_heads.hiera_attention import use_hiera_attention
from gdinousam.models.precision import MixedPrecision
from gdinousam.models.processors import save_mask_head_processor
from gdinousam.preprocessing import ResizeSettings, box_scale, build_resize, image_to_tensor, normalize_image
from gdinousam.records import BoxXYXY, Detection, Hint, Image, Mask, Need


@dataclass(frozen=True, eq=False)
class Prompted:
    """What a mask head answers to the N prompts of an image.

    low_res_logits: (N, 1, S/4, S/4) float32 on the square that the model sees; above 0 is inside. quality: (N,) float32
    in [0, 1], the overlap (IoU) with the object that it expects of each mask; ``None`` from one that expects nothing.
    """

    low_res_logits: torch.Tensor
    quality: torch.Tensor | None = None


@dataclass(frozen=True, eq=False)
class Clicks:
    """K clicks for each of N prompts.

    points_xy: (N, K, 2) float32 in pixels of the square that the model sees, the centre of its first pixel at (0, 0).
    labels: (N, K) int64, 1 on the object, 0 beside it.
    """

    points_xy: torch.Tensor
    labels: torch.Tensor


class MaskHead(MixedPrecision):
    """A model that gives one mask per box. It encodes an image once, whatever the number of its boxes.

    A ``gdinousam.records.HintedSegmenter`` that looks at the box of a hint, and some at its phrase. The image encoder
    alone may multiply in low precision; the decoder, which is small and draws the outlines, stays in float32.
    """

    needs: frozenset[Need] = frozenset({"box"})
    model: Sam2Model | SamModel

    @property
    @abstractmethod
    def side(self) -> int:
        """S, the side in pixels of the square image that the model sees."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where the model lies."""

    def in_low_precision(self) -> list[nn.Module]:
        """The image encoder; see ``MixedPrecision``."""
        return list(self.image_encoder.modules())

    @explained
    def forward(self, pixel_values: torch.Tensor, boxes_xyxy: torch.Tensor) -> torch.Tensor:
        """Mask logits for boxes, all images with the same number of boxes; for training.

        pixel_values: (B, 3, S, S) float32, normalised. boxes_xyxy: (B, N, 4) in pixels of that square.
        Returns (B, N, S/4, S/4) float32; above 0 is inside.
        """
        # a copy: transformers (4.57) adds half a pixel to the boxes it is given, in place
        output = self.model(pixel_values=pixel_values, input_boxes=boxes_xyxy.clone(), multimask_output=False)
        return output.pred_masks[:, :, 0].float()

    @abstractmethod
    def encode(self, images: Sequence[Image]) -> list[Any]:
        """What the model keeps of each (H, W, 3) uint8 RGB image, for ``low_res_logits``; in float32."""

    @abstractmethod
    def low_res_logits(self, encoded: Any, boxes_xyxy: torch.Tensor, size_hw: tuple[int, int]) -> torch.Tensor:
        """The decoder's answer for the boxes of one image.

        encoded: one entry of ``encode``. boxes_xyxy: (N, 4) in pixels of the image, N at least 1. size_hw: height and
        width of the image. Returns (N, 1, S/4, S/4) float32 on the square that the model sees; above 0 is inside.
        """

    def answer(
        self, encoded: Any, boxes_xyxy: torch.Tensor, size_hw: tuple[int, int], phrases: Sequence[str]
    ) -> Prompted:
        """The decoder's answer for the boxes of one image and what is in them, which most mask heads do not hear.

        encoded, boxes_xyxy, size_hw: as in ``low_res_logits``. phrases: N, an empty text where nothing is said.
        """
        return Prompted(self.low_res_logits(encoded, boxes_xyxy, size_hw))

    def with_maps(self, low_res_logits: torch.Tensor, maps: Sequence[npt.NDArray[np.float32] | None]) -> torch.Tensor:
        """The logits of N masks with what maps of the whole image add to them, see ``gdinousam.records.Hint``: nothing
        but to those of SAM2.
        """
        return low_res_logits

    @abstractmethod
    def masks_of_size(self, low_res_logits: torch.Tensor, size_hw: tuple[int, int]) -> torch.Tensor:
        """Turn the answer of ``low_res_logits`` into (N, H, W) bool masks of the image of size (H, W)."""

    def segment_hints(self, images: Sequence[Image], hints: Sequence[Sequence[Hint]]) -> list[list[Detection]]:
        """Segment the object in the box of each hint; see ``gdinousam.records.HintedSegmenter``."""
        images = as_images(images)
        hints = as_hints(hints, len(images))
        answers = self._masks(images, [[_box_of(hint) for hint in row] for row in hints], hints)
        return [
            [
                Detection(hint.phrase, _box_of(hint), hint.score, mask_hw, quality)
                for hint, (mask_hw, quality) in zip(row, of_image, strict=True)
            ]
            for row, of_image in zip(hints, answers, strict=True)
        ]

    def masks_in_boxes(self, images: Sequence[Image], boxes_xyxy: Sequence[object]) -> list[list[Mask]]:
        """Segment the object in each box.

        images: (H, W, 3) uint8 RGB, or what ``gdinousam.inputs.as_images`` takes. boxes_xyxy: for each image (N, 4) in
        pixels of that image, a tensor, an array or a list.
        Returns for each image its N masks, (H, W) bool. Images without boxes cost nothing; all boxes of an image go
        through the decoder together. Raises InputError for what ``gdinousam.inputs`` does not take.
        """
        images = as_images(images)
        return [[mask_hw for mask_hw, _ in of_image] for of_image in self._masks(images, boxes_xyxy, None)]

    @torch.inference_mode()
    def _masks(
        self, images: Sequence[Image], boxes_xyxy: Sequence[object], hints: Sequence[Sequence[Hint]] | None
    ) -> list[list[tuple[Mask, float | None]]]:
        """For each image its N masks, and the quality that is expected of each. hints: whose phrases to tell."""
        boxes = [torch.from_numpy(of_image) for of_image in as_boxes(boxes_xyxy, len(images))]
        wanted = [index for index, of_image in enumerate(boxes) if len(of_image)]
        if not wanted:
            return [[] for _ in images]
        on_device: dict[int, tuple[torch.Tensor, torch.Tensor | None]] = {}
        for index, encoded in zip(wanted, self.encode([images[index] for index in wanted]), strict=True):
            size_hw = images[index].shape[:2]
            phrases = [""] * len(boxes[index]) if hints is None else [hint.phrase for hint in hints[index]]
            answer = self.answer(encoded, boxes[index], size_hw, phrases)
            logits = answer.low_res_logits
            if hints is not None:
                logits = self.with_maps(logits, [hint.map_hw for hint in hints[index]])
            on_device[index] = self.masks_of_size(logits, size_hw), answer.quality
        # only now, when all is under way, what makes a GPU's masks wait for each other
        answers: list[list[tuple[Mask, float | None]]] = [[] for _ in images]
        for index, (masks, quality) in on_device.items():
            expected = [None] * len(masks) if quality is None else quality.tolist()
            answers[index] = list(zip(np.asarray(masks.cpu(), dtype=bool), expected, strict=True))
        return answers


def _box_of(hint: Hint) -> BoxXYXY:
    if hint.box_xyxy is None:
        raise InputError(f"the hint for {hint.phrase!r} has no box, which this mask head needs; give one")
    return hint.box_xyxy


class Sam2MaskHead(MaskHead):
    """SAM2's image encoder, prompt encoder and mask decoder, asked for one mask per box."""

    model: Sam2Model

    def __init__(self, model: Sam2Model) -> None:
        super().__init__()
        self.model = model
        use_hiera_attention(model)

    def save(self, folder: Path) -> None:
        """Write what ``load_mask_head`` reads, and what transformers' processor does, into an existing folder."""
        self.model.save_pretrained(folder)
        save_mask_head_processor(folder, self.model)

    @property
    def image_encoder(self) -> nn.Module:
        """SAM2's image encoder with its neck."""
        return self.model.vision_encoder

    @property
    def side(self) -> int:
        """S, the side in pixels of the square image that the model sees."""
        return int(self.model.config.prompt_encoder_config.image_size)

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        return self.model.device

    @explained
    def encode(self, images: Sequence[Image]) -> list[list[torch.Tensor]]:
        """The features of each (H, W, 3) uint8 RGB image on three levels, each (1, C, h, w)."""
        resize = build_resize(ResizeSettings(size=self.side))
        # resized as fractions, as the official predictor does: rounding to 8 bits in between moves logits by up to 0.2
        # and where the model lies: the image as it is stored is the least to bring there
        on_device = [image_to_tensor(image).to(self.device) for image in images]
        pixel_values = normalize_image(torch.stack([resize(image / 255) for image in on_device]))
        with self.products(self.device):
            levels = self.model.get_image_embeddings(pixel_values)  # type: ignore[arg-type]
        levels = [level.float() for level in levels]
        return [[level[row : row + 1] for level in levels] for row in range(len(images))]

    def low_res_logits(
        self, encoded: list[torch.Tensor], boxes_xyxy: torch.Tensor, size_hw: tuple[int, int]
    ) -> torch.Tensor:
        """The decoder's answer for the boxes of one image; see ``MaskHead.low_res_logits``."""
        return self.answer(encoded, boxes_xyxy, size_hw, [""] * len(boxes_xyxy)).low_res_logits

    @explained
    def answer(
        self, encoded: list[torch.Tensor], boxes_xyxy: torch.Tensor, size_hw: tuple[int, int], phrases: Sequence[str]
    ) -> Prompted:
        """The same with the quality that SAM2 expects; see ``MaskHead.answer``."""
        return self.shown(encoded, self.boxes_in_square(boxes_xyxy, size_hw))

    def with_maps(self, low_res_logits: torch.Tensor, maps: Sequence[npt.NDArray[np.float32] | None]) -> torch.Tensor:
        """See ``MaskHead``; the square that the model sees is the whole image, stretched."""
        if all(one is None for one in maps):
            return low_res_logits
        size_hw = low_res_logits.shape[-2:]
        resized = {  # boxes of one phrase share a map
            id(one): F.interpolate(torch.from_numpy(one)[None, None].to(low_res_logits), size_hw, mode="bilinear")[0, 0]
            for one in maps
            if one is not None
        }
        nothing = low_res_logits.new_zeros(size_hw)
        return low_res_logits + torch.stack([resized.get(id(one), nothing) for one in maps])[:, None]

    def learnable_levels(self, pixel_values: torch.Tensor) -> list[torch.Tensor]:
        """The features of B images, (B, C, h, w) each, with gradients, which transformers gives only with an answer.

        pixel_values: (B, 3, S, S) float32, normalised.
        """
        whole = pixel_values.new_tensor([0.0, 0.0, self.side, self.side]).expand(len(pixel_values), 1, 4)
        output = self.model(pixel_values=pixel_values, input_boxes=whole.clone(), multimask_output=False)
        return list(output.image_embeddings)

    @explained
    def shown(
        self, levels: Sequence[torch.Tensor], boxes_xyxy: torch.Tensor | None, clicks: Clicks | None = None
    ) -> Prompted:
        """The decoder's answer to N prompts, each a box, clicks, or both.

        levels: the features of each prompt's image, (N, C, h, w), those of one image also once, (1, C, h, w).
        boxes_xyxy: (N, 4) in pixels of the square, ``None`` without boxes. clicks: as many of every prompt, ``None``
        without.
        """
        # a copy: transformers (4.57) adds half a pixel to the boxes it is given, in place
        boxes = None if boxes_xyxy is None else boxes_xyxy.clone()
        points, labels = (None, None) if clicks is None else (clicks.points_xy, clicks.labels)
        is_one = len(levels[-1]) == 1
        batched = [None if one is None else one[None] if is_one else one[:, None] for one in (boxes, points, labels)]
        output = self.model(
            image_embeddings=list(levels),
            input_boxes=batched[0],
            input_points=batched[1],
            input_labels=batched[2],
            multimask_output=False,
        )
        return Prompted(output.pred_masks.flatten(0, 1).float(), output.iou_scores.flatten().float())

    def boxes_in_square(self, boxes_xyxy: torch.Tensor, size_hw: tuple[int, int]) -> torch.Tensor:
        """Turn (N, 4) boxes from pixels of the image of size (H, W) into pixels of the square, (N, 4) float32."""
        boxes = boxes_xyxy.to(self.device).float()
        return boxes * (self.side / box_scale(boxes, size_hw))

    def masks_of_size(self, low_res_logits: torch.Tensor, size_hw: tuple[int, int]) -> torch.Tensor:
        """(N, H, W) bool: where the logits, resized to the image, are above 0."""
        return self.logits_of_size(low_res_logits, size_hw) > 0

    def logits_of_size(self, low_res_logits: torch.Tensor, size_hw: tuple[int, int]) -> torch.Tensor:
        """Resize (N, 1, S/4, S/4) logits to (N, H, W) of the image."""
        return F.interpolate(low_res_logits, size_hw, mode="bilinear")[:, 0]
