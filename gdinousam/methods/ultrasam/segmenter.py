"""UltraSam: SAM trained on for ultrasound with boxes and clicks, predicting in two passes.

Shapes: N hints of an image, C channels, S side of the square that the network sees (1024 for the published weights).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn
from transformers import SamModel

from gdinousam.data.masks import tight_box_xyxy
from gdinousam.errors import InputError
from gdinousam.inputs import as_hints, as_images
from gdinousam.methods.detections import detections_of
from gdinousam.methods.ultrasam.checkpoint import ultrasam_from
from gdinousam.methods.ultrasam.frame import UltraSamFrame
from gdinousam.models.checkpoints.files import read_tensors, require_kind
from gdinousam.models.detector.corrections import normalize_officially
from gdinousam.models.loading import RANDOM_SMALL
from gdinousam.models.mask_heads.random_sam import RANDOM, random_sam
from gdinousam.records import BoxXYXY, Detection, Hint, Image, Need

UltraSamHint = Literal["box", "point"]
UltraSamMasks = Literal["published", "plain"]

# transformers' hint encoder adds half a pixel to every coordinate
_ADDED_BY_TRANSFORMERS = 0.5
# mmdet's box of a mask without pixels
_BOX_OF_NOTHING: BoxXYXY = (0.0, 0.0, 0.0, 0.0)


def load_ultrasam(weights: str, hint: UltraSamHint = "box", masks: UltraSamMasks = "published") -> UltraSam:
    """Load UltraSam on the CPU, in eval mode.

    weights: the published mmengine file, ``random`` for random weights of full size, or ``random-small`` for two thin
    layers and images of 256 x 256 pixels. hint, masks: see ``UltraSam``. Raises InputError for a file that is
    missing, unreadable, of another model, or wants to run code.
    """
    if weights in (RANDOM, RANDOM_SMALL):
        return UltraSam(random_sam(small=weights == RANDOM_SMALL), hint, masks)
    path = Path(weights)
    return UltraSam(ultrasam_from(require_kind(read_tensors(path), "UltraSam", path), path), hint, masks)


class UltraSam:
    """UltraSam as a ``gdinousam.records.HintedSegmenter``.

    model: SAM with UltraSam's weights. It is taken over, not copied: the MLPs of its decoder become ``TwiceAddingMlp``,
    so that it is no SAM afterwards; several ``UltraSam`` may share it. hint: what is shown of an object, its box or
    its first click; nothing else of a hint is looked at. masks: how the answer becomes a mask, ``published``
    (``UltraSamFrame.masks_of_size``, dilated) or ``plain`` (as SAM does); the network's answer is the same for both.
    """

    def __init__(self, model: SamModel, hint: UltraSamHint = "box", masks: UltraSamMasks = "published") -> None:
        self.model = _with_ultrasams_decoder(model).eval()
        self.hint = hint
        self.masks = masks
        self.frame = UltraSamFrame(int(model.config.vision_config.image_size))

    @property
    def needs(self) -> frozenset[Need]:
        """What a hint must hold: ``box`` or ``point``."""
        return frozenset({self.hint})

    def to(self, device: torch.device | str) -> UltraSam:
        """Move the model to a device; returns this object."""
        self.model.to(device)
        return self

    @torch.inference_mode()
    def segment_hints(self, images: Sequence[Image], hints: Sequence[Sequence[Hint]]) -> list[list[Detection]]:
        """Segment the object of each hint; see ``gdinousam.records.HintedSegmenter``.

        Each image is encoded once, all its hints go through the decoder together, and an image without hints costs
        nothing. A detection's mask may be empty where the hint has a box. Raises InputError for a hint without the
        box or click that is shown.
        """
        images = as_images(images)
        hints = as_hints(hints, len(images))
        for row in hints:
            self._require_shown(row)
        return [self._segment(image, row) if row else [] for image, row in zip(images, hints, strict=True)]

    def encode(self, image: Image) -> torch.Tensor:
        """The features of an (H, W, 3) uint8 RGB image, (1, C, S/16, S/16) float32."""
        return self.model.get_image_embeddings(self.frame.pixel_values(image)[None].to(self.model.device))

    def first_pass(
        self, encoded: torch.Tensor, hints: Sequence[Hint], size_hw: tuple[int, int]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The answer to the hints of one image of size (H, W), at least one.

        encoded: of ``encode``. Returns (N, 1, S/4, S/4) float32 logits of one mask each, above 0 inside, and the
        (N, 1) overlap that the network expects of it.
        """
        shown = self._boxes(hints, size_hw) if self.hint == "box" else self._clicks(hints, size_hw)
        return self._decode(encoded, len(hints), shown, multimask_output=False)

    def second_pass(
        self, encoded: torch.Tensor, hints: Sequence[Hint], first_logits: torch.Tensor, size_hw: tuple[int, int]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The answer when shown the (N, 1, S/4, S/4) logits of ``first_pass``, and a box with each.

        The box is the hint's. A click is not shown again; in its place comes the box round the first mask as
        published. Returns (N, 3, S/4, S/4) logits of three masks each and the (N, 3) overlaps that the network expects.
        """
        shown = self._boxes(hints, size_hw) if self.hint == "box" else self._boxes_round(first_logits, size_hw)
        return self._decode(encoded, len(hints), shown | {"input_masks": first_logits}, multimask_output=True)

    def low_res_logits(self, encoded: torch.Tensor, hints: Sequence[Hint], size_hw: tuple[int, int]) -> torch.Tensor:
        """(N, 1, S/4, S/4) logits, of the second pass's three masks the one with the largest expected overlap."""
        first_logits, _ = self.first_pass(encoded, hints, size_hw)
        logits, overlaps = self.second_pass(encoded, hints, first_logits, size_hw)
        return logits[torch.arange(len(hints), device=logits.device), overlaps.argmax(dim=1)][:, None]

    def _segment(self, image: Image, hints: Sequence[Hint]) -> list[Detection]:
        size_hw = image.shape[:2]
        low_res_logits = self.low_res_logits(self.encode(image), hints, size_hw)
        masks_of = self.frame.masks_of_size if self.masks == "published" else self.frame.plain_masks_of_size
        return detections_of(hints, np.asarray(masks_of(low_res_logits, size_hw).cpu(), dtype=bool))

    def _decode(
        self, encoded: torch.Tensor, num_hints: int, shown: dict[str, torch.Tensor], multimask_output: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        # every hint as an image of its own: transformers takes one mask per image, not one per hint
        output = self.model(
            image_embeddings=encoded.expand(num_hints, -1, -1, -1), multimask_output=multimask_output, **shown
        )
        return output.pred_masks[:, 0].float(), output.iou_scores[:, 0].float()

    def _boxes(self, hints: Sequence[Hint], size_hw: tuple[int, int]) -> dict[str, torch.Tensor]:
        """The boxes of hints; UltraSam adds half a pixel to them, as transformers does."""
        boxes_xyxy = torch.tensor([hint.box_xyxy for hint in hints], dtype=torch.float32)
        return {"input_boxes": self.frame.boxes_in_square(boxes_xyxy, size_hw)[:, None].to(self.model.device)}

    def _boxes_round(self, low_res_logits: torch.Tensor, size_hw: tuple[int, int]) -> dict[str, torch.Tensor]:
        """The boxes round the masks of a first pass; UltraSam adds no half pixel to them."""
        masks = np.asarray(self.frame.masks_of_size(low_res_logits, size_hw).cpu(), dtype=bool)
        boxes_xyxy = torch.tensor([tight_box_xyxy(mask) or _BOX_OF_NOTHING for mask in masks], dtype=torch.float32)
        in_square = self.frame.boxes_in_square(boxes_xyxy, size_hw) - _ADDED_BY_TRANSFORMERS
        return {"input_boxes": in_square[:, None].to(self.model.device)}

    def _clicks(self, hints: Sequence[Hint], size_hw: tuple[int, int]) -> dict[str, torch.Tensor]:
        """The first click of each hint; UltraSam adds half a pixel to it, as transformers does."""
        clicks = [hint.clicks[0] for hint in hints]
        points_xy = self.frame.clicks_in_square(clicks, size_hw)
        labels = torch.tensor([int(click.is_foreground) for click in clicks])
        return {
            "input_points": points_xy[:, None, None].to(self.model.device),
            "input_labels": labels[:, None, None].to(self.model.device),
        }

    def _require_shown(self, hints: Sequence[Hint]) -> None:
        for hint in hints:
            if (hint.box_xyxy is None) if self.hint == "box" else not hint.clicks:
                lacking = "box" if self.hint == "box" else "click"
                raise InputError(
                    f"the hint for {hint.phrase!r} has no {lacking}, which UltraSam with hint {self.hint!r} "
                    "needs; give one, or choose the other hint"
                )


class TwiceAddingMlp(nn.Module):
    """The MLP of SAM's decoder with its input added to its output; names of its tensors stay.

    The decoder adds the input too, so that UltraSam's tokens go on as 2 x tokens + MLP(tokens). That comes from the
    default of the library it was trained with, whose feed-forward adds its input by itself (measured with mmcv 2.1.0;
    without it, logits are off by about 1). The MLPs of the image encoder do not have it.
    """

    def __init__(self, mlp: Any) -> None:
        super().__init__()
        self.lin1 = mlp.lin1
        self.lin2 = mlp.lin2
        self.act = mlp.act

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(..., C) to the same shape."""
        return tokens + self.lin2(self.act(self.lin1(tokens)))


def _with_ultrasams_decoder(model: SamModel) -> SamModel:
    normalize_officially(model)
    for layer in model.mask_decoder.transformer.layers:
        # built from the two layers, so that doing it again to a model that another UltraSam holds changes nothing
        layer.mlp = TwiceAddingMlp(layer.mlp)
    return model
