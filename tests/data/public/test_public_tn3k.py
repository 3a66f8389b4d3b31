"""TN3K: official test images stay in test, JPEG masks are cut at 128, the paper's rows keep their noise."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from miniatures import box_mask, write_mask, write_picture, write_pixels

from gdinousam.data.masks import tight_box_xywh
from gdinousam.data.sources.public.raw_masks import GREY_EDGES
from gdinousam.data.sources.public.registry import find_release
from gdinousam.data.sources.public.tg3k import Tg3k
from gdinousam.data.sources.public.tn3k import FOLD_FILE, Tn3k
from gdinousam.data.sources.public.tnscui import Tnscui
from gdinousam.errors import InputError

EXCERPT = Path(__file__).parents[3].parent / "shared" / "data" / "raw" / "TN3K_sample"
BOX = (10, 16, 24, 24)
LARGE, SMALL, TINY = (0, 0, 32, 32), (48, 0, 24, 24), (56, 48, 8, 8)


def write_part(root: Path, part: str, num_images: int, boxes=(BOX,)) -> None:
    for number in range(num_images):
        write_picture(root / f"{part}-image" / f"{number:04d}.jpg", seed=number)
        write_mask(root / f"{part}-mask" / f"{number:04d}.jpg", boxes)


def write_fold(root: Path, num_images: int) -> None:
    """Fold 0 as the authors assign it: every fifth position is for validation."""
    fold = {
        "train": [position for position in range(num_images) if position % 5],
        "val": [position for position in range(num_images) if position % 5 == 0],
    }
    (root / FOLD_FILE).write_text(json.dumps(fold))


@pytest.fixture
def release(tmp_path: Path) -> Path:
    root = tmp_path / "tn3k"
    write_part(root, "trainval", 6)
    write_part(root, "test", 2)
    write_fold(root, 6)
    return root


def read_one(root: Path, name: str):
    case = next(case for case in Tn3k().cases(root) if case.name == name)
    (raw,) = Tn3k().read(case)
    return raw


def test_official_test_images_are_the_test_split_and_fold_0_divides_the_others(release):
    splits = {case.name: case.official_split for case in Tn3k().cases(release)}
    assert [name for name, split in splits.items() if split == "test"] == ["test_0000", "test_0001"]
    assert [name for name, split in splits.items() if split == "val"] == ["trainval_0000", "trainval_0005"]
    assert list(splits.values()).count("train") == 4


def test_without_the_fold_file_only_the_test_images_have_a_split(release):
    (release / FOLD_FILE).unlink()
    assert [case.official_split for case in Tn3k().cases(release)] == [None] * 6 + ["test"] * 2


def test_positions_of_a_fold_are_counted_in_numeric_order(release):
    for folder in ("image", "mask"):
        (release / f"trainval-{folder}" / "0003.jpg").rename(release / f"trainval-{folder}" / "10000.jpg")
    splits = {case.name: case.official_split for case in Tn3k().cases(release)}
    assert splits["trainval_10000"] == "val"  # position 5 of 6, although its name comes second in the alphabet


@pytest.mark.parametrize(
    "fold",
    [
        '{"train": [1, 2, 3, 4], "val": [0]}',
        '{"train": [1, 2, 3, 4, 5], "val": [0, 5]}',
        '{"train": [1, 2, 3, 4, 6], "val": [0]}',
        '{"train": [0, 1, 2, 3, 4, 5]}',
        "no json",
    ],
)
def test_a_fold_that_does_not_list_every_image_once_is_refused(release, fold):
    (release / FOLD_FILE).write_text(fold)
    with pytest.raises(InputError, match=FOLD_FILE):
        Tn3k().cases(release)


def test_equal_numbers_in_both_folders_give_two_cases(release):
    cases = Tn3k().cases(release)
    assert len({case.name for case in cases}) == len({case.group for case in cases}) == len(cases) == 8


def test_cases_come_by_number_and_test_images_last_as_in_the_papers_numbering(release):
    names = [case.name for case in Tn3k().cases(release)]
    assert names == [f"trainval_{number:04d}" for number in range(6)] + ["test_0000", "test_0001"]


def test_jpeg_noise_does_not_grow_the_nodule(release):
    stored = cv2.imread(str(release / "test-mask" / "0000.jpg"), cv2.IMREAD_UNCHANGED)
    assert len(np.unique(stored)) > 2
    raw = read_one(release, "test_0000")
    assert [tight_box_xywh(one.mask_hw) for one in raw.instances] == [BOX]
    assert (stored > 0).sum() > raw.instances[0].mask_hw.sum()
    assert raw.remarks == (GREY_EDGES,)


def test_a_black_jpeg_mask_with_noise_holds_no_nodule(release):
    path = release / "test-mask" / "0001.jpg"
    write_pixels(path, box_mask([(8, 16, 24, 24)], value=2))
    assert list(np.unique(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))) == [0, 2]  # could pass for a binary mask
    raw = read_one(release, "test_0001")
    assert raw.instances == ()
    assert len(raw.paper_rows) == 1  # the paper's script takes any value above 0


def test_the_second_nodule_of_an_image_is_a_paper_row_that_table_1_does_not_count(release):
    write_mask(release / "trainval-mask" / "0001.jpg", [SMALL, LARGE])
    raw = read_one(release, "trainval_0001")
    assert [row.counts_as for row in raw.paper_rows] == ["trainval_0001", None]
    assert [tight_box_xywh(one.mask_hw) for one in raw.instances] == [LARGE, SMALL]


def test_contours_below_the_papers_floor_are_no_paper_rows_but_stay_objects(release):
    write_mask(release / "trainval-mask" / "0002.jpg", [LARGE, TINY])
    raw = read_one(release, "trainval_0002")
    assert len(raw.paper_rows) == 1
    assert len(raw.instances) == 2


def test_the_papers_script_keeps_two_of_three_nodules(release):
    third = (0, 40, 20, 20)
    write_mask(release / "trainval-mask" / "0002.jpg", [LARGE, SMALL, third])
    raw = read_one(release, "trainval_0002")
    assert len(raw.paper_rows) == 2
    assert len(raw.instances) == 3


@pytest.mark.parametrize("lost", ["test-mask/0001.jpg", "test-image/0001.jpg", "trainval-mask/0004.jpg"])
def test_a_missing_partner_is_named(release, lost):
    (release / lost).unlink()
    with pytest.raises(InputError, match=f"TN3K.*{lost}"):
        Tn3k().cases(release)


def test_a_download_without_the_test_folder_is_incomplete(release):
    shutil.rmtree(release / "test-image")
    with pytest.raises(InputError, match="incomplete download of TN3K"):
        Tn3k().cases(release)


def test_datasets_of_one_thyroid_archive_are_told_apart(release):
    archive = release.parent
    write_picture(archive / "tg3k" / "thyroid-image" / "0000.jpg")
    write_mask(archive / "tg3k" / "thyroid-mask" / "0000.jpg", [BOX])
    stage = archive / "DDTI" / "2_preprocessed_data" / "stage2"
    write_picture(stage / "p_image" / "1.PNG")
    write_mask(stage / "p_mask" / "1.PNG", [BOX])
    assert find_release(Tn3k(), archive) == archive / "tn3k"
    assert find_release(Tg3k(), archive) == archive / "tg3k"
    assert find_release(Tnscui(), archive) == archive / "DDTI"


@pytest.mark.real_data
@pytest.mark.skipif(not EXCERPT.is_dir(), reason="the excerpt of TN3K is not here")
def test_real_masks_give_the_nodules_without_the_noise(tmp_path):
    for part, folder in (("trainval", "train"), ("test", "val")):
        for kind in ("image", "mask"):
            shutil.copytree(EXCERPT / folder / kind, tmp_path / f"{part}-{kind}")
    num_objects, num_rows = {}, {}
    for case in Tn3k().cases(tmp_path):
        (raw,) = Tn3k().read(case)
        num_objects[case.name], num_rows[case.name] = len(raw.instances), len(raw.paper_rows)
        stored = cv2.imread(str(case.masks[0]), cv2.IMREAD_UNCHANGED)
        assert GREY_EDGES in raw.remarks
        assert sum(one.mask_hw.sum() for one in raw.instances) < (stored > 0).sum()
        assert all(one.mask_hw.shape == raw.image.shape[:2] for one in raw.instances)
    assert len(num_objects) == 9
    two = {"trainval_0003"}  # seen by eye in its mask
    assert num_objects == num_rows == {name: 2 if name in two else 1 for name in num_objects}
