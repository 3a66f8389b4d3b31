"""BUSUC: names that recur in both classes, the folder of both, masks of another size, and empty masks."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from miniatures import SIZE_HW, write_mask, write_picture

from gdinousam.data.masks import tight_box_xywh
from gdinousam.data.sources.public.busuc import Busuc
from gdinousam.data.sources.public.raw_masks import RESIZED
from gdinousam.data.sources.public.registry import find_release, recognised
from gdinousam.errors import InputError

BOX, SMALL = (10, 16, 24, 24), (60, 2, 8, 8)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    root = tmp_path / "BUS_UC"
    for index, (folder, number) in enumerate([("Benign", 10), ("Benign", 2), ("Malignant", 2)]):
        for target in (folder, "All"):
            write_picture(root / target / "images" / f"{number}.png", seed=index)
            write_mask(root / target / "masks" / f"{number}.png", [BOX])
    return root


def read_one(root: Path, name: str):
    case = next(case for case in Busuc().cases(root) if case.name == name)
    (raw,) = Busuc().read(case)
    return raw


def test_file_names_that_recur_in_both_classes_give_two_cases(release):
    cases = Busuc().cases(release)
    assert [(case.name, case.label) for case in cases] == [
        ("benign_2", "benign"), ("benign_10", "benign"), ("malignant_2", "malignant")
    ]  # fmt: skip
    assert len({case.group for case in cases}) == 3
    assert not (read_one(release, "benign_2").image == read_one(release, "malignant_2").image).all()


def test_the_folder_of_both_classes_is_left_aside(release):
    folders = {path.parents[1].name for case in Busuc().cases(release) for path in (case.image, *case.masks)}
    assert folders == {"Benign", "Malignant"}
    shutil.rmtree(release / "All")
    assert len(Busuc().cases(release)) == 3


def test_files_that_carry_the_class_in_their_name_are_taken_too(release):
    for part in ("images", "masks"):
        (release / "Benign" / part / "10.png").rename(release / "Benign" / part / "10_benign.png")
    assert "benign_10_benign" in [case.name for case in Busuc().cases(release)]


def test_a_mask_of_another_size_is_brought_to_its_image(release):
    height, width = SIZE_HW
    doubled = tuple(2 * number for number in BOX)
    write_mask(release / "Benign" / "masks" / "2.png", [doubled], size_hw=(2 * height, 2 * width))
    raw = read_one(release, "benign_2")
    assert [tight_box_xywh(one.mask_hw) for one in raw.instances] == [BOX]
    assert raw.remarks == (RESIZED,)


def test_a_mask_that_is_no_scaled_copy_is_refused_by_name(release):
    write_mask(release / "Benign" / "masks" / "2.png", [BOX], size_hw=(60, 60))
    with pytest.raises(InputError, match=r"Benign/masks/2\.png: mask of 60 x 60 for an image of 80 x 60"):
        read_one(release, "benign_2")


@pytest.mark.parametrize("size_hw", [SIZE_HW, (60, 60)])
def test_an_empty_mask_gives_no_object_and_no_paper_row_whatever_its_size(release, size_hw):
    write_mask(release / "Malignant" / "masks" / "2.png", size_hw=size_hw)
    raw = read_one(release, "malignant_2")
    assert raw.instances == raw.paper_rows == ()


def test_every_contour_is_a_paper_row_of_the_folders_class(release):
    write_mask(release / "Malignant" / "masks" / "2.png", [BOX, SMALL])
    raw = read_one(release, "malignant_2")
    assert [(row.phrase, row.counts_as) for row in raw.paper_rows] == [("malignant", "malignant_2")] * 2
    assert [one.phrase for one in raw.instances] == ["malignant"] * 2


def test_the_papers_script_shuffles_benign_rows_first():
    assert Busuc.facts.class_order == ("benign", "malignant")


@pytest.mark.parametrize("lost", ["Benign/masks/10.png", "Benign/images/10.png"])
def test_a_missing_partner_is_named_although_the_other_folders_hold_its_name(release, lost):
    (release / lost).unlink()
    with pytest.raises(InputError, match=f"incomplete download of BUSUC.*{lost}"):
        Busuc().cases(release)


def test_a_class_that_was_not_downloaded_is_named(release):
    shutil.rmtree(release / "Malignant")
    with pytest.raises(InputError, match=r"incomplete download of BUSUC.*Malignant/images"):
        Busuc().cases(release)


def test_the_release_looks_like_no_other_dataset(release):
    assert [dataset.facts.name for dataset, _ in recognised(release)] == ["BUSUC"]
    assert find_release(Busuc(), release.parent) == release
