"""The box that belongs to a mask."""

from __future__ import annotations

import numpy as np

from gdinousam.records import BoxXYWH, BoxXYXY, Mask


def tight_box_xywh(mask_hw: Mask) -> BoxXYWH:
    """The smallest box of whole pixels round a mask that is not empty, (x, y, width, height)."""
    rows, columns = np.flatnonzero(mask_hw.any(axis=1)), np.flatnonzero(mask_hw.any(axis=0))
    x, y = int(columns[0]), int(rows[0])
    return x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1


def tight_box_xyxy(mask_hw: Mask) -> BoxXYXY | None:
    """The same as (x0, y0, x1, y1), x1 and y1 just beyond the last pixels; ``None`` for an empty mask."""
    if not mask_hw.any():
        return None
    x, y, width, height = tight_box_xywh(mask_hw)
    return float(x), float(y), float(x + width), float(y + height)
