"""Masks as arrays: which pixels of a file are foreground where nobody named a value, and the box round a mask.

Masks are stored as 0/1, 0/255, as numbered labels, and with grey values: saved as JPEG, resized with interpolation, or
as probabilities. Only the last kind has pixels that are neither black nor foreground. A few grey values may be either
labels or soft edges; then it counts where they lie. One rule for the whole program.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from gdinousam.records import BoxXYWH, BoxXYXY, Mask

MAX_LABELS = 8  # distinct values above 0 that a file of labels without named values may have; soft edges have more
REACH = 8  # pixels that a blurred edge, or the noise of a JPEG's block, lies from the object at most
MIN_FREE = 0.5  # share of what lies round an object that is black, where it is a label and not a soft one's core


class Foreground(NamedTuple):
    """mask_hw: (H, W) bool. is_cut: the values are grey and were cut at half range. is_doubtful: several values on both
    sides of half range, which were taken for labels and may as well be a soft mask."""

    mask_hw: Mask
    is_cut: bool
    is_doubtful: bool = False


def foreground(grey_hw: npt.NDArray[Any], may_be_labels: bool = True) -> Foreground:
    """The foreground of a mask, and how it was found.

    grey_hw: (H, W) stored values; of a colour mask the largest of its channels. may_be_labels: several values may be
    numbered objects, as in a PNG; JPEG cannot hold such. A mask of one value beside 0 is foreground wherever that
    stands, and so is one of labels. A grey mask is cut at half of its range: [0, 255] for whole numbers of 8 bits
    and fewer, [0, 1] for floats up to 1, otherwise up to the power of two above its largest value. Up to ``MAX_LABELS``
    values are labels, unless those below half range are but thin rims and specks beside the others. An empty mask
    stays empty.
    """
    values = _distinct(grey_hw)
    positive = values[values > 0]
    if len(positive) <= 1:
        return Foreground(np.asarray(grey_hw != 0), False)
    half = half_of_range(grey_hw)
    if not may_be_labels or (len(positive) > MAX_LABELS and positive[-1] >= half):
        return Foreground(np.asarray(grey_hw >= half), True)
    if positive[0] >= half or positive[-1] < half:
        return Foreground(np.asarray(grey_hw != 0), False)
    strong = np.asarray(grey_hw >= half)
    faint = np.asarray((grey_hw > 0) & ~strong)
    if _is_rim(faint, strong):
        return Foreground(strong, True)
    return Foreground(np.asarray(grey_hw != 0), False, is_doubtful=_share_on_black(faint, strong) < MIN_FREE)


def half_of_range(grey_hw: npt.NDArray[Any]) -> float:
    """The value that parts the lower from the upper half of a mask's range, as ``foreground`` says."""
    highest = float(grey_hw.max(initial=0))
    if grey_hw.dtype.kind == "f" and highest <= 1:
        return 0.5
    return float(2.0 ** (max(int(np.ceil(np.log2(highest + 1))), 8) - 1))


def _is_rim(faint: Mask, strong: Mask) -> bool:
    """Whether faint pixels are nowhere three wide and three high, and none is far from a strong one."""
    square = np.ones((3, 3), np.uint8)
    if cv2.erode(faint.astype(np.uint8), square, borderValue=0).any():
        return False
    far = cv2.distanceTransform((~strong).astype(np.uint8), cv2.DIST_C, 3) > REACH
    return not bool((faint & far).any())


def _share_on_black(faint: Mask, strong: Mask) -> float:
    """Of the pixels that lie round strong ones, the share that is black; 1 where strong ones fill the mask."""
    around = cv2.dilate(strong.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool) & ~strong
    return 1.0 - float((faint & around).sum()) / max(int(around.sum()), 1)


def _distinct(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """As ``np.unique``, which sorts all pixels; counting the values of 8 bits is many times faster."""
    if values.dtype == np.uint8:
        return np.flatnonzero(np.bincount(values.ravel(), minlength=256))
    return np.unique(values)


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
