"""How UltraSam places an image, boxes and clicks in the square that the network sees, and how masks come back.

As in the original SAM, the longest side becomes S and the rest is padding at the right and bottom; all that differs is
mmdet's. Pixels of the square are counted from the outer corner of the first one.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from gdinousam.errors import InputError
from gdinousam.models.mask_heads.sam import OriginalFrame
from gdinousam.preprocessing import image_to_tensor, normalize_image
from gdinousam.records import Click, Image


class UltraSamFrame(OriginalFrame):
    """The frame of UltraSam's test configurations for a square of S x S."""

    def pixel_values(self, image: Image) -> torch.Tensor:
        """Turn an (H, W, 3) uint8 RGB image into the (3, S, S) float32 that the network sees.

        Resized with OpenCV's bilinear filter, normalised by ImageNet's statistics, then padded with zeros.
        """
        height, width = self.scaled_hw(image.shape[:2])
        resized = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
        normalized = normalize_image(image_to_tensor(resized))
        return F.pad(normalized, (0, self.side - width, 0, self.side - height))

    def clicks_in_square(self, clicks: Sequence[Click], size_hw: tuple[int, int]) -> torch.Tensor:
        """(N, 2) float32 x, y of clicks on an image of size (H, W), as UltraSam counts them before its half pixel.

        UltraSam scales the indices of pixels, so that the centre of the first one is 0, not 0.5.
        """
        indices_xy = torch.tensor([(click.x - 0.5, click.y - 0.5) for click in clicks], dtype=torch.float32)
        return self.boxes_in_square(torch.cat([indices_xy, indices_xy], dim=1), size_hw)[:, :2]

    def masks_of_size(self, low_res_logits: torch.Tensor, size_hw: tuple[int, int]) -> torch.Tensor:
        """Turn (N, 1, S/4, S/4) logits into (N, H, W) bool masks as published.

        The logits are compared with 0 first; that map of zeros and ones is then resized twice, and every pixel that
        gets any share of a one is inside. Masks come out 4 to 9 % larger than those of ``plain_masks_of_size``
        (measured on smooth shapes).
        """
        return self.logits_of_size((low_res_logits > 0).float(), size_hw) > 0

    def plain_masks_of_size(self, low_res_logits: torch.Tensor, size_hw: tuple[int, int]) -> torch.Tensor:
        """Turn (N, 1, S/4, S/4) logits into (N, H, W) bool masks as SAM does: resize the logits, compare with 0."""
        return super().masks_of_size(low_res_logits, size_hw)

    def scaled_hw(self, size_hw: tuple[int, int]) -> tuple[int, int]:
        # mmdet cuts off the fraction where SAM rounds, in this order of operations: the longest side of 49 or 98 pixels
        # becomes 1023, not 1024, as the quotient is a little too small
        scale = self.side / max(size_hw)
        height, width = (int(length * scale) for length in size_hw)
        if not height or not width:
            raise InputError(
                f"an image of {size_hw[1]} x {size_hw[0]} pixels is too thin for UltraSam, which shrinks its longest "
                f"side to {self.side}; crop it"
            )
        return height, width
