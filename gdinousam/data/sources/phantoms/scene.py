"""A scene: what the beams of the probe meet, row by row from the probe on, before it becomes an image."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gdinousam.data.sources.phantoms.outlines import Points, line_mask
from gdinousam.data.sources.phantoms.settings import Range
from gdinousam.data.speckle import FloatMap
from gdinousam.records import Mask


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
