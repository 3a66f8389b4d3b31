"""Killed at any of its file operations, a program leaves what was there or what it makes, and can be run again."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import PIL.Image
import pytest
import torch
from kills import KillPoint, done, each_kill, kill_points
from torch._subclasses.fake_tensor import FakeTensorMode

from gdinousam.data.contract.outlines import write_filled
from gdinousam.data.sources.medical.conversion import convert_medical
from gdinousam.errors import InputError
from gdinousam.files import write_text
from gdinousam.folders import (
    CONFIG_COPY,
    begin_replacement,
    finish_replacement,
    replaced_folder,
    run_folder,
    surviving_folder,
)
from gdinousam.models.detector.operating_point import OPERATING_POINT, OperatingPoint, Point, save_point
from gdinousam.prediction.files import predict_files
from gdinousam.prediction.kept import RECORDS
from gdinousam.prediction.results import MadeBy
from gdinousam.prediction.segmenter import Segmenter
from gdinousam.records import BoxXYXY, Detection, Image, Need

NAMES = "abc"
SOME_OR_ALL = pytest.mark.parametrize(
    "most", [pytest.param(3, id="some"), pytest.param(None, id="all", marks=[pytest.mark.slow, pytest.mark.exhaustive])]
)


def fill(folder: Path, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        (folder / name).write_text(text * 10)


def text_of(folder: Path) -> str:
    """What all files of the folder hold; an error where one is missing, or holds something else."""
    (text,) = {(folder / name).read_text() for name in NAMES}
    assert {path.name for path in folder.iterdir()} == set(NAMES)
    return text[: len(text) // 10]


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_kind_of_operation_is_a_point_to_be_killed_at(tmp_path: Path) -> None:
    """The harness itself: without these the other tests would pass for nothing."""

    def work() -> None:
        (tmp_path / "made").mkdir()
        (tmp_path / "made" / "a").write_bytes(bytes(100))
        (tmp_path / "made" / "a").rename(tmp_path / "made" / "b")
        (tmp_path / "made" / "b").unlink()
        (tmp_path / "made").rmdir()
        Path(os.devnull).read_bytes()

    points = kill_points(work, tmp_path)
    whats = ["os.mkdir made", "open made/a", "open made/a", "os.rename made/a", "os.remove made/b", "os.rmdir made"]
    assert [point.what for point in points] == whats
    left = [tree(tmp_path / "made") for _ in each_kill(work, tmp_path / "made", lambda: None)]
    assert left == [{}, {}, {"a": bytes(7)}, {"a": bytes(100)}, {"b": bytes(100)}, {}, {}]


def test_a_file_is_the_earlier_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "run" / "notes.json"

    def begin() -> None:
        path.parent.mkdir()
        path.write_text("old" * 10)

    def work() -> None:
        write_text(path, "new" * 10)

    for point in each_kill(work, path.parent, begin):
        assert path.read_text() in ("old" * 10, "new" * 10), point
        work()
        assert tree(path.parent) == {"notes.json": b"new" * 10}, point


@SOME_OR_ALL
def test_the_state_of_a_run_survives_every_pair_of_kills(tmp_path: Path, most: int | None) -> None:
    run, left = tmp_path / "run", tmp_path / "left"
    state = run / "state"

    def save(text: str) -> None:
        fill(begin_replacement(state), text)
        finish_replacement(state)

    for first in each_kill(lambda: save("2"), run, lambda: fill(state, "1"), most):
        shutil.rmtree(left, ignore_errors=True)
        shutil.copytree(run, left)
        for second in each_kill(lambda: save("3"), run, lambda: shutil.copytree(left, run), most):
            assert text_of(surviving_folder(state)) in ("1", "2", "3"), (first, second)
            save("4")
            assert text_of(surviving_folder(state)) == "4", (first, second)


@SOME_OR_ALL
def test_a_replaced_folder_is_the_earlier_or_the_new_one(tmp_path: Path, most: int | None) -> None:
    folder = tmp_path / "run" / "best"

    def replace(text: str) -> None:
        with replaced_folder(folder) as new:
            fill(new, text)

    for point in each_kill(lambda: replace("new"), folder.parent, lambda: fill(folder, "old"), most):
        with pytest.raises(KeyError), replaced_folder(folder):
            raise KeyError  # an error puts back what a kill moved away
        assert text_of(folder) in ("old", "new"), point
        replace("newer")
        assert text_of(folder) == "newer" and [path.name for path in folder.parent.iterdir()] == ["best"], point


@SOME_OR_ALL
def test_a_run_that_was_being_overwritten_can_be_overwritten(tmp_path: Path, most: int | None) -> None:
    run = tmp_path / "run"

    def begin() -> None:
        fill(run, "old")
        fill(run / "state", "old")
        (run / CONFIG_COPY).write_text("old")

    def overwrite() -> None:
        with run_folder(run, "output", overwrite=True):
            write_text(run / CONFIG_COPY, "new")
            fill(run / "state", "new")

    for point in each_kill(overwrite, run, begin, most):
        overwrite()
        assert {path.name for path in run.iterdir()} == {CONFIG_COPY, "state"}, point
        assert text_of(run / "state") == "new", point


class WholeImages:
    """Finds every phrase everywhere."""

    needs: frozenset[Need] = frozenset({"text"})

    def segment(self, images: Sequence[Image], phrases: Sequence[Sequence[str]]) -> list[list[Detection]]:
        box_xyxy: BoxXYXY = (0, 0, 8, 8)
        return [
            [Detection(phrase, box_xyxy, 0.5, np.ones(image.shape[:2], dtype=bool)) for phrase in asked]
            for image, asked in zip(images, phrases, strict=True)
        ]


def save_operating_point(out: Path, source: Path, number: int) -> None:
    point = Point(box_threshold=0.1 * number, max_detections=number, further_threshold=0.5)
    save_point(out / OPERATING_POINT, OperatingPoint(overall=point))


def predict(out: Path, source: Path, number: int, overwrite: bool = True) -> None:
    made_by = MadeBy("whole images", None, "none", {}, {}, {})
    image = source / f"{number}" / "scan.png"
    os.utime(image, (number, number))  # a line of the records has it
    list(predict_files(Segmenter.of(WholeImages(), made_by), [image], ["cyst"], out, overwrite=overwrite))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder of two versions of an image."""
    for number in (1, 2):
        (tmp_path / "source" / f"{number}").mkdir(parents=True)
        pixels = np.random.default_rng(number).integers(0, 255, (12, 16), dtype=np.uint8)
        PIL.Image.fromarray(pixels).save(tmp_path / "source" / f"{number}" / "scan.png")
    return tmp_path / "source"


@SOME_OR_ALL
@pytest.mark.parametrize("write", [save_operating_point, predict])
def test_every_file_is_the_earlier_or_the_new_one(tmp_path: Path, source: Path, write: Any, most: int | None) -> None:
    out = tmp_path / "out"
    out.mkdir()
    write(out, source, 1)
    old = tree(out)
    write(out, source, 2)
    new = tree(out)
    assert old.keys() == new.keys() and old != new

    def begin() -> None:
        out.mkdir()
        write(out, source, 1)

    for point in each_kill(lambda: write(out, source, 2), out, begin, most):
        left = {name: content for name, content in tree(out).items() if not name.startswith(".")}
        assert left.keys() == old.keys(), point
        left.pop(RECORDS, None)  # grows line by line
        assert all(content in (old[name], new[name]) for name, content in left.items()), point
        write(out, source, 2)
        assert tree(out) == new, point


@SOME_OR_ALL
def test_predicting_goes_on_after_a_kill_without_being_told(tmp_path: Path, source: Path, most: int | None) -> None:
    out = tmp_path / "out"
    predict(out, source, 1)
    whole = tree(out)
    for point in each_kill(lambda: predict(out, source, 1, overwrite=False), out, out.mkdir, most):
        predict(out, source, 1, overwrite=False)
        assert tree(out) == whole, point


@SOME_OR_ALL
def test_filled_masks_come_all_or_not_at_all(tmp_path: Path, most: int | None) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    for number in (1, 2):
        pixels = np.zeros((30, 30), np.uint8)
        pixels[5:25, 5:25] = 255
        pixels[6:24, 6:24] = 0 if number == 1 else 255
        PIL.Image.fromarray(pixels).save(masks / f"{number}.png")
    out = tmp_path / "run" / "filled"
    for point in each_kill(lambda: write_filled(masks, out), out.parent, lambda: None, most):
        finish_or_be_there(lambda: write_filled(masks, out), out, {"1.png", "2.png"}, point)


@SOME_OR_ALL
def test_converted_exams_come_all_or_not_at_all(tmp_path: Path, most: int | None) -> None:
    exams = tmp_path / "exams"
    exams.mkdir()
    for name in ("first", "second"):
        volume = np.arange(40, dtype=np.uint8).reshape(5, 4, 2)
        nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), exams / f"{name}.nii")
    out, mapping = tmp_path / "run" / "frames", tmp_path / "run" / "mapping.csv"

    def convert() -> None:
        convert_medical([exams], out, mapping=mapping, progress=False)

    def begin() -> None:
        out.parent.mkdir()

    names = {"frames.csv", *(f"case000{case}_frame000{frame}.png" for case in (1, 2) for frame in (1, 2))}
    for point in each_kill(convert, out.parent, begin, most):
        finish_or_be_there(convert, out, names, point)
        with mapping.open(newline="", encoding="utf-8") as file:
            assert [row["case"] for row in csv.DictReader(file)] == ["case0001", "case0002"], point


def finish_or_be_there(work: Any, out: Path, names: set[str], point: KillPoint) -> None:
    """What is there is whole already, and then refused to be written again, or is written now; nothing else is left."""
    if out.exists():
        assert {path.name for path in out.iterdir()} == names, point
        with pytest.raises(InputError, match="is in use; name a new folder"):
            work()
    else:
        work()
    assert {path.name for path in out.iterdir()} == names, point
    left = {path.name for path in out.parent.iterdir() if not path.name.endswith((".lock", ".owner"))}
    assert left <= {out.name, "mapping.csv"}, point


def gradient() -> float:
    """What a backward pass gives."""
    one = torch.ones((), requires_grad=True)
    (2 * one).backward()
    assert one.grad is not None
    return float(one.grad)


def test_a_child_computes_gradients_after_a_model_was_traced() -> None:
    with FakeTensorMode():
        torch.ones(3) + 1
    assert gradient() == done(gradient) == 2
