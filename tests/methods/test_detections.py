"""A map of probabilities becomes one detection, or none."""

import numpy as np
import pytest
import torch

from gdinousam.methods.detections import detection_of


def test_the_mask_is_what_lies_above_the_threshold_with_its_box_and_mean() -> None:
    probability = np.zeros((6, 8), dtype=np.float32)
    probability[2:4, 3:6] = 0.75
    probability[2, 3] = 1.0
    detection = detection_of("cyst", probability)
    assert detection is not None and detection.mask_hw is not None
    assert detection.phrase == "cyst"
    assert detection.box_xyxy == (3.0, 2.0, 6.0, 4.0)
    assert np.array_equal(detection.mask_hw, probability > 0) and detection.mask_hw.dtype == np.bool_
    assert detection.score == pytest.approx((5 * 0.75 + 1) / 6)


def test_the_whole_image_has_the_box_of_the_image() -> None:
    detection = detection_of("liver", np.ones((5, 9), dtype=np.float32))
    assert detection is not None
    assert (detection.box_xyxy, detection.score) == ((0.0, 0.0, 9.0, 5.0), 1.0)


def test_parts_that_do_not_touch_are_one_detection() -> None:
    probability = np.zeros((10, 10), dtype=np.float32)
    probability[1, 2] = probability[8, 7] = 0.9
    detection = detection_of("cyst", probability)
    assert detection is not None and detection.mask_hw is not None
    assert detection.box_xyxy == (2.0, 1.0, 8.0, 9.0) and detection.mask_hw.sum() == 2


def test_a_probability_at_the_threshold_is_outside() -> None:
    at_threshold = np.full((4, 4), 0.5, dtype=np.float32)
    assert detection_of("cyst", at_threshold) is None
    assert detection_of("cyst", at_threshold, threshold=0.25) is not None


def test_a_tensor_gives_what_its_array_gives() -> None:
    probability = np.random.default_rng(0).random((20, 30), dtype=np.float32)
    of_array = detection_of("cyst", probability, 0.7)
    of_tensor = detection_of("cyst", torch.from_numpy(probability).requires_grad_(), 0.7)
    assert of_array is not None and of_tensor is not None
    assert (of_array.box_xyxy, of_array.score) == (of_tensor.box_xyxy, of_tensor.score)
    assert of_array.mask_hw is not None and np.array_equal(of_array.mask_hw, of_tensor.mask_hw)


def test_the_score_of_a_large_mask_is_not_lost_in_rounding() -> None:
    detection = detection_of("cyst", np.full((2000, 2000), 0.9, dtype=np.float32))
    assert detection is not None and detection.score == pytest.approx(np.float32(0.9), abs=1e-9)


@pytest.mark.parametrize("shape", [(4,), (1, 4, 4)])
def test_what_is_not_one_image_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"give those of one image, \(H, W\)"):
        detection_of("cyst", np.ones(shape, dtype=np.float32))
