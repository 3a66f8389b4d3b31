"""A mask head that is asked about one image several times, such as a frame of a clip, and encodes it once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from gdinousam.inputs import as_boxes
from gdinousam.models.mask_heads.sam2 import MaskHead
from gdinousam.records import BoxXYXY, Image, Mask


class OneImage:
    """Draws masks in one image after the other; what was encoded of an image is kept until the next one is begun."""

    def __init__(self, mask_head: MaskHead) -> None:
        self._mask_head = mask_head
        self._image: Image | None = None
        self._encoded: Any = None

    def begin(self, image: Image) -> None:
        """Turn to another image, (H, W, 3) uint8 RGB; nothing is computed yet."""
        self._image, self._encoded = image, None

    @torch.inference_mode()
    def masks(
        self, boxes_xyxy: Sequence[BoxXYXY], maps_hw: Sequence[npt.NDArray[np.float32] | None] | None = None
    ) -> list[Mask]:
        """One (H, W) bool mask for each box, as ``MaskHead.segment_hints`` gives them.

        boxes_xyxy: (x0, y0, x1, y1) in pixels. maps_hw: of each box, see ``gdinousam.records.Hint``.
        """
        assert self._image is not None, "begin an image first"
        if not boxes_xyxy:
            return []
        boxes = torch.from_numpy(as_boxes([boxes_xyxy], 1)[0])
        if self._encoded is None:
            (self._encoded,) = self._mask_head.encode([self._image])
        size_hw = self._image.shape[0], self._image.shape[1]
        logits = self._mask_head.low_res_logits(self._encoded, boxes, size_hw)
        if maps_hw is not None:
            logits = self._mask_head.with_maps(logits, maps_hw)
        return list(np.asarray(self._mask_head.masks_of_size(logits, size_hw).cpu(), dtype=bool))
