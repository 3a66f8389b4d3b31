"""Pictures and masks for miniature releases: small, drawn by the tests, in the formats that the releases use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL.Image

from gdinousam.records import BoxXYWH

SIZE_HW = (60, 80)


def write_picture(path: Path, seed: int = 0, size_hw: tuple[int, int] = SIZE_HW, mode: str = "L") -> None:
    """A picture of noise, another one for every seed. mode: Pillow's, such as L, RGB or RGBA."""
    num_channels = len(PIL.Image.new(mode, (1, 1)).getbands())
    pixels = np.random.default_rng(seed).integers(0, 256, (*size_hw, num_channels), dtype=np.uint8)
    write_pixels(path, pixels[:, :, 0] if num_channels == 1 else pixels)


def write_mask(
    path: Path, boxes_xywh: Sequence[BoxXYWH] = (), value: int = 255, size_hw: tuple[int, int] = SIZE_HW
) -> None:
    """A grey mask in which each box is filled with ``value``; without boxes it is black."""
    write_pixels(path, box_mask(boxes_xywh, value, size_hw))


def box_mask(
    boxes_xywh: Sequence[BoxXYWH], value: int = 255, size_hw: tuple[int, int] = SIZE_HW
) -> npt.NDArray[np.uint8]:
    """(H, W) uint8 with each box of whole pixels filled with ``value``, 0 elsewhere."""
    mask = np.zeros(size_hw, dtype=np.uint8)
    for x, y, width, height in boxes_xywh:
        mask[int(y) : int(y + height), int(x) : int(x + width)] = value
    return mask


def write_pixels(path: Path, pixels: npt.NDArray[np.uint8]) -> None:
    """Write (H, W) or (H, W, C) uint8 in the format of the path's suffix, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(pixels).save(path)
