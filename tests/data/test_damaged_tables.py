"""Damaged CSVs, spreadsheets, lists and COCO files of data: read, reported, or refused in one line naming the file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import openpyxl
import PIL.Image
import pytest
from damage import FEW_OR_MANY, changed_json, num_refused, refusal

from gdinousam.data.contract import reading as contract
from gdinousam.data.contract.check import check_table
from gdinousam.data.sources.coco.importing import import_coco
from gdinousam.data.sources.coco.writing import ImportOptions
from gdinousam.data.sources.public.release_tables import read_release_table
from gdinousam.data.splits.split_list import SplitListRow, read_split_list, write_split_list
from gdinousam.experiments.studies.prompts_file import read_prompts
from gdinousam.methods.universeg.support_names import read_support_names

HEADER = ",".join((*contract.COLUMNS, "mask_name", "group"))
ROWS = (
    "cyst,10,10,20,15,a.png,64,48,busi,a.png#255,7",
    '"cyst, large",5.5,5,9,9,a.png,64,48,busi,,7',
    "mass,,,,,a.png,64,48,busi,,",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One image with its mask."""
    mask_hw = np.zeros((48, 64), dtype=np.uint8)
    mask_hw[10:25, 10:30] = 255
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
        PIL.Image.fromarray(mask_hw).save(tmp_path / name / "a.png")
    return tmp_path


@pytest.mark.parametrize("count", FEW_OR_MANY)
def test_a_damaged_csv_is_checked_or_refused_in_one_line(folder: Path, count: int) -> None:
    (folder / "train.csv").write_text("\n".join((HEADER, *ROWS)) + "\n", encoding="utf-8")

    def check(path: Path) -> None:
        if not check_table(path, folder / "images", folder / "masks", progress=False):
            contract.read_records(path, folder / "images", folder / "masks")

    assert num_refused(folder / "train.csv", check, count)


@pytest.mark.parametrize("count", FEW_OR_MANY)
def test_a_damaged_split_list_is_read_or_refused_in_one_line(tmp_path: Path, count: int) -> None:
    rows = [SplitListRow("train", f"busi_{number}.png", str(number), ("cyst", "mass")) for number in range(9)]
    write_split_list(tmp_path / "busi.csv", rows)
    assert num_refused(tmp_path / "busi.csv", read_split_list, count)


@pytest.mark.parametrize("count", FEW_OR_MANY)
def test_a_damaged_list_of_examples_is_read_or_refused_in_one_line(tmp_path: Path, count: int) -> None:
    lines = [f"busi,image {number}.png" for number in range(9)]
    (tmp_path / "support.csv").write_text("\n".join(("dataset,image_name", *lines)), encoding="utf-8")
    assert num_refused(tmp_path / "support.csv", read_support_names, count)


@pytest.mark.parametrize("count", FEW_OR_MANY)
def test_damaged_prompts_are_read_or_refused_in_one_line(tmp_path: Path, count: int) -> None:
    (tmp_path / "prompts.yaml").write_text("cyst: [a cyst, dark round cyst]\nmass:\n- a mass\n- 'solid'\n")
    assert num_refused(tmp_path / "prompts.yaml", lambda path: read_prompts([path]), count)


@pytest.mark.parametrize("count", [25, pytest.param(500, marks=[pytest.mark.slow, pytest.mark.exhaustive])])
def test_a_damaged_spreadsheet_is_read_or_refused_in_one_line(tmp_path: Path, count: int) -> None:
    book = openpyxl.Workbook()
    for line in (("Image", "Type"), (1, "Benign"), ("000002", None), (2.5, "Malignant")):
        book.active.append(line)
    book.save(tmp_path / "table.xlsx")
    assert num_refused(tmp_path / "table.xlsx", lambda path: read_release_table(path, ("Image", "Type")), count)


@pytest.mark.parametrize("share", [0.05, pytest.param(1.0, marks=[pytest.mark.slow, pytest.mark.exhaustive])])
def test_every_change_to_a_coco_file_is_imported_or_refused(folder: Path, share: float) -> None:
    content = {
        "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48, "patient_id": "7", "dataset": "busi"}],
        "categories": [{"id": 3, "name": "cyst"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 3, "bbox": [10, 10, 20, 15], "iscrowd": 0},
            {"id": 2, "image_id": 1, "category_id": 3, "segmentation": [[10, 10, 30, 10, 30, 25]]},
            {"id": 3, "image_id": 1, "category_id": 3, "segmentation": {"size": [48, 64], "counts": [500, 72, 2500]}},
        ],
    }
    path = folder / "coco.json"
    changes = [("as it is", content), *changed_json(content)]
    for number, (what, changed) in enumerate(changes[:: round(1 / share)]):
        path.write_text(json.dumps(changed), encoding="utf-8")
        out = folder / f"out{number}"
        said = refusal(lambda out=out: import_coco(path, folder / "images", out, ImportOptions("train"), False))
        assert said is None or not (out / "train.CSV").exists(), what
