"""Metrics of two masks: overlap (Dice, IoU) and the distances between their outlines."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from gdinousam.records import BoxXYXY, Mask


def overlap_counts(prediction_hw: Mask, truth_hw: Mask) -> tuple[int, int, int]:
    """Count the pixels of two masks.

    prediction_hw, truth_hw: (H, W) bool, of one size. Returns (overlap, predicted, true): pixels in both masks, in the
    prediction, in the truth; three zeros where both are empty. Raises ValueError where the sizes differ.
    """
    if prediction_hw.shape != truth_hw.shape:
        raise ValueError(f"masks of different size (H, W): prediction {prediction_hw.shape}, truth {truth_hw.shape}")
    overlap = np.count_nonzero(prediction_hw & truth_hw)
    return int(overlap), int(np.count_nonzero(prediction_hw)), int(np.count_nonzero(truth_hw))


def dice_of_counts(overlap: int, predicted: int, true: int) -> float:
    """Dice = 2 overlap / (predicted + true), in [0, 1]; 1.0 where both are empty, 0.0 where one is."""
    return 2 * overlap / (predicted + true) if predicted + true else 1.0


def iou_of_counts(overlap: int, predicted: int, true: int) -> float:
    """IoU = overlap / (predicted + true - overlap), in [0, 1]; 1.0 where both are empty, 0.0 where one is."""
    union = predicted + true - overlap
    return overlap / union if union else 1.0


def dice(prediction_hw: Mask, truth_hw: Mask) -> float:
    """Dice score of two masks, in [0, 1].

    prediction_hw, truth_hw: (H, W) bool, of one size. Both empty: 1.0. One empty: 0.0. Raises ValueError where the
    sizes differ.
    """
    return dice_of_counts(*overlap_counts(prediction_hw, truth_hw))


def iou(prediction_hw: Mask, truth_hw: Mask) -> float:
    """Intersection over union of two masks, in [0, 1].

    prediction_hw, truth_hw: (H, W) bool, of one size. Both empty: 1.0. One empty: 0.0. Raises ValueError where the
    sizes differ.
    """
    return iou_of_counts(*overlap_counts(prediction_hw, truth_hw))


def box_iou_xyxy(first_xyxy: BoxXYXY, second_xyxy: BoxXYXY) -> float:
    """Intersection over union of two boxes, in [0, 1].

    first_xyxy, second_xyxy: (x0, y0, x1, y1) in the same unit, x0 <= x1 and y0 <= y1. Boxes that only touch: 0.0. Two
    boxes without area: 0.0, even where they are equal, because neither holds a pixel.
    """
    width = min(first_xyxy[2], second_xyxy[2]) - max(first_xyxy[0], second_xyxy[0])
    height = min(first_xyxy[3], second_xyxy[3]) - max(first_xyxy[1], second_xyxy[1])
    overlap = max(width, 0.0) * max(height, 0.0)
    union = _area(first_xyxy) + _area(second_xyxy) - overlap
    return float(overlap / union) if union > 0 else 0.0


def _area(box_xyxy: BoxXYXY) -> float:
    return (box_xyxy[2] - box_xyxy[0]) * (box_xyxy[3] - box_xyxy[1])


# How far an outline may lie from the other one and still count as right. A share of the diagonal, because the pixel
# spacing of published ultrasound images is unknown and their sizes differ tenfold: so many pixels would be strict on
# large images and lenient on small ones. Of the 7 to 25 cm that an image shows, 0.5 % is 0.3 to 1.3 mm, about what
# ultrasound resolves sideways and two readers differ by. Below one pixel the grid itself would decide.
TOLERANCE_OF_DIAGONAL = 0.005
MIN_TOLERANCE_PIXELS = 1.0


class SurfaceScores(NamedTuple):
    """surface_dice: in [0, 1]. hausdorff_95, surface_distance: pixels of the image, nan where a mask is empty."""

    surface_dice: float
    hausdorff_95: float
    surface_distance: float


NOT_SCORED = SurfaceScores(math.nan, math.nan, math.nan)


def surface_scores(prediction_hw: Mask, truth_hw: Mask) -> SurfaceScores:
    """Compare the outlines of two masks.

    prediction_hw, truth_hw: (H, W) bool, of one size, whole images. An outline holds the pixels of a mask that have a
    neighbour (of four) outside it; outside the image counts as outside. Distances lie between centres of pixels.
    surface_dice: share of the pixels of both outlines that lie within ``tolerance_pixels`` of the other outline.
    hausdorff_95: the larger of the two 95th percentiles of the distances from one outline to the other.
    surface_distance: mean of the distances of all pixels of both outlines to the other one.
    Both masks empty: surface_dice 1.0. One empty: 0.0. The distances are nan in both cases, because there is none.
    Raises ValueError where the sizes differ.
    """
    if prediction_hw.shape != truth_hw.shape:
        raise ValueError(f"masks of different size (H, W): prediction {prediction_hw.shape}, truth {truth_hw.shape}")
    if not prediction_hw.any() or not truth_hw.any():
        equal = not prediction_hw.any() and not truth_hw.any()
        return SurfaceScores(1.0 if equal else 0.0, math.nan, math.nan)
    # monai takes seconds to import, and only scoring needs it
    from monai.metrics import get_mask_edges, get_surface_distance

    window = _window(prediction_hw | truth_hw)
    outlines = get_mask_edges(prediction_hw[window], truth_hw[window], crop=False)
    to_truth = np.asarray(get_surface_distance(*outlines), dtype=np.float64)
    to_prediction = np.asarray(get_surface_distance(*outlines[::-1]), dtype=np.float64)
    both = np.concatenate([to_truth, to_prediction])
    tolerance = tolerance_pixels(truth_hw.shape[1], truth_hw.shape[0])
    return SurfaceScores(
        float(np.mean(both <= tolerance)),
        float(max(np.percentile(to_truth, 95), np.percentile(to_prediction, 95))),
        float(both.mean()),
    )


def tolerance_pixels(image_width: int, image_height: int) -> float:
    """The distance up to which an outline counts as right in an image of this size."""
    return max(MIN_TOLERANCE_PIXELS, TOLERANCE_OF_DIAGONAL * math.hypot(image_width, image_height))


def _window(mask_hw: Mask) -> tuple[slice, slice]:
    """Rows and columns of the smallest window that holds the mask."""
    rows, columns = (np.flatnonzero(mask_hw.any(axis=axis)) for axis in (1, 0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
