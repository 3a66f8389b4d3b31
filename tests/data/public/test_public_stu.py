"""Promises about STU-Hospital: masks several times as large as the images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from miniatures import box_mask, write_mask, write_picture, write_pixels

from gdinousam.data.masks import tight_box_xywh
from gdinousam.data.sources.public.raw_masks import GREY_EDGES, RESIZED
from gdinousam.data.sources.public.stu import Stu
from gdinousam.errors import InputError

RAW = Path(__file__).parents[4] / "shared" / "data" / "raw" / "STU-Hospital" / "Hospital"
DATASET = Stu()
BOX = (40, 24, 60, 30)
SIZE_HW = (128, 128)
NUM_IMAGES, NUM_OTHER_SIZES = 42, 36


def write_release(root: Path, *numbers: int, mask_size: int = 128) -> None:
    for number in numbers:
        write_picture(root / f"Test_Image_{number}.png", number, SIZE_HW)
        mask = PIL.Image.fromarray(box_mask([BOX], size_hw=SIZE_HW))
        write_pixels(root / f"mask_{number}.png", np.array(mask.resize((mask_size, mask_size))))  # bicubic: grey edges


@pytest.mark.parametrize("mask_size", [400, 420, 480, 500, 512])
def test_the_box_of_a_larger_mask_lies_in_the_pixels_of_the_image(tmp_path: Path, mask_size: int) -> None:
    write_release(tmp_path, 1, mask_size=mask_size)
    (case,) = DATASET.cases(tmp_path)
    (image,) = DATASET.read(case)
    (one,) = image.instances
    assert one.phrase == "tumor"
    assert one.mask_hw.shape == SIZE_HW
    assert tight_box_xywh(one.mask_hw) == pytest.approx(BOX, abs=1)
    assert set(image.remarks) == {RESIZED, GREY_EDGES}


def test_a_mask_of_the_size_of_its_image_is_taken_as_it_is(tmp_path: Path) -> None:
    write_release(tmp_path, 1)
    (image,) = DATASET.read(DATASET.cases(tmp_path)[0])
    assert tight_box_xywh(image.instances[0].mask_hw) == BOX
    assert image.remarks == ()


def test_grey_edges_are_cut_at_128_and_not_at_zero(tmp_path: Path) -> None:
    write_release(tmp_path, 1)
    mask = box_mask([BOX], size_hw=SIZE_HW)
    mask[BOX[1] - 1, :], mask[:, BOX[0] - 1] = 100, 130
    write_pixels(tmp_path / "mask_1.png", mask)
    (image,) = DATASET.read(DATASET.cases(tmp_path)[0])
    assert tight_box_xywh(image.instances[0].mask_hw) == (BOX[0] - 1, 0, BOX[2] + 1, 128)
    assert image.remarks == (GREY_EDGES,)


def test_a_mask_that_is_no_scaled_copy_is_an_error(tmp_path: Path) -> None:
    write_release(tmp_path, 1)
    write_mask(tmp_path / "mask_1.png", [BOX], size_hw=(400, 420))
    with pytest.raises(InputError, match=r"mask_1\.png: mask of 420 x 400 for an image of 128 x 128"):
        list(DATASET.read(DATASET.cases(tmp_path)[0]))


def test_images_come_in_the_order_of_their_numbers_each_its_own_group(tmp_path: Path) -> None:
    write_release(tmp_path, 10, 9, 1)
    cases = DATASET.cases(tmp_path)
    assert [case.name for case in cases] == ["Test_Image_1", "Test_Image_9", "Test_Image_10"]
    assert [case.group for case in cases] == [case.name for case in cases]
    assert {case.group_kind for case in cases} == {"image"}
    assert [case.masks[0].name for case in cases] == ["mask_1.png", "mask_9.png", "mask_10.png"]


@pytest.mark.parametrize("missing", ["Test_Image_2.png", "mask_2.png"])
def test_a_missing_partner_is_named(tmp_path: Path, missing: str) -> None:
    write_release(tmp_path, 1, 2, 3)
    (tmp_path / missing).unlink()
    with pytest.raises(InputError, match=rf"incomplete download of STU, 1 files missing: {missing}"):
        DATASET.cases(tmp_path)


@pytest.mark.real_data
@pytest.mark.skipif(not RAW.is_dir(), reason="the release of STU-Hospital is not here")
def test_the_whole_release_gives_one_tumour_inside_every_image() -> None:
    images = [image for case in DATASET.cases(RAW) for image in DATASET.read(case)]
    assert len(images) == NUM_IMAGES == sum(DATASET.facts.expected.values())
    assert sum(RESIZED in image.remarks for image in images) == NUM_OTHER_SIZES
    for image in images:
        (one,) = image.instances
        assert image.image.shape == (*SIZE_HW, 3)
        assert one.mask_hw.shape == SIZE_HW and one.mask_hw.any()
        assert [row.phrase for row in image.paper_rows] == ["tumor"]


@pytest.mark.real_data
@pytest.mark.skipif(not RAW.is_dir(), reason="the release of STU-Hospital is not here")
def test_resized_masks_of_the_release_cover_the_share_that_the_stored_ones_do() -> None:
    for case in DATASET.cases(RAW):
        (image,) = DATASET.read(case)
        stored = np.array(PIL.Image.open(case.masks[0])) >= 128
        assert image.instances[0].mask_hw.mean() == pytest.approx(stored.mean(), rel=0.1), case.name
