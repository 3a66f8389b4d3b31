"""BUSB: numbers that lost their zeros, grey masks, the table's order, and the paper's one row per mask."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openpyxl
import pytest
from miniatures import box_mask, write_mask, write_picture, write_pixels

from gdinousam.data.masks import tight_box_xywh
from gdinousam.data.sources.public.busb import Busb
from gdinousam.data.sources.public.raw_masks import GREY_EDGES
from gdinousam.data.sources.public.registry import find_release, recognised
from gdinousam.errors import InputError

BOX, SMALL = (10, 16, 24, 24), (60, 2, 6, 6)
LINES = [("000010", "Malignant"), ("000001", "Benign"), ("000002", "Benign")]


def write_spreadsheet(path: Path, lines=LINES) -> None:
    book = openpyxl.Workbook()
    for line in (("Image", "Type"), *lines):
        book.active.append(line)
    book.save(path)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    root = tmp_path / "BUS"
    for number in (1, 2, 10):
        write_picture(root / "original" / f"{number:06d}.png", seed=number)
        write_mask(root / "GT" / f"{number:06d}.png", [BOX, SMALL] if number == 2 else [BOX])
    write_spreadsheet(root / "DatasetB.xlsx")
    return root


def read_one(root: Path, name: str):
    case = next(case for case in Busb().cases(root) if case.name == name)
    (raw,) = Busb().read(case)
    return raw


def test_cases_come_in_the_tables_order_with_the_tables_class(release):
    cases = Busb().cases(release)
    assert [(case.name, case.label) for case in cases] == [
        ("000010", "malignant"), ("000001", "benign"), ("000002", "benign")
    ]  # fmt: skip
    assert {case.group_kind for case in cases} == {"image"}


def test_numbers_that_lost_their_zeros_in_a_csv_still_name_the_files(release):
    (release / "DatasetB.xlsx").unlink()
    (release / "DatasetB.csv").write_text("Image,Type\n10,Malignant\n1,Benign\n2,Benign\n")
    assert [case.name for case in Busb().cases(release)] == ["000010", "000001", "000002"]


def test_numbers_that_a_spreadsheet_holds_as_numbers_still_name_the_files(release):
    write_spreadsheet(release / "DatasetB.xlsx", [(int(number), kind) for number, kind in LINES])
    assert [case.name for case in Busb().cases(release)] == ["000010", "000001", "000002"]


def test_the_table_may_lie_beside_the_folder_of_images(release):
    (release / "DatasetB.xlsx").rename(release.parent / "DatasetB.xlsx")
    assert find_release(Busb(), release.parent) == release
    assert len(Busb().cases(release)) == 3


def test_a_mask_of_two_components_gives_two_objects_but_one_paper_row(release):
    raw = read_one(release, "000002")
    assert [tight_box_xywh(one.mask_hw) for one in raw.instances] == [BOX, SMALL]
    assert [(row.phrase, row.counts_as) for row in raw.paper_rows] == [("benign", "000002")]


def test_a_grey_mask_is_cut_at_128(release):
    grey = np.maximum(box_mask([BOX]), box_mask([(4, 10, 36, 36)], value=100))
    write_pixels(release / "GT" / "000001.png", grey)
    raw = read_one(release, "000001")
    assert [tight_box_xywh(one.mask_hw) for one in raw.instances] == [BOX]
    assert raw.remarks == (GREY_EDGES,)


@pytest.mark.parametrize("lost", ["original/000001.png", "GT/000010.png"])
def test_a_file_that_the_table_names_but_is_not_there_is_named(release, lost):
    (release / lost).unlink()
    with pytest.raises(InputError, match=f"incomplete download of BUSB.*{lost}"):
        Busb().cases(release)


def test_an_image_without_a_row_is_named(release):
    write_spreadsheet(release / "DatasetB.xlsx", LINES[1:])
    with pytest.raises(InputError, match=r"2 files have no row, the first is 000010\.png"):
        Busb().cases(release)


@pytest.mark.parametrize("line", [("000001", "Cyst"), (None, "Benign")])
def test_a_row_without_a_known_class_or_number_is_refused(release, line):
    write_spreadsheet(release / "DatasetB.xlsx", [line])
    with pytest.raises(InputError, match="expected a number and benign or malignant"):
        Busb().cases(release)


def test_a_release_without_its_table_is_refused(release):
    (release / "DatasetB.xlsx").unlink()
    with pytest.raises(InputError, match=r"no table DatasetB\.xlsx or DatasetB\.csv"):
        Busb().cases(release)


def test_the_release_looks_like_no_other_dataset(release):
    assert [dataset.facts.name for dataset, _ in recognised(release)] == ["BUSB"]
