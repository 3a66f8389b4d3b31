"""Promises about BUS-BRA: boxes from masks, groups from the table."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import pytest
from miniatures import write_mask, write_picture

from gdinousam.data.masks import tight_box_xywh
from gdinousam.data.sources.public.busbra import Busbra
from gdinousam.errors import InputError

RAW = Path(__file__).parents[4] / "shared" / "data" / "raw" / "BUSBRA"
DATASET = Busbra()
BOX = (20, 10, 30, 24)
HEADER = "ID,Case,Histology,Pathology,BIRADS,Device,Width,Height,Side,BBOX"
Line = tuple[str, int, str]  # file name without its prefix, case, pathology
LINES = (("0002-r", 2, "benign"), ("0001-l", 1, "malignant"), ("0001-r", 1, "malignant"))


def write_table(root: Path, *lines: Line, box: str = "[21,11,29,23]", height: int = 60) -> None:
    rows = [
        f'bus_{name},{number},cyst,{pathology},4,GE @10-14MHz,80,{height},left,"{box}"'
        for name, number, pathology in lines
    ]
    root.mkdir(parents=True, exist_ok=True)
    (root / "bus_data.csv").write_text("\n".join([HEADER, *rows, ""]), encoding="utf-8")


def write_release(root: Path, *lines: Line, box: str = "[21,11,29,23]", height: int = 60) -> None:
    write_table(root, *lines, box=box, height=height)
    for name, _, _ in lines:
        write_picture(root / "Images" / f"bus_{name}.png")
        write_mask(root / "Masks" / f"mask_{name}.png", [BOX])


def test_cases_come_in_the_order_of_the_table(tmp_path: Path) -> None:
    write_release(tmp_path, *LINES)
    assert [case.name for case in DATASET.cases(tmp_path)] == ["bus_0002-r", "bus_0001-l", "bus_0001-r"]


def test_both_views_of_a_woman_are_one_group(tmp_path: Path) -> None:
    write_release(tmp_path, *LINES)
    cases = DATASET.cases(tmp_path)
    assert [case.group for case in cases] == ["2", "1", "1"]
    assert {case.group_kind for case in cases} == {"patient"}
    assert {case.official_split for case in cases} == {None}


def test_the_phrase_is_the_pathology(tmp_path: Path) -> None:
    write_release(tmp_path, *LINES)
    cases = DATASET.cases(tmp_path)
    images = [image for case in cases for image in DATASET.read(case)]
    assert [case.label for case in cases] == ["benign", "malignant", "malignant"]
    assert [image.instances[0].phrase for image in images] == ["benign", "malignant", "malignant"]
    assert [row.phrase for image in images for row in image.paper_rows] == ["benign", "malignant", "malignant"]


@pytest.mark.parametrize(
    "wrong_box",
    [pytest.param("[21,11,29,23]", id="off_by_one"), pytest.param("[60,40,5,5]", id="elsewhere_as_bus_0845_s")],
)
def test_boxes_come_from_the_mask_and_not_from_the_table(tmp_path: Path, wrong_box: str) -> None:
    write_release(tmp_path, ("0845-s", 845, "benign"), box=wrong_box)
    (image,) = DATASET.read(DATASET.cases(tmp_path)[0])
    assert tight_box_xywh(image.instances[0].mask_hw) == BOX


def test_sizes_come_from_the_image_and_not_from_the_height_of_the_table(tmp_path: Path) -> None:
    write_release(tmp_path, ("0856-l", 856, "benign"), height=999)
    (image,) = DATASET.read(DATASET.cases(tmp_path)[0])
    assert image.image.shape == (60, 80, 3)
    assert image.instances[0].mask_hw.shape == (60, 80)


def test_the_paper_makes_one_row_of_an_image_whatever_its_mask_holds(tmp_path: Path) -> None:
    write_release(tmp_path, ("0001-l", 1, "benign"))
    write_mask(tmp_path / "Masks" / "mask_0001-l.png", [BOX, (60, 45, 10, 10)])
    (image,) = DATASET.read(DATASET.cases(tmp_path)[0])
    assert len(image.instances) == 2
    assert [row.counts_as for row in image.paper_rows] == ["bus_0001-l"]


@pytest.mark.parametrize("missing", ["Images/bus_0001-l.png", "Masks/mask_0001-l.png"])
def test_a_missing_file_of_the_table_is_named(tmp_path: Path, missing: str) -> None:
    write_release(tmp_path, *LINES)
    (tmp_path / missing).unlink()
    with pytest.raises(InputError, match=rf"incomplete download of BUSBRA, 1 files missing: {missing}"):
        DATASET.cases(tmp_path)


def test_a_file_without_a_row_and_an_unknown_pathology_are_errors(tmp_path: Path) -> None:
    write_release(tmp_path, *LINES)
    write_table(tmp_path, *LINES[1:])
    with pytest.raises(InputError, match=r"bus_data\.csv: 2 files have no row, the first is Images/bus_0002-r\.png"):
        DATASET.cases(tmp_path)
    write_table(tmp_path, ("0002-r", 2, "unknown"), *LINES[1:])
    with pytest.raises(InputError, match=r"bus_0002-r has the pathology 'unknown'"):
        DATASET.cases(tmp_path)


@pytest.mark.real_data
@pytest.mark.skipif(not RAW.is_dir(), reason="the excerpt of BUS-BRA is not here")
def test_boxes_of_the_excerpt_are_those_of_its_table_after_its_shift_by_one() -> None:
    with (RAW / "bus_data.csv").open(newline="", encoding="utf-8-sig") as file:
        table = {row["ID"]: row for row in csv.DictReader(file)}
    cases = DATASET.cases(RAW)
    assert [case.name for case in cases] == list(table)
    assert Counter(case.label for case in cases) == Counter(row["Pathology"] for row in table.values())
    for case in cases:
        (image,) = DATASET.read(case)
        (one,) = image.instances
        x, y, width, height = json.loads(table[case.name]["BBOX"])
        assert tight_box_xywh(one.mask_hw) == (x - 1, y - 1, width + 1, height + 1), case.name
        assert one.mask_hw.shape == image.image.shape[:2]
        assert case.group == table[case.name]["Case"]
        assert image.remarks == ()
