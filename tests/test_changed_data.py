"""Data that somebody changes while a run lasts, or before it goes on: one line that names the file."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import PIL.Image
import pytest
import yaml
from accelerate.state import AcceleratorState

from gdinousam.commands.common import BAD_INPUT, run
from gdinousam.commands.test import evaluate_command
from gdinousam.commands.train import train_command

Command = Callable[[Sequence[str] | None], int]
SMALL = {"num_workers": 0, "batch_size": 1, "max_images": 2}


@pytest.fixture(autouse=True)
def fresh_accelerator() -> Iterator[None]:
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture
def data(tmp_path: Path, phantom_data: Path) -> Path:
    """A copy of the phantoms that a test may spoil."""
    return Path(shutil.copytree(phantom_data, tmp_path / "data"))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def train_config(tmp_path: Path, data: Path, out: Path) -> Path:
    tree = {
        "data": {"train_dir": str(data / "train"), "train_ann": str(data / "train.CSV")} | SMALL,
        "resize": {"size": 64},
        "model": {"detector": "random-small"},
        "training": {"tune": "full", "output_dir": str(out), "num_epochs": 2, "sample_pictures_every": 0},
    }
    return write(tmp_path / "train.yaml", tree)


@pytest.fixture
def test_config(tmp_path: Path, data: Path, out: Path) -> Path:
    """Scores masks of another program, which is quick: those of the data, as far as their names fit."""
    paths = {"test_dir": "test_image", "test_ann": "test.CSV", "test_masks": "test_mask"}
    predictions = shutil.copytree(data / "test_mask", tmp_path / "predictions")
    tree = {
        "data": {key: str(data / name) for key, name in paths.items()} | {"num_workers": 1},
        "evaluation": {
            "output_dir": str(out),
            "num_pictures": 0,
            "predictions": str(predictions),
            "method": "theirs",
        },
        "saved_masks": {"missing": "nothing"},
    }
    return write(tmp_path / "test.yaml", tree)


def write(path: Path, tree: dict[str, object]) -> Path:
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path


def error_of(capsys: pytest.CaptureFixture[str], command: Command, *arguments: object) -> str:
    capsys.readouterr()
    assert run(command, [str(argument) for argument in arguments]) == BAD_INPUT == 2
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith("error: ") and sum(line.startswith("error: ") for line in said) == 1, said
    return said[-1].removeprefix("error: ")


@contextmanager
def when_told(beginning: str, change: Callable[[], None]) -> Iterator[None]:
    """Change something when the log has a line of this beginning, once."""

    class Change(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage().startswith(beginning):
                logger.removeHandler(self)
                change()

    logger, handler = logging.getLogger("gdinousam"), Change()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def replace_by_larger(path: Path) -> None:
    PIL.Image.new("L", (300, 200), 90).save(path)


def test_an_image_replaced_during_training(
    train_config: Path, data: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = sorted((data / "train").iterdir())[1]
    with when_told("epoch 1/", lambda: replace_by_larger(path)):
        said = error_of(capsys, train_command, "--config", train_config)
    assert said.startswith(f"{path}: has changed since this run looked through its data")
    assert (out / "metrics.csv").read_text().count("\n") == 2  # header and the first epoch, which stay


def test_an_image_replaced_before_the_training_goes_on(
    train_config: Path, data: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(train_command, ["--config", str(train_config), "--set", "training.num_epochs=1"]) == 0
    path = sorted((data / "train").iterdir())[1]
    stored = path.read_bytes()
    path.write_bytes(stored)  # sound data of the same content, and yet nobody can know without reading all of it
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 10**9))
    longer = ["--resume", out, "--set", "training.num_epochs=2"]
    said = error_of(capsys, train_command, *longer)
    assert said.startswith(f"{out}: 1 of 2 files of the data have changed since the run began, such as {path}; ")
    assert said.endswith("go on with the new data by --other-data")
    assert (out / "metrics.csv").read_text().count("\n") == 2
    assert run(train_command, [*map(str, longer), "--other-data"]) == 0
    assert run(train_command, [*map(str, longer)]) == 0  # these files are the ones it was told to go on with


def test_a_mask_replaced_before_the_evaluation_goes_on(
    test_config: Path, data: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(evaluate_command, ["--config", str(test_config)]) == 0
    rows = (out / "rows.csv").read_bytes()
    path = sorted((data / "test_mask").iterdir())[1]
    with PIL.Image.open(path) as mask:
        mask.load()
    mask.save(path, compress_level=0)  # sound, so that the check has nothing against it
    said = error_of(capsys, evaluate_command, "--config", test_config, "--resume")
    assert said.startswith(f"{out}: 1 of 8 files of the data have changed since the run began, such as {path}; ")
    assert said.endswith("start again with --overwrite")
    assert (out / "rows.csv").read_bytes() == rows
