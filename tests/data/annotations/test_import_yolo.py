"""YOLO: boxes and polygons in shares, in the folders of Ultralytics, Roboflow, Darknet and labelImg."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from annotation_files import imported, objects_of, only, rectangle, write_image

from gdinousam.data.contract.problems import DataProblems
from gdinousam.errors import InputError

BOX = "1 0.75 0.533333 0.25 0.4"  # 25, 10, 10, 12
SQUARE = "0 0.125 0.166667 0.375 0.166667 0.375 0.5 0.125 0.5"  # 5, 5 to 15, 15
NAMES = "names:\n  1: mass\n  0: cyst\n"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def ultralytics(folder: Path, *lines: str) -> Path:
    """images/train and labels/train, with names by number."""
    write_image(folder / "images" / "train" / "a.png")
    write(folder / "labels" / "train" / "a.txt", "".join(f"{line}\n" for line in lines))
    return write(folder / "data.yaml", f"path: ../datasets/s\ntrain: images/train\nval: images/val\n{NAMES}")


def test_boxes_and_polygons_by_the_number_of_their_name(tmp_path: Path) -> None:
    source = ultralytics(tmp_path / "s", BOX, SQUARE)
    write_image(tmp_path / "s" / "images" / "val" / "b.png", 1)
    write(tmp_path / "s" / "labels" / "val" / "b.txt", BOX)
    report = imported(source.parent, tmp_path / "data", split="given")
    assert [path.name for path in report.written] == ["train.CSV", "val.CSV"]
    record = report.records[0]
    (phrase, box), (other, mask) = objects_of(record)
    assert (phrase, box, other) == ("mass", None, "cyst")
    assert record.instances[0].box_xywh == pytest.approx((25, 10, 10, 12), abs=0.001)
    np.testing.assert_array_equal(mask, rectangle(5, 5, 10, 10))


def test_the_folders_of_roboflow(tmp_path: Path) -> None:
    for part, seed in (("train", 0), ("valid", 1)):
        write_image(tmp_path / "s" / part / "images" / f"{part}.png", seed)
        write(tmp_path / "s" / part / "labels" / f"{part}.txt", BOX)
    write(
        tmp_path / "s" / "data.yaml", "train: ../train/images\nval: ../valid/images\nnc: 2\nnames: ['cyst', 'mass']\n"
    )
    report = imported(tmp_path / "s", tmp_path / "data", split="given")
    assert {path.name: len(records) for path, records in report.written.items()} == {"train.CSV": 1, "val.CSV": 1}


def test_a_list_of_images(tmp_path: Path) -> None:
    folder = ultralytics(tmp_path / "s", BOX).parent
    write(folder / "train.txt", "/somewhere/else/s/images/train/a.png\n")
    write(folder / "data.yaml", f"train: train.txt\n{NAMES}")
    assert only(imported(folder, tmp_path / "data")).phrases == ("mass",)


@pytest.mark.parametrize("list_of_names", ["classes.txt", "obj.names"])
def test_a_folder_with_a_list_of_names(list_of_names: str, tmp_path: Path) -> None:
    write_image(tmp_path / "s" / "ö.png")
    write(tmp_path / "s" / "ö.txt", BOX)
    write(tmp_path / "s" / list_of_names, "cyst\nmass\n")
    assert only(imported(tmp_path / "s", tmp_path / "data")).phrases == ("mass",)


def test_labels_apart_from_the_images(tmp_path: Path) -> None:
    write_image(tmp_path / "pictures" / "a.png")
    write(tmp_path / "s" / "a.txt", BOX)
    write(tmp_path / "s" / "classes.txt", "cyst\nmass\n")
    assert only(imported(tmp_path / "s", tmp_path / "data", images=tmp_path / "pictures")).phrases == ("mass",)


def test_an_empty_file_is_a_negative_only_if_told_so_and_no_file_never(tmp_path: Path) -> None:
    source = ultralytics(tmp_path / "s", BOX)
    for seed, name in enumerate("bc", start=1):
        write_image(tmp_path / "s" / "images" / "train" / f"{name}.png", seed)
    write(tmp_path / "s" / "labels" / "train" / "b.txt", "\n")
    write(source, f"train: images/train\n{NAMES}")
    assert [record.path.stem for record in imported(source, tmp_path / "data").records] == ["images-train-a"]
    report = imported(source, tmp_path / "more", negatives=True)
    assert {record.path.stem: record.absent_phrases for record in report.records} == {
        "images-train-a": (),
        "images-train-b": ("cyst", "mass"),
    }


def test_mistakes_are_one_table_with_their_lines(tmp_path: Path) -> None:
    source = ultralytics(
        tmp_path / "s", BOX, "2 0.5 0.5 0.1 0.1", "0 0.5 0.5 0.1", "0 a b c d", "0 0.1 0.1 0.2 0.2 0.3 0.3 0.4"
    )
    write(source, f"train: images/train\n{NAMES}")
    with pytest.raises(DataProblems) as told:
        imported(source, tmp_path / "data")
    assert [(problem.row, problem.expected) for problem in told.value.problems] == [
        (2, "a class of the names, 0 to 1"),
        (3, "class, x, y, width, height, or class and the corners of a polygon"),
        (4, "numbers: class, then a box or a polygon"),
        (5, "class, x, y, width, height, or class and the corners of a polygon"),
    ]


def test_polygons_in_pixels_are_one_line(tmp_path: Path) -> None:
    source = ultralytics(tmp_path / "s", "0 5 5 15 5 15 15")
    write(source, f"train: images/train\n{NAMES}")
    with pytest.raises(InputError, match=r"images/train/a.png, line 1: a corner of its polygon lies at .*far outside"):
        imported(source, tmp_path / "data")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: images/train\n", "has no names of classes"),
        (f"train: ../../elsewhere\n{NAMES}", "elsewhere is not below its folder"),
        (f"train: images/empty\n{NAMES}", "names no image"),
    ],
)
def test_a_data_file_that_names_nothing_is_one_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "s" / "images" / "empty").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(InputError, match=message):
        imported(write(tmp_path / "s" / "data.yaml", text), tmp_path / "data")
