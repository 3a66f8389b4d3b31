"""Masks as outlines: what a method found as a thick line in colour, the truth as a thin broken one over it.

The two differ in width, pattern and brightness, so they can be told apart in grey print and by colour-blind readers;
the image stays visible beneath.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from gdinousam.drawing import PALETTE, Color, draw_panel, outlines
from gdinousam.records import Image, Mask

FOUND: Color = PALETTE[4]  # vermilion: four times darker than white, five times brighter than black
TRUTH: tuple[Color, Color] = ((255, 255, 255), (0, 0, 0))  # dashes: one of them shows on every image
_CASING: Color = (0, 0, 0)
# In pixels of a panel whose longer side has 640.
_FOUND_WIDTH, _CASING_WIDTH, _TRUTH_WIDTH, _DASH = 5, 8, 2, 10
_LONGER_SIDE = 640


def outlined(image: Image, found_hw: Mask | None = None, truth_hw: Mask | None = None) -> Image:
    """A panel of an image with outlines over it.

    image: (H, W, 3) uint8 RGB. found_hw, truth_hw: (H, W) bool; left out or empty: no outline.
    Returns (H', W', 3) uint8 RGB as ``draw_panel`` does. Raises ValueError where the sizes differ.
    """
    for mask_hw in (found_hw, truth_hw):
        if mask_hw is not None and mask_hw.shape != image.shape[:2]:
            raise ValueError(f"mask of size {mask_hw.shape} over an image of size {image.shape[:2]} (H, W)")
    panel = draw_panel(image)
    scale, size_wh = max(panel.shape[:2]) / _LONGER_SIDE, (panel.shape[1], panel.shape[0])
    if found_hw is not None:
        contours = outlines(found_hw, size_wh)
        for color, width in ((_CASING, _CASING_WIDTH), (FOUND, _FOUND_WIDTH)):
            cv2.drawContours(panel, contours, -1, color, max(1, round(scale * width)), cv2.LINE_AA)
    if truth_hw is not None:
        for contour in outlines(truth_hw, size_wh):
            _draw_dashes(panel, contour, max(1, round(scale * _TRUTH_WIDTH)), max(3, round(scale * _DASH)))
    return panel


def _draw_dashes(panel: Image, contour: npt.NDArray[np.int32], width: int, dash: int) -> None:
    points = np.concatenate([contour, contour[:1]])
    for number, start in enumerate(range(0, len(points), dash)):
        piece = points[start : start + dash + 1]
        cv2.polylines(panel, [piece], False, TRUTH[number % 2], width)
