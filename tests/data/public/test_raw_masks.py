"""Promises about masks as releases store them."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from miniatures import box_mask, write_mask, write_pixels

from gdinousam.data.masks import tight_box_xywh
from gdinousam.data.sources.public.raw_masks import (
    GREY_EDGES,
    RESIZED,
    SPECKS,
    binarise,
    components,
    instances,
    num_script_contours,
    paper_rows,
    polygon_mask,
    read_grey_mask,
    require_scaling,
    resize_labels,
    script_boxes_xywh,
)
from gdinousam.errors import InputError

FILE = Path("mask.png")
SIZE_HW = (60, 80)
BOX = (12, 8, 30, 20)


@pytest.mark.parametrize("value", [1, 7, 127, 255])
def test_a_mask_of_two_values_is_foreground_where_the_other_stands(value: int) -> None:
    mask_hw, remarks = binarise(box_mask([BOX], value), SIZE_HW, FILE)
    assert (mask_hw == (box_mask([BOX]) > 0)).all()
    assert mask_hw.dtype == np.bool_
    assert remarks == ()


def test_grey_edges_are_cut_at_128_and_told() -> None:
    grey_hw = box_mask([BOX])
    grey_hw[0, :4] = (1, 127, 128, 129)
    mask_hw, remarks = binarise(grey_hw, SIZE_HW, FILE)
    assert mask_hw[0, :4].tolist() == [False, False, True, True]
    assert remarks == (GREY_EDGES,)


def test_a_black_mask_stays_black() -> None:
    mask_hw, remarks = binarise(box_mask([]), SIZE_HW, FILE)
    assert not mask_hw.any()
    assert remarks == ()


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("value", [1, 255])
def test_a_larger_mask_comes_back_to_the_size_of_its_image(factor: int, value: int) -> None:
    small = box_mask([BOX], value)
    large = small.repeat(factor, axis=0).repeat(factor, axis=1)
    mask_hw, remarks = binarise(large, SIZE_HW, FILE)
    assert (mask_hw == (small > 0)).all()
    assert remarks == (RESIZED,)


def test_a_pixel_is_foreground_where_most_of_the_larger_mask_is() -> None:
    large = np.random.default_rng(0).integers(0, 2, (240, 320), dtype=np.uint8)
    share = large.reshape(60, 4, 80, 4).mean(axis=(1, 3))
    mask_hw, _ = binarise(large, SIZE_HW, FILE)
    assert (mask_hw == (share >= 0.5)).all()


def test_a_smaller_mask_covers_the_same_part_of_the_image() -> None:
    mask_hw, remarks = binarise(box_mask([BOX]), (120, 160), FILE)
    x, y, width, height = BOX
    assert tight_box_xywh(mask_hw) == (2 * x, 2 * y, 2 * width, 2 * height)
    assert remarks == (RESIZED,)


def test_a_mask_that_is_no_scaled_copy_is_an_error_with_both_sizes() -> None:
    with pytest.raises(InputError, match=r"mask\.png: mask of 80 x 60 for an image of 100 x 60"):
        binarise(box_mask([BOX]), (60, 100), FILE)


def test_a_scaling_may_miss_by_the_rounding_to_a_pixel() -> None:
    require_scaling((300, 401), (150, 200), FILE)
    with pytest.raises(InputError):
        require_scaling((300, 410), (150, 200), FILE)


def test_labels_keep_their_values_and_colours_when_resized() -> None:
    labels = box_mask([BOX], 3) + box_mask([(50, 30, 20, 20)], 7)
    large = labels.repeat(3, axis=0).repeat(3, axis=1)
    assert (resize_labels(large, SIZE_HW, FILE) == labels).all()
    colours = np.stack([large, large // 2, large * 0], axis=2)
    assert (resize_labels(colours, SIZE_HW, FILE)[:, :, 0] == labels).all()
    assert resize_labels(labels, SIZE_HW, FILE) is labels


def test_masks_of_one_and_of_three_channels_read_the_same(tmp_path: Path) -> None:
    grey_hw = box_mask([BOX], 200)
    write_mask(tmp_path / "one.png", [BOX], 200)
    write_pixels(tmp_path / "three.png", np.repeat(grey_hw[:, :, None], 3, axis=2))
    write_pixels(tmp_path / "four.png", np.dstack([grey_hw] * 3 + [np.full_like(grey_hw, 255)]))
    for name in ("one", "three", "four"):
        assert (read_grey_mask(tmp_path / f"{name}.png") == grey_hw).all()


def test_components_come_largest_first_and_corners_connect() -> None:
    mask_hw = box_mask([(0, 0, 5, 5), (5, 5, 5, 5), (20, 20, 30, 30)]) > 0
    parts, num_dropped = components(mask_hw)
    assert [int(part.sum()) for part in parts] == [900, 50]
    assert num_dropped == 0
    assert (np.logical_or.reduce(parts) == mask_hw).all()


def test_components_below_16_pixels_are_specks() -> None:
    mask_hw = box_mask([(0, 0, 5, 3), (10, 0, 4, 4)]) > 0
    parts, num_dropped = components(mask_hw)
    assert [int(part.sum()) for part in parts] == [16]
    assert num_dropped == 1


def test_components_below_a_two_thousandth_of_the_largest_are_specks() -> None:
    mask_hw = box_mask([(0, 0, 400, 200), (0, 210, 39, 1), (0, 220, 40, 1)], size_hw=(240, 400)) > 0
    parts, num_dropped = components(mask_hw)
    assert [int(part.sum()) for part in parts] == [80_000, 40]
    assert num_dropped == 1


def test_an_empty_mask_has_no_parts_and_no_remark() -> None:
    assert components(box_mask([]) > 0) == ([], 0)
    assert instances(box_mask([]) > 0, "phrase") == ((), ())


def test_every_component_becomes_an_instance_and_specks_a_remark() -> None:
    objects, remarks = instances(box_mask([(0, 0, 9, 9), (20, 20, 9, 9), (50, 50, 1, 1)]) > 0, "phrase")
    assert [one.phrase for one in objects] == ["phrase", "phrase"]
    assert [tight_box_xywh(one.mask_hw) for one in objects] == [(0, 0, 9, 9), (20, 20, 9, 9)]
    assert remarks == (SPECKS,)


def test_a_tight_box_counts_the_pixels_at_both_ends() -> None:
    assert tight_box_xywh(box_mask([BOX]) > 0) == BOX
    assert tight_box_xywh(box_mask([(79, 59, 1, 1)]) > 0) == (79, 59, 1, 1)


def test_a_polygon_is_filled_up_to_its_corners_and_cut_at_the_image() -> None:
    mask_hw = polygon_mask([(10, 5), (20, 5), (20, 15), (10, 15)], SIZE_HW)
    assert tight_box_xywh(mask_hw) == (10, 5, 11, 11)
    assert mask_hw.sum() == 121
    beyond = polygon_mask(np.array([(-10.0, -10.0), (5.0, -10.0), (5.0, 4.0), (-10.0, 4.0)]), SIZE_HW)
    assert tight_box_xywh(beyond) == (0, 0, 6, 5)


def test_the_scripts_see_every_speck_and_every_grey_pixel() -> None:
    grey_hw = box_mask([BOX])
    grey_hw[0, 0] = 1
    assert num_script_contours(grey_hw) == 2
    assert num_script_contours(grey_hw, area_floor=300) == 1
    assert num_script_contours(box_mask([])) == 0


def test_a_hole_is_no_contour_of_the_scripts_and_a_limit_holds() -> None:
    grey_hw = box_mask([(0, 0, 20, 20), (30, 0, 20, 20), (60, 0, 10, 10)])
    grey_hw[5:10, 5:10] = 0
    assert num_script_contours(grey_hw) == 3
    assert num_script_contours(grey_hw, limit=2) == 2
    assert sorted(script_boxes_xywh(grey_hw)) == [(0, 0, 20, 20), (30, 0, 20, 20), (60, 0, 10, 10)]
    assert len(script_boxes_xywh(grey_hw, limit=2)) == 2
    assert script_boxes_xywh(box_mask([])) == []


def test_the_area_floor_is_compared_with_the_area_inside_the_outline() -> None:
    grey_hw = box_mask([(0, 0, 21, 16)])  # its outline runs through pixel centres: 20 x 15
    assert num_script_contours(grey_hw, area_floor=300) == 1
    assert num_script_contours(grey_hw, area_floor=301) == 0


def test_rows_of_a_second_instance_count_only_where_the_name_stays() -> None:
    assert [row.counts_as for row in paper_rows(2, "phrase", "a")] == ["a", "a"]
    assert [row.counts_as for row in paper_rows(2, "phrase", "a", instance_copies=True)] == ["a", None]
    assert paper_rows(0, "phrase", "a") == ()


def test_a_mask_saved_as_jpeg_keeps_its_outline(tmp_path: Path) -> None:
    grey_hw = box_mask([BOX])
    cv2.imwrite(str(tmp_path / "mask.jpg"), grey_hw)
    mask_hw, remarks = binarise(read_grey_mask(tmp_path / "mask.jpg"), SIZE_HW, FILE)
    assert (mask_hw == (grey_hw > 0)).mean() > 0.99
    assert remarks == (GREY_EDGES,)
