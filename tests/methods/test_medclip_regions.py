"""From maps to regions and boxes: the recorded ones, and the cases that nobody recorded."""

import numpy as np
import numpy.typing as npt
import pytest
from medclip_files import needs_goldens, recorded

from gdinousam.methods.medclip_sam.regions import (
    box_of_all,
    box_of_largest,
    brighter_of_two_groups,
    largest_parts,
    outlines_of,
)

CASES = ("a", "b", "c", "d")


@pytest.fixture(scope="module")
def arrays() -> dict[str, npt.NDArray[np.generic]]:
    return recorded("postprocess")


@needs_goldens
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("num_parts", [1, 2])
def test_regions_are_the_recorded_ones_to_the_pixel(
    arrays: dict[str, npt.NDArray[np.generic]], case: str, num_parts: int
) -> None:
    levels = arrays[f"{case}_saliency_u8"].astype(np.uint8)
    groups = largest_parts(brighter_of_two_groups(levels), num_parts)
    assert np.array_equal(groups, arrays[f"{case}_kmeans_ninit10_top{num_parts}"] > 0)
    # one random start, the default of later versions of scikit-learn, misses the best groups by a grey level in c and d
    assert (groups != (arrays[f"{case}_kmeans_top{num_parts}"] > 0)).mean() < 0.003
    assert np.array_equal(largest_parts(levels > 0.3 * 255, num_parts), arrays[f"{case}_threshold_top{num_parts}"] > 0)
    final = arrays[f"{case}_finalmask_in"] > 0
    assert np.array_equal(largest_parts(final, num_parts), arrays[f"{case}_finalmask_keep{num_parts}"] > 0)


@needs_goldens
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("region", ["kmeans_top1", "kmeans_top2", "threshold_top2"])
def test_boxes_are_the_recorded_ones(arrays: dict[str, npt.NDArray[np.generic]], case: str, region: str) -> None:
    mask = arrays[f"{case}_{region}"] > 0
    assert box_of_all(mask) == tuple(arrays[f"{case}_{region}_v2box"][0])
    assert box_of_largest(mask) == tuple(arrays[f"{case}_{region}_v1box"][0])
    assert len(outlines_of(mask)) == arrays[f"{case}_{region}_v2ncontours"]


def of_rectangles(*rectangles: tuple[int, int, int, int]) -> npt.NDArray[np.bool_]:
    mask = np.zeros((50, 60), bool)
    for x0, y0, x1, y1 in rectangles:
        mask[y0:y1, x0:x1] = True
    return mask


def test_the_larger_part_or_all_parts_give_the_box() -> None:
    mask = of_rectangles((2, 3, 10, 9), (20, 30, 45, 48))
    assert box_of_largest(mask) == (20, 30, 45, 48)
    assert box_of_all(mask) == (2, 3, 45, 48)
    assert box_of_largest(~mask) == box_of_all(~mask) == (0, 0, 59, 49)  # never beyond the last pixel


def test_parts_of_equal_size_are_kept_together() -> None:
    mask = of_rectangles((0, 0, 4, 4), (10, 10, 14, 14), (20, 20, 22, 22))
    assert np.array_equal(largest_parts(mask, 1), of_rectangles((0, 0, 4, 4), (10, 10, 14, 14)))
    assert np.array_equal(largest_parts(mask, 3), mask)
    assert np.array_equal(largest_parts(mask, 9), mask)


def test_pixels_that_touch_at_a_corner_are_one_part() -> None:
    mask = of_rectangles((0, 0, 4, 4), (4, 4, 8, 8), (20, 20, 25, 25))
    assert np.array_equal(largest_parts(mask, 1), of_rectangles((0, 0, 4, 4), (4, 4, 8, 8)))


def test_a_hole_counts_as_an_outline() -> None:
    mask = of_rectangles((5, 5, 30, 30))
    mask[10:20, 10:20] = False
    assert len(outlines_of(mask)) == 2


def test_nothing_has_no_box_and_no_parts() -> None:
    nothing = np.zeros((4, 5), bool)
    assert box_of_all(nothing) is None and box_of_largest(nothing) is None
    assert not largest_parts(nothing, 1).any() and not outlines_of(nothing)


def test_one_grey_level_has_no_brighter_group() -> None:
    assert not brighter_of_two_groups(np.full((7, 9), 200, np.uint8)).any()


def test_the_groups_do_not_depend_on_how_often_an_image_is_enlarged() -> None:
    levels = np.full((512, 512), 20, np.uint8)
    levels[100:200, 300:420] = 230
    assert np.array_equal(brighter_of_two_groups(levels), levels > 100)
