"""Colour Doppler as a scanner lays it over an image: red and blue where something flows, within a yellow box."""

from __future__ import annotations

import cv2
import numpy as np

from gdinousam.records import Image, Mask

TOWARDS, AWAY, FRAME = (230, 60, 20), (20, 70, 230), (240, 220, 40)  # RGB
BOX_SCALE = 1.6  # sides of the colour box by those of the target
LEAST_SIDE = 0.2  # of the box before scaling, by those of the image
VESSEL_SCALE = 40  # as many vessels fit along the longer side of the image, about
FASTEST = 2.5  # standard deviations of the field of speeds at which a colour is full; one is where colour begins


def with_flow(image: Image, target_hw: Mask, generator: np.random.Generator) -> Image:
    """The image with a colour box round a target.

    image: (H, W, 3) uint8 RGB. target_hw: (H, W) bool with at least one pixel. Returns a new (H, W, 3) uint8 RGB.
    """
    height, width = target_hw.shape
    rows, columns = np.nonzero(target_hw)
    half_height = BOX_SCALE * max(float(np.ptp(rows)), LEAST_SIDE * height) / 2
    half_width = BOX_SCALE * max(float(np.ptp(columns)), LEAST_SIDE * width) / 2
    top, left = rows.mean() - half_height, columns.mean() - half_width
    bottom, right = rows.mean() + half_height, columns.mean() + half_width
    down, across = np.mgrid[:height, :width]
    inside = (down > top) & (down < bottom) & (across > left) & (across < right)
    speeds = generator.normal(size=(height, width)).astype(np.float32)
    speeds = np.asarray(cv2.GaussianBlur(speeds, (0, 0), max(height, width) / VESSEL_SCALE))
    speeds /= speeds.std() or 1.0
    drawn = image.copy()
    for sign, color in ((1, TOWARDS), (-1, AWAY)):
        share = np.clip((sign * speeds - 1) / (FASTEST - 1), 0, 1)
        flows = inside & (share > 0)
        drawn[flows] = np.asarray(color) * (0.45 + 0.55 * share[flows][:, None])
    corners = (round(left), round(top)), (round(right), round(bottom))
    cv2.rectangle(drawn, *corners, FRAME, 1)
    return drawn
