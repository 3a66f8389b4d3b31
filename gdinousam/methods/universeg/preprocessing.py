"""How UniverSeg sees images and masks, and how its answer comes back: a square of 128 grey pixels a side."""

from __future__ import annotations

import numpy as np
import PIL.Image
import torch
import torch.nn.functional as F

from gdinousam.records import Image, Mask

SIDE = 128  # of the images that the published weights were trained on


def grey_square(image: Image) -> torch.Tensor:
    """Stretch an image to the square, as the loader of the authors' examples does.

    image: (H, W, 3) uint8 RGB in [0, 255]. Returns (1, 128, 128) float32 in [0, 1]. Colour is taken away only after
    resizing, which rounds otherwise. The values are divided by 255 and not stretched to the whole range: the authors'
    text asks for that, their loaders do not do it.
    """
    square = PIL.Image.fromarray(image).resize((SIDE, SIDE), PIL.Image.Resampling.BILINEAR).convert("L")
    return torch.from_numpy(np.asarray(square, dtype=np.float32) / 255)[None]


def label_square(mask_hw: Mask) -> torch.Tensor:
    """Stretch a mask to the square by nearest neighbours.

    mask_hw: (H, W) bool. Returns (1, 128, 128) float32, 0 or 1. An object thinner than the distance of two samples can
    vanish.
    """
    grey = PIL.Image.fromarray(mask_hw.astype(np.uint8))
    return torch.from_numpy(np.asarray(grey.resize((SIDE, SIDE), PIL.Image.Resampling.NEAREST), dtype=np.float32))[None]


def probability_of_size(probability: torch.Tensor, size_hw: tuple[int, int]) -> torch.Tensor:
    """Bring (128, 128) probabilities back to an image of size (H, W), bilinearly; float32 of that size."""
    return F.interpolate(probability[None, None], size_hw, mode="bilinear")[0, 0]
