"""The geometry of a convex probe: beams that fan out, and the sector that they fill in the image.

A scene has one beam per column. ``Sector`` lays the columns side by side as rays from the probe's curved face, so that
grains of speckle and everything else widen with depth.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from gdinousam.data.speckle import FloatMap
from gdinousam.records import Mask

FACE_RADIUS = (0.14, 0.38)  # of the probe's face, as a fraction of the distance from its centre to the deepest echo
WIDENING = (1.0, 1.4)  # of the opening angle beyond the one whose sector meets the image's width and height at once
LARGEST_HALF_ANGLE = 0.66  # radians, between the middle and the outermost beam; abdominal probes open 50 to 75 degrees
FILL = (0.94, 0.995)  # of the image's width or height, whichever the sector meets first


@dataclass(frozen=True, eq=False)
class Sector:
    """Where each pixel of a sector image comes from.

    beams_hw: size of the beam image, chosen so that a circle at half depth stays one. columns, rows: (H, W) float32,
    place in the beam image, outside it where the pixel lies outside the sector. inside: (H, W) bool.
    """

    beams_hw: tuple[int, int]
    columns: FloatMap
    rows: FloatMap
    inside: Mask

    def grey(self, beams: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Scan-convert uint8 grey values of size ``beams_hw``, linearly between beams; black outside the sector."""
        grey = cv2.remap(beams, self.columns, self.rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.where(self.inside, grey, 0).astype(np.uint8)

    def mask(self, beams: Mask) -> Mask:
        """Scan-convert a bool mask of size ``beams_hw``, by the nearest beam and depth; false outside the sector."""
        mask = cv2.remap(beams.astype(np.uint8), self.columns, self.rows, cv2.INTER_NEAREST)
        return mask.astype(bool) & self.inside


def draw_sector(generator: np.random.Generator, size_hw: tuple[int, int]) -> Sector:
    """Draw a sector that nearly touches the width or the height of an image of the given size."""
    height, width = size_hw
    face = generator.uniform(*FACE_RADIUS)
    # The half angle t of a sector as wide and high as the image solves 2 h/w sin t + face cos t = 1.
    across = 2.0 * height / width
    fitting = np.arcsin(min(1.0 / np.hypot(across, face), 1.0)) - np.arctan2(face, across)
    half_angle = min(fitting * generator.uniform(*WIDENING), LARGEST_HALF_ANGLE)
    used_height = 1.0 - face * np.cos(half_angle)
    reach = generator.uniform(*FILL) * min(height / used_height, width / (2.0 * np.sin(half_angle)))
    center_y = generator.uniform(0.0, height - reach * used_height) - reach * face * np.cos(half_angle)
    beams_hw = int(reach * (1.0 - face)), int(reach * half_angle * (1.0 + face))
    x = np.arange(width, dtype=np.float32)[None, :] - np.float32((width - 1) / 2)
    y = np.arange(height, dtype=np.float32)[:, None] - np.float32(center_y)
    beam = np.arctan2(x, y) / np.float32(half_angle)  # in [-1, 1] inside the sector
    depth = (np.hypot(x, y) / np.float32(reach) - np.float32(face)) / np.float32(1.0 - face)  # in [0, 1] inside
    inside = (np.abs(beam) <= 1.0) & (depth >= 0.0) & (depth <= 1.0)
    columns, rows = (beam + 1.0) / 2.0 * (beams_hw[1] - 1), depth * (beams_hw[0] - 1)
    return Sector(beams_hw, columns.astype(np.float32), rows.astype(np.float32), np.asarray(inside))
