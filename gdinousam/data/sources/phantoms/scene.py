"""A scene: what the beams of the probe meet, row by row from the probe on, before it becomes an image."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from gdinousam.data.sources.phantoms.settings import Range
from gdinousam.data.speckle import FloatMap
from gdinousam.records import Mask

Points = npt.NDArray[np.float64]  # (N, 2), x and y


def unit_outline(
    generator: np.random.Generator, roughness: float = 0.0, num_spicules: tuple[int, int] = (0, 0)
) -> Points:
    """Draw a closed outline as (360, 2) points x, y that span [-1, 1] exactly in both directions.

    roughness: amplitude of the harmonics that bend it, as a fraction of the radius. num_spicules: lowest and highest
    number of spikes.
    """
    angle = np.linspace(0.0, 2.0 * np.pi, 360, endpoint=False)
    distance = np.ones_like(angle)
    for harmonic in range(2, 8):
        phase = generator.uniform(0.0, 2.0 * np.pi)
        distance += roughness * generator.uniform(0.3, 1.0) / np.sqrt(harmonic) * np.cos(harmonic * angle + phase)
    for _ in range(generator.integers(*num_spicules, endpoint=True)):
        away = np.angle(np.exp(1j * (angle - generator.uniform(0.0, 2.0 * np.pi))))  # in (-pi, pi]
        distance += generator.uniform(0.25, 0.5) * np.exp(-((away / 0.09) ** 2))
    tilt = generator.uniform(-0.2, 0.2)
    points = np.stack([distance * np.cos(angle), 0.8 * distance * np.sin(angle)], axis=1)
    points @= np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
    low, high = points.min(axis=0), points.max(axis=0)
    return 2.0 * (points - low) / (high - low) - 1.0


def placed(unit_xy: Points, center_xy: tuple[float, float], half_xy: tuple[float, float], tilt: float = 0.0) -> Points:
    """Points of the unit square stretched to the half width and height, turned clockwise by tilt (radians), moved."""
    points = unit_xy * half_xy
    turn = np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
    return points @ turn + center_xy


def filled(outline_xy: Points, size_hw: tuple[int, int]) -> Mask:
    """The (H, W) bool mask inside a closed outline, border pixels included; what lies outside the image is cut off."""
    canvas = np.zeros(size_hw, dtype=np.uint8)
    cv2.fillPoly(canvas, [np.rint(outline_xy).astype(np.int32)], 1)
    return canvas.astype(bool)


def line_mask(points_xy: Points, size_hw: tuple[int, int], thickness: int = 1, closed: bool = False) -> Mask:
    """The (H, W) bool mask of a line through the points. thickness: in pixels."""
    canvas = np.zeros(size_hw, dtype=np.uint8)
    cv2.polylines(canvas, [np.rint(points_xy).astype(np.int32)], closed, 1, thickness)
    return canvas.astype(bool)


def rim(mask_hw: Mask, thickness: int) -> Mask:
    """The pixels of a mask that lie within ``thickness`` pixels of its edge."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * thickness + 1, 2 * thickness + 1))
    return mask_hw & ~cv2.erode(mask_hw.astype(np.uint8), kernel, borderValue=0).astype(bool)


@dataclass(eq=False)
class Scene:
    """Echo strength and loss along the beams, with the objects that have a phrase. Drawn by a family, in place.

    strength_db: (H, W) float32 in decibels, common tissue at 0. loss_db: (H, W) float32 as ``depth_loss_db`` takes it.
    instances: phrase and (H, W) bool mask of each object. probe_below: whether the image shows the probe at its bottom.
    """

    strength_db: FloatMap
    loss_db: FloatMap
    instances: list[tuple[str, Mask]] = field(default_factory=list)
    probe_below: bool = False

    @property
    def size_hw(self) -> tuple[int, int]:
        """Rows and columns."""
        height, width = self.strength_db.shape
        return height, width

    def fill(self, mask_hw: Mask, level_db: float, texture_db: FloatMap | None = None, loss_db: float = 0.0) -> None:
        """Replace the tissue under the mask. texture_db: (H, W), added to the level. loss_db: added to the loss."""
        self.strength_db[mask_hw] = level_db if texture_db is None else level_db + texture_db[mask_hw]
        if loss_db:
            self.loss_db[mask_hw] += np.float32(loss_db)

    def line(
        self,
        points_xy: Points,
        level_db: float,
        texture_db: FloatMap | None = None,
        thickness: int = 1,
        closed: bool = False,
    ) -> None:
        """Draw a line through (N, 2) points x, y in pixels. texture_db: as for ``fill``. thickness: in pixels."""
        self.fill(line_mask(points_xy, self.size_hw, thickness, closed), level_db, texture_db)


def blank_scene(generator: np.random.Generator, size_hw: tuple[int, int], attenuation_db: Range) -> Scene:
    """A scene of tissue at 0 dB with a loss drawn from the range."""
    loss_db = np.full(size_hw, generator.uniform(*attenuation_db), dtype=np.float32)
    return Scene(np.zeros(size_hw, dtype=np.float32), loss_db)
