"""Metrics on shapes that can be counted by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdinousam.evaluation.scoring.metrics import box_iou_xyxy, dice, iou, overlap_counts


def rectangle(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    mask_hw = np.zeros((6, 8), bool)
    mask_hw[top:bottom, left:right] = True
    return mask_hw


EMPTY, FULL = np.zeros((6, 8), bool), np.ones((6, 8), bool)
TWO_PARTS = rectangle(0, 0, 2, 2) | rectangle(4, 5, 6, 8)  # 4 + 6 pixels


@pytest.mark.parametrize(
    ("prediction_hw", "truth_hw", "counts", "expected_dice", "expected_iou"),
    [
        pytest.param(rectangle(1, 1, 3, 5), rectangle(1, 1, 3, 5), (8, 8, 8), 1.0, 1.0, id="identical"),
        pytest.param(rectangle(0, 0, 2, 2), rectangle(3, 3, 5, 5), (0, 4, 4), 0.0, 0.0, id="disjoint"),
        pytest.param(rectangle(0, 0, 2, 4), rectangle(0, 2, 2, 6), (4, 8, 8), 0.5, 4 / 12, id="half overlap"),
        pytest.param(rectangle(2, 2, 3, 3), rectangle(2, 2, 3, 3), (1, 1, 1), 1.0, 1.0, id="one pixel"),
        pytest.param(rectangle(2, 2, 3, 3), FULL, (1, 1, 48), 2 / 49, 1 / 48, id="one pixel of all"),
        pytest.param(EMPTY, EMPTY, (0, 0, 0), 1.0, 1.0, id="both empty"),
        pytest.param(EMPTY, FULL, (0, 0, 48), 0.0, 0.0, id="nothing predicted"),
        pytest.param(FULL, EMPTY, (0, 48, 0), 0.0, 0.0, id="nothing to find"),
        pytest.param(rectangle(0, 0, 2, 2), TWO_PARTS, (4, 4, 10), 8 / 14, 4 / 10, id="one of two components"),
        pytest.param(TWO_PARTS, TWO_PARTS, (10, 10, 10), 1.0, 1.0, id="both of two components"),
    ],
)
def test_masks_score_as_counted_by_hand(prediction_hw, truth_hw, counts, expected_dice, expected_iou):
    assert overlap_counts(prediction_hw, truth_hw) == counts
    assert dice(prediction_hw, truth_hw) == pytest.approx(expected_dice, abs=1e-15)
    assert iou(prediction_hw, truth_hw) == pytest.approx(expected_iou, abs=1e-15)


@pytest.mark.parametrize("metric", [overlap_counts, dice, iou])
def test_masks_of_different_size_are_refused(metric):
    with pytest.raises(ValueError, match=r"\(6, 8\).*\(8, 6\)"):
        metric(FULL, FULL.T)


@given(st.integers(0, 2**12 - 1), st.integers(0, 2**12 - 1))
def test_dice_and_iou_are_symmetric_and_follow_from_each_other(first_bits, second_bits):
    first_hw, second_hw = (
        np.array([bits >> n & 1 for n in range(12)], bool).reshape(3, 4) for bits in (first_bits, second_bits)
    )
    assert dice(first_hw, second_hw) == dice(second_hw, first_hw)
    overlap = iou(first_hw, second_hw)
    assert overlap == iou(second_hw, first_hw)
    assert dice(first_hw, second_hw) == pytest.approx(2 * overlap / (1 + overlap))


@pytest.mark.parametrize(
    ("first_xyxy", "second_xyxy", "expected"),
    [
        pytest.param((1, 2, 5, 6), (1, 2, 5, 6), 1.0, id="identical"),
        pytest.param((0, 0, 4, 2), (2, 0, 6, 2), 4 / 12, id="half overlap"),
        pytest.param((0, 0, 4, 4), (1, 1, 3, 3), 4 / 16, id="inside"),
        pytest.param((0, 0, 2, 2), (2, 0, 4, 2), 0.0, id="touching"),
        pytest.param((0, 0, 2, 2), (5, 5, 6, 6), 0.0, id="apart in both directions"),
        pytest.param((0, 0, 0.5, 1), (0, 0, 1, 1), 0.5, id="part of a pixel"),
        pytest.param((3, 3, 3, 3), (3, 3, 3, 3), 0.0, id="no area"),
    ],
)
def test_boxes_score_as_measured_by_hand(first_xyxy, second_xyxy, expected):
    assert box_iou_xyxy(first_xyxy, second_xyxy) == pytest.approx(expected)
    assert box_iou_xyxy(second_xyxy, first_xyxy) == pytest.approx(expected)
