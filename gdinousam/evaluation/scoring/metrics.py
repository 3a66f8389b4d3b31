"""Overlap of two masks and of two boxes.

Dice and IoU both follow from three pixel counts, so the counts are what a row stores and everything else can be
rebuilt from them.
"""

from __future__ import annotations

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
