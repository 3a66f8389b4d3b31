"""How BiomedCLIP is shown an image, and how its maps come back.

Shapes: S side of the square that the network sees, G tokens along it.
"""

from __future__ import annotations

from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt
import PIL.Image
import torch
from torchvision.transforms.v2 import functional

from gdinousam.preprocessing import image_to_tensor
from gdinousam.records import Image

View = Literal["cropped", "whole"]

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
_FLAT = 1e-6  # range of a map, as a share of its largest value, that is none


def pixel_values(image: Image, side: int, view: View) -> torch.Tensor:
    """Turn an (H, W, 3) uint8 RGB image into the (3, S, S) float32 that the network sees.

    view: ``cropped``, as published: the shorter edge becomes S and the middle is cut out; ``whole``: both edges become
    S. Resized with Pillow's bicubic filter, normalised with CLIP's statistics.
    """
    height, width = image.shape[:2]
    shorter = min(height, width)
    size = (side, side) if view == "whole" else (side * width // shorter, side * height // shorter)
    resized = PIL.Image.fromarray(image).resize(size, PIL.Image.Resampling.BICUBIC)
    square = functional.center_crop(image_to_tensor(np.asarray(resized)), [side, side])
    return functional.normalize(square.float() / 255, list(CLIP_MEAN), list(CLIP_STD))


def stretched(map_gg: torch.Tensor, size_hw: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """A (G, G) map as MedCLIP-SAM stores it: stretched bilinearly to (H, W), from 0 at its least to 255.

    Over the whole image, also where the network saw its middle alone.
    """
    height, width = size_hw
    return _levels(cv2.resize(map_gg.cpu().numpy(), (width, height), interpolation=cv2.INTER_LINEAR))


def stretched_from_square(map_gg: torch.Tensor, side: int, size_hw: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """The same as MedCLIP-SAMv2 stores it: bilinearly to the square, and from there without smoothing to (H, W)."""
    square = torch.nn.functional.interpolate(map_gg[None, None], (side, side), mode="bilinear")[0, 0]
    height, width = size_hw
    return cv2.resize(_levels(square.cpu().numpy()), (width, height), interpolation=cv2.INTER_NEAREST).astype(np.uint8)


def seen_in_colours(levels_hw: npt.NDArray[np.uint8], image: Image) -> npt.NDArray[np.uint8]:
    """The map that the published code of MedCLIP-SAM goes on with: painted over the image in colours, read as grey.

    Not in the order of the map: red, its highest, is darker than the yellow below.
    """
    painted = cv2.applyColorMap(levels_hw, cv2.COLORMAP_JET)[..., ::-1] / np.float32(255)
    mixed = 0.5 * painted + 0.5 * image.astype(np.float32) / 255
    overlay = (255 * (mixed / mixed.max())).astype(np.uint8)
    # through a file as there: OpenCV's reader makes grey of colours a little otherwise than its conversion does
    _, file = cv2.imencode(".png", overlay[..., ::-1])
    return np.asarray(cv2.imdecode(file, cv2.IMREAD_GRAYSCALE), np.uint8)


def _levels(map_hw: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """A map of one value, but for what resizing rounds, becomes 0."""
    lowest, highest = float(map_hw.min()), float(map_hw.max())
    if highest - lowest <= _FLAT * max(abs(lowest), abs(highest)):
        return np.zeros(map_hw.shape, np.uint8)
    return np.rint(255 * ((map_hw - lowest) / (highest - lowest))).astype(np.uint8)
