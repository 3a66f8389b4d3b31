"""Sizes of shapes that are known by geometry."""

import math

import cv2
import numpy as np
import pytest

from gdinousam.data.sources.medical.frames import Spacing
from gdinousam.errors import InputError
from gdinousam.prediction.measuring import Measurement, measure
from gdinousam.records import Detection


def measured(mask_hw: np.ndarray, spacing_mm: Spacing | None = None) -> Measurement:
    return measure(Detection("cyst", (1, 2, 3, 4), 0.5, mask_hw), spacing_mm)


def rectangle(width: int, height: int) -> np.ndarray:
    mask_hw = np.zeros((60, 80), dtype=bool)
    mask_hw[20 : 20 + height, 30 : 30 + width] = True
    return mask_hw


def ellipse(half_across: float, half_down: float, degrees: float, size_hw: tuple[int, int] = (500, 500)) -> np.ndarray:
    """Pixels whose centre lies within an ellipse; degrees: clockwise on the screen."""
    y, x = np.indices(size_hw) + 0.5 - np.array(size_hw)[:, None, None] / 2
    turn = math.radians(degrees)
    along, beside = x * math.cos(turn) + y * math.sin(turn), -x * math.sin(turn) + y * math.cos(turn)
    return (along / half_across) ** 2 + (beside / half_down) ** 2 <= 1


def test_a_rectangle_in_pixels():
    found = measured(rectangle(4, 3))
    assert (found.unit, found.area, found.num_parts) == ("pixels", 12, 1)
    assert found.longest_diameter == pytest.approx(5)
    # at a right angle to the diagonal a line crosses both long sides: 3 high, 3 * 3 / 4 across
    assert found.perpendicular_diameter == pytest.approx(3.75)
    assert found.ellipse_major == pytest.approx(4 * 4 / math.sqrt(12))
    assert found.ellipse_minor == pytest.approx(4 * 3 / math.sqrt(12))
    assert found.ellipse_angle == pytest.approx(0)


def test_phrase_score_and_box_are_those_of_the_detection():
    found = measured(rectangle(4, 3), (0.1, 0.2))
    assert (found.phrase, found.score, found.box_xyxy) == ("cyst", 0.5, (1, 2, 3, 4))


def test_a_rectangle_whose_pixels_are_not_square():
    found = measured(rectangle(8, 3), (0.5, 1.0))  # 4 mm x 3 mm
    assert (found.unit, found.area) == ("mm", 12)
    assert found.longest_diameter == pytest.approx(5)
    assert found.perpendicular_diameter == pytest.approx(3.75)
    assert found.ellipse_major == pytest.approx(4 * 4 / math.sqrt(12))
    assert found.ellipse_minor == pytest.approx(4 * 3 / math.sqrt(12))


def test_spacing_can_turn_the_longest_diameter():
    upright = measured(rectangle(8, 3), (0.1, 1.0))  # 0.8 mm x 3 mm
    assert upright.longest_diameter == pytest.approx(math.hypot(0.8, 3))
    assert upright.ellipse_angle == pytest.approx(90)


def test_one_pixel():
    found = measured(rectangle(1, 1), (3.0, 4.0))
    assert (found.area, found.num_parts) == (12, 1)
    assert found.longest_diameter == pytest.approx(5)
    assert measured(rectangle(1, 1)).perpendicular_diameter == pytest.approx(math.sqrt(2))


def test_a_line_of_pixels():
    found = measured(rectangle(40, 1))
    assert found.longest_diameter == pytest.approx(math.hypot(40, 1))
    assert found.perpendicular_diameter == pytest.approx(math.hypot(40, 1) / 40)


def test_an_empty_mask_measures_nothing():
    found = measured(np.zeros((5, 6), dtype=bool), (0.5, 0.5))
    sizes = (found.area, found.longest_diameter, found.perpendicular_diameter, found.ellipse_major, found.num_parts)
    assert (found.unit, *sizes) == ("mm", 0, 0, 0, 0, 0)


@pytest.mark.parametrize("degrees", [0, 30, 45, 90, 135, 170])
def test_an_ellipse_at_an_angle(degrees: float):
    found = measured(ellipse(200, 100, degrees))
    assert found.area == pytest.approx(math.pi * 200 * 100, rel=1e-3)
    assert found.ellipse_major == pytest.approx(400, abs=0.5)
    assert found.ellipse_minor == pytest.approx(200, abs=0.5)
    assert found.ellipse_angle == pytest.approx(degrees, abs=0.1)
    # outlines run along pixel edges, so a slanted diameter is up to a pixel and a half longer
    assert 400 - 0.5 < found.longest_diameter < 400 + 1.5
    assert 200 - 1 < found.perpendicular_diameter < 200 + 2.5


def test_an_ellipse_in_millimetres_is_that_of_the_tissue():
    # on the screen a circle of 300 pixels, in the tissue 60 mm wide and 30 mm high
    found = measured(ellipse(150, 150, 0), (0.2, 0.1))
    assert found.area == pytest.approx(math.pi * 30 * 15, rel=1e-3)
    assert (found.ellipse_major, found.ellipse_minor) == pytest.approx((60, 30), abs=0.1)
    assert (found.longest_diameter, found.perpendicular_diameter) == pytest.approx((60, 30), abs=0.2)
    assert found.ellipse_angle == pytest.approx(0, abs=0.1)


def test_a_circle_has_the_angle_zero():
    assert measured(rectangle(10, 10)).ellipse_angle == 0


def test_two_parts_are_one_object():
    mask_hw = np.zeros((20, 50), dtype=bool)
    mask_hw[5:10, 2:7] = mask_hw[5:10, 42:47] = True
    found = measured(mask_hw)
    assert (found.area, found.num_parts) == (50, 2)
    assert found.longest_diameter == pytest.approx(math.hypot(45, 5))


def test_parts_that_touch_at_a_corner_are_one():
    mask_hw = np.zeros((9, 9), dtype=bool)
    mask_hw[2:4, 2:4] = mask_hw[4:6, 4:6] = True
    assert measured(mask_hw).num_parts == 1


def test_diameters_agree_with_a_search_over_all_corners():
    generator = np.random.default_rng(0)
    for _ in range(20):
        blob = cv2.GaussianBlur(generator.random((40, 40)).astype(np.float32), (0, 0), 3)
        mask_hw = blob > np.quantile(blob, 0.8)
        across, down = generator.uniform(0.1, 1, 2)
        found = measured(mask_hw, (across, down))
        y, x = np.nonzero(mask_hw)
        corners = np.concatenate([np.stack([(x + i) * across, (y + j) * down], 1) for i in (0, 1) for j in (0, 1)])
        apart = np.linalg.norm(corners[:, None] - corners[None], axis=2)
        assert found.longest_diameter == pytest.approx(apart.max())
        first, last = np.unravel_index(apart.argmax(), apart.shape)
        along = (corners[last] - corners[first]) / apart.max()
        beside = corners @ [-along[1], along[0]]
        # the width of the whole shape at a right angle is the most that a single line across it can have
        assert 0 < found.perpendicular_diameter <= np.ptp(beside) + 1e-9


def test_the_perpendicular_diameter_of_a_triangle_is_its_height():
    mask_hw = np.concatenate([np.tri(200, dtype=bool)[:, ::-1], np.tri(200, dtype=bool)], axis=1)  # 400 wide, 200 high
    found = measured(mask_hw)
    assert found.longest_diameter == pytest.approx(math.hypot(400, 1), abs=0.1)
    assert found.perpendicular_diameter == pytest.approx(200, abs=1.5)


def test_a_box_without_a_mask_is_refused():
    with pytest.raises(InputError, match="'cyst'"):
        measure(Detection("cyst", (0, 0, 1, 1), 0.5))
