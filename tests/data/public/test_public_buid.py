"""BUID: names with spaces, numbers that start again, grey masks with specks, and the paper's row per contour."""

from __future__ import annotations

from pathlib import Path

import pytest
from miniatures import box_mask, write_mask, write_picture, write_pixels

from gdinousam.data.masks import tight_box_xywh
from gdinousam.data.sources.public.buid import Buid
from gdinousam.data.sources.public.raw_masks import GREY_EDGES, SPECKS
from gdinousam.data.sources.public.registry import find_release, recognised
from gdinousam.errors import InputError

BOX, SMALL, SPECK = (10, 16, 24, 24), (60, 2, 8, 8), (70, 50, 2, 2)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    root = tmp_path / "release"
    for index, (folder, number) in enumerate([("Benign", 10), ("Benign", 2), ("Malignant", 2)]):
        write_picture(root / folder / f"{number} {folder} Image.bmp", seed=index)
        write_picture(root / folder / f"{number} {folder} Lesion.bmp", seed=index, mode="RGB")
        write_mask(root / folder / f"{number} {folder} Mask.tif", [BOX])
    return root


def read_one(root: Path, name: str):
    case = next(case for case in Buid().cases(root) if case.name == name)
    (raw,) = Buid().read(case)
    return raw


def test_numbers_that_start_again_in_every_class_give_different_names(release):
    cases = Buid().cases(release)
    assert [(case.name, case.label) for case in cases] == [
        ("malignant_2", "malignant"), ("benign_2", "benign"), ("benign_10", "benign")
    ]  # fmt: skip
    assert [case.group for case in cases] == [case.name for case in cases]


def test_drawn_over_copies_of_the_images_are_left_aside(release):
    assert not [case for case in Buid().cases(release) if "Lesion" in case.image.name]


def test_image_and_mask_are_those_of_the_same_class_folder(release):
    for case in Buid().cases(release):
        (mask,) = case.masks
        assert mask == case.image.with_name(case.image.name.replace("Image.bmp", "Mask.tif"))


def test_grey_specks_are_no_objects_but_rows_of_the_paper(release):
    mask = box_mask([BOX])
    mask[50:56, 70:76] = 100
    write_pixels(release / "Benign" / "2 Benign Mask.tif", mask)
    raw = read_one(release, "benign_2")
    assert [tight_box_xywh(one.mask_hw) for one in raw.instances] == [BOX]
    assert [(row.phrase, row.counts_as) for row in raw.paper_rows] == [("benign", "benign_2")] * 2
    assert raw.remarks == (GREY_EDGES,)


def test_a_second_lesion_is_an_object_and_a_speck_is_dropped_with_a_remark(release):
    write_mask(release / "Malignant" / "2 Malignant Mask.tif", [BOX, SMALL, SPECK])
    raw = read_one(release, "malignant_2")
    assert [tight_box_xywh(one.mask_hw) for one in raw.instances] == [BOX, SMALL]
    assert {one.phrase for one in raw.instances} == {"malignant"}
    assert len(raw.paper_rows) == 3
    assert raw.remarks == (SPECKS,)


def test_the_papers_script_shuffles_malignant_rows_first():
    assert Buid.facts.class_order == ("malignant", "benign")


@pytest.mark.parametrize("lost", ["Benign/10 Benign Mask.tif", "Malignant/2 Malignant Image.bmp"])
def test_a_missing_partner_is_named(release, lost):
    kept = release / "Malignant" / "3 Malignant Image.bmp"
    write_picture(kept)
    write_mask(kept.with_name("3 Malignant Mask.tif"), [BOX])
    (release / lost).unlink()
    with pytest.raises(InputError, match=f"incomplete download of BUID.*{lost}"):
        Buid().cases(release)


def test_a_class_that_was_not_downloaded_is_named(release):
    for path in (release / "Malignant").iterdir():
        path.unlink()
    with pytest.raises(InputError, match=r"incomplete download of BUID.*Malignant/1 Malignant Image\.bmp"):
        Buid().cases(release)


def test_the_release_looks_like_no_other_dataset(release):
    assert [dataset.facts.name for dataset, _ in recognised(release)] == ["BUID"]
    assert find_release(Buid(), release.parent) == release
