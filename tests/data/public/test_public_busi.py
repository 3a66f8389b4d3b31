"""Promises about BUSI: several mask files of an image, specks, masks of one and three channels."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from miniatures import box_mask, write_mask, write_picture, write_pixels

from gdinousam.data.masks import tight_box_xywh
from gdinousam.data.sources.public.busi import REPEATED, Busi
from gdinousam.data.sources.public.interface import NORMAL, RawImage
from gdinousam.data.sources.public.raw_masks import SPECKS
from gdinousam.errors import InputError
from gdinousam.records import BoxXYWH

RAW = Path(__file__).parents[4] / "shared" / "data" / "raw" / "BUSI" / "Dataset_BUSI_with_GT"
DATASET = Busi()
FIRST, SECOND, THIRD = (5, 5, 12, 10), (30, 20, 20, 15), (60, 40, 10, 10)
SPECK = (75, 5, 1, 1)


def write_case(root: Path, label: str, number: int, *masks: list[BoxXYWH]) -> None:
    """An image with its mask files: ``_mask``, then ``_mask_1`` and so on."""
    stem = root / label / f"{label} ({number})"
    write_picture(stem.with_name(f"{stem.name}.png"), number, mode="RGB")
    for index, boxes_xywh in enumerate(masks):
        write_mask(stem.with_name(f"{stem.name}_mask{f'_{index}' if index else ''}.png"), boxes_xywh)


def first(root: Path) -> RawImage:
    (image,) = DATASET.read(DATASET.cases(root)[0])
    return image


def boxes(image: RawImage) -> list[BoxXYWH]:
    return [tight_box_xywh(one.mask_hw) for one in image.instances]


def test_every_mask_file_of_an_image_is_read(tmp_path: Path) -> None:
    write_case(tmp_path, "benign", 4, [FIRST], [SECOND], [THIRD])
    image = first(tmp_path)
    assert boxes(image) == [FIRST, SECOND, THIRD]
    assert {one.phrase for one in image.instances} == {"benign"}


def test_the_paper_rows_see_the_first_mask_file_only_and_every_speck_in_it(tmp_path: Path) -> None:
    write_case(tmp_path, "malignant", 1, [FIRST, SPECK], [SECOND])
    image = first(tmp_path)
    assert boxes(image) == [FIRST, SECOND]
    assert image.remarks == (SPECKS,)
    assert [(row.phrase, row.counts_as) for row in image.paper_rows] == [("malignant", "malignant (1)")] * 2


def test_objects_of_two_files_that_overlap_by_a_few_pixels_keep_all_of_theirs(tmp_path: Path) -> None:
    overlapping = (15, 8, 20, 20)
    write_case(tmp_path, "benign", 1, [FIRST], [overlapping])
    assert boxes(first(tmp_path)) == [FIRST, overlapping]


def test_a_mask_file_that_repeats_another_adds_nothing(tmp_path: Path) -> None:
    write_case(tmp_path, "benign", 1, [FIRST, SECOND], [SECOND])
    image = first(tmp_path)
    assert sorted(boxes(image)) == [FIRST, SECOND]
    assert image.remarks == (REPEATED,)


def test_masks_of_one_bit_and_of_three_or_four_channels_read_the_same(tmp_path: Path) -> None:
    write_case(tmp_path, "benign", 1, [FIRST])
    grey_hw = box_mask([FIRST])
    path = tmp_path / "benign" / "benign (1)_mask.png"
    for channels in (3, 4):
        pixels = np.repeat(grey_hw[:, :, None], channels, axis=2)
        pixels[:, :, 3:] = 255
        write_pixels(path, pixels)
        assert boxes(first(tmp_path)) == [FIRST]
    PIL.Image.fromarray(grey_hw > 0).save(path)
    assert boxes(first(tmp_path)) == [FIRST]


def test_equal_numbers_of_two_classes_are_two_cases(tmp_path: Path) -> None:
    for label in ("benign", "malignant"):
        write_case(tmp_path, label, 1, [FIRST])
    assert [case.name for case in DATASET.cases(tmp_path)] == ["benign (1)", "malignant (1)"]


def test_cases_come_in_natural_order_each_its_own_group_until_pictures_are_compared(tmp_path: Path) -> None:
    for number in (10, 9, 1):
        write_case(tmp_path, "benign", number, [FIRST])
    cases = DATASET.cases(tmp_path)
    assert [case.name for case in cases] == ["benign (1)", "benign (9)", "benign (10)"]
    assert [(case.group, case.group_kind) for case in cases] == [(case.name, "image") for case in cases]


def test_a_normal_image_has_no_object(tmp_path: Path) -> None:
    write_case(tmp_path, "normal", 1, [])
    (case,) = DATASET.cases(tmp_path)
    assert case.label == NORMAL
    assert first(tmp_path).instances == () and first(tmp_path).paper_rows == ()


def test_an_object_in_a_normal_image_is_an_error(tmp_path: Path) -> None:
    write_case(tmp_path, "normal", 1, [FIRST])
    with pytest.raises(InputError, match=r"normal \(1\)_mask\.png: outlines an object in a normal image"):
        first(tmp_path)


def test_an_image_whose_mask_is_black_has_no_object(tmp_path: Path) -> None:
    write_case(tmp_path, "benign", 1, [])
    assert first(tmp_path).instances == () and first(tmp_path).paper_rows == ()


def test_all_missing_partners_are_named_at_once(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        write_case(tmp_path, "benign", number, [FIRST], [SECOND])
    (tmp_path / "benign" / "benign (1)_mask.png").unlink()
    (tmp_path / "benign" / "benign (3).png").unlink()
    with pytest.raises(InputError, match=r"2 files missing: .*benign \(1\)_mask\.png") as raised:
        DATASET.cases(tmp_path)
    assert "benign/benign (3).png" in str(raised.value)


@pytest.mark.real_data
@pytest.mark.skipif(not RAW.is_dir(), reason="the excerpt of BUSI is not here")
def test_the_excerpt_keeps_the_objects_of_every_mask_file() -> None:
    cases = DATASET.cases(RAW)
    images = {case.name: image for case in cases for image in DATASET.read(case)}
    assert Counter(case.label for case in cases) == {"benign": 19, "malignant": 13, NORMAL: 5}
    assert sum(len(case.masks) > 1 for case in cases) == 10
    for case in cases:
        image = images[case.name]
        assert len(image.instances) == (0 if case.label == NORMAL else len(case.masks)), case.name
        assert all(one.mask_hw.shape == image.image.shape[:2] and one.mask_hw.any() for one in image.instances)
        assert {one.phrase for one in image.instances} == {case.label} - {NORMAL}


@pytest.mark.real_data
@pytest.mark.skipif(not RAW.is_dir(), reason="the excerpt of BUSI is not here")
def test_the_specks_of_the_excerpt_are_targets_to_the_paper_only() -> None:
    images = {case.name: image for case in DATASET.cases(RAW) for image in DATASET.read(case)}
    speckled = images["benign (268)"]
    assert len(speckled.instances) == 1
    assert SPECKS in speckled.remarks
    assert len(speckled.paper_rows) == 2
    assert len(images["benign (195)"].paper_rows) == 1  # of three mask files
