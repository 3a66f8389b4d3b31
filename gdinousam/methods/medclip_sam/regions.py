"""From a map of grey levels to a region, and from a region to the box that SAM is shown.

Every function takes and gives arrays of the image's size, (H, W).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
from skimage.filters import threshold_otsu

from gdinousam.records import BoxXYXY, Mask

Levels = npt.NDArray[np.uint8]

_SIDE = 256  # of the square on which the published code looks for two groups of grey levels


def brighter_of_two_groups(levels_hw: Levels) -> Mask:
    """The brighter pixels where grey levels fall into two groups, each as close together as can be; none of one grey.

    The published code runs k-means from random starts. Of numbers on a line the best of all partings into two is known,
    Otsu's, and recorded masks of k-means with ten starts, the number of the authors' version of scikit-learn, are it to
    the pixel. As published, a square of 256 pixels is looked at, sampled without smoothing, and enlarged again.
    """
    height, width = levels_hw.shape
    square = cv2.resize(levels_hw, (_SIDE, _SIDE), interpolation=cv2.INTER_NEAREST)
    brighter = (square > threshold_otsu(square)).astype(np.uint8)
    return np.asarray(cv2.resize(brighter, (width, height), interpolation=cv2.INTER_NEAREST) > 0)


def largest_parts(mask_hw: Mask, count: int) -> Mask:
    """The parts of a mask with the most pixels, those as large as the last of them too. count: at least 1.

    Pixels that touch at a corner are of one part. An empty mask stays empty.
    """
    num_labels, labels, statistics, _ = cv2.connectedComponentsWithStats(mask_hw.astype(np.uint8), connectivity=8)
    if num_labels == 1:
        return mask_hw
    areas = statistics[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0  # what is beside the mask
    smallest = np.sort(areas[1:])[::-1][min(count, num_labels - 1) - 1]
    return np.asarray((areas >= smallest)[labels] & mask_hw)


def outlines_of(mask_hw: Mask) -> Sequence[npt.NDArray[np.int32]]:
    """The outlines of a mask's parts and of the holes in them, as OpenCV's contours; empty for an empty mask."""
    outlines, _ = cv2.findContours(mask_hw.astype(np.uint8), cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
    return [np.asarray(outline, np.int32) for outline in outlines]


def box_of_largest(mask_hw: Mask) -> BoxXYXY | None:
    """The box round the part whose outline encloses most; ``None`` for an empty mask."""
    outlines = outlines_of(mask_hw)
    if not outlines:
        return None
    return _box_round([max(outlines, key=cv2.contourArea)], mask_hw.shape)


def box_of_all(mask_hw: Mask) -> BoxXYXY | None:
    """The box round all parts; ``None`` for an empty mask."""
    outlines = outlines_of(mask_hw)
    return _box_round(outlines, mask_hw.shape) if outlines else None


def _box_round(outlines: Sequence[npt.NDArray[np.int32]], size_hw: tuple[int, ...]) -> BoxXYXY:
    """As published the right and lower sides lie just beyond the last pixels, but never beyond the image's last."""
    x, y, width, height = cv2.boundingRect(np.concatenate(outlines))
    return float(x), float(y), float(min(x + width, size_hw[1] - 1)), float(min(y + height, size_hw[0] - 1))
