"""Two programs and one folder: the second is told in one line who is at work there, and changes nothing."""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import yaml
from accelerate.state import AcceleratorState
from kills import paused

from gdinousam.commands.common import BAD_INPUT, run
from gdinousam.commands.prepare_dataset import prepare_dataset_command
from gdinousam.commands.test import evaluate_command
from gdinousam.commands.train import train_command

Command = Callable[[Sequence[str] | None], int]


@pytest.fixture(autouse=True)
def fresh_accelerator() -> Iterator[None]:
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "out"


def write(path: Path, tree: dict[str, object]) -> Path:
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path


@pytest.fixture
def train_config(tmp_path: Path, phantom_data: Path, out: Path) -> Path:
    paths = {"train_dir": f"{phantom_data}/train", "train_ann": f"{phantom_data}/train.CSV"}
    tree = {
        "data": {**paths, "num_workers": 0, "max_images": 2},
        "resize": {"size": 64},
        "model": {"detector": "random-small"},
        "training": {"tune": "full", "output_dir": str(out), "num_epochs": 2, "sample_pictures_every": 0},
    }
    return write(tmp_path / "train.yaml", tree)


@pytest.fixture
def test_config(tmp_path: Path, phantom_data: Path, out: Path) -> Path:
    """Scores the true masks of another program, which is quick."""
    predictions = tmp_path / "predictions"
    shutil.copytree(phantom_data / "test_mask", predictions)
    tree = {
        "data": {
            "test_dir": f"{phantom_data}/test_image",
            "test_ann": f"{phantom_data}/test.CSV",
            "test_masks": f"{phantom_data}/test_mask",
            "num_workers": 1,
        },
        "evaluation": {
            "output_dir": str(out),
            "num_pictures": 0,
            "predictions": str(predictions),
            "method": "theirs",
        },
        "saved_masks": {"missing": "nothing"},
    }
    return write(tmp_path / "test.yaml", tree)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_refused(
    capsys: pytest.CaptureFixture[str], command: Command, arguments: Sequence[object], what: str, pid: int, folder: Path
) -> None:
    before = contents(folder)
    capsys.readouterr()
    assert run(command, [str(one) for one in arguments]) == BAD_INPUT == 2
    since = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\S+"
    line = f"error: {re.escape(what)} is in use by process {pid} on {re.escape(socket.gethostname())} since {since}; "
    said = capsys.readouterr()
    assert re.fullmatch(line + "wait for it, or name another one\n", said.err), said.err
    assert said.out == "" and contents(folder) == before


@pytest.mark.parametrize("how", ["--overwrite", "--resume"])
def test_a_second_training(train_config: Path, out: Path, how: str, capsys: pytest.CaptureFixture[str]) -> None:
    first = ["--config", str(train_config)]
    second = [*first, "--overwrite"] if how == "--overwrite" else ["--resume", out]
    with paused(lambda: train_command(first), out, "last") as pid:
        assert_refused(capsys, train_command, second, f"training.output_dir: {out}", pid, out)


@pytest.mark.parametrize("how", ["--overwrite", "--resume"])
def test_a_second_evaluation(test_config: Path, out: Path, how: str, capsys: pytest.CaptureFixture[str]) -> None:
    first = ["--config", str(test_config)]
    with paused(lambda: evaluate_command(first), out, "rows.csv") as pid:
        assert_refused(capsys, evaluate_command, [*first, how], f"evaluation.output_dir: {out}", pid, out)
    assert run(evaluate_command, [*first, how]) == 0  # the lock of a program that was killed locks nothing
    assert not [path for path in out.iterdir() if path.name.startswith(".")]


def test_a_second_preparation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    release, data = write_busi(tmp_path), tmp_path / "data"
    first = ["BUSI", "--raw", str(release), "--out", str(data)]
    with paused(lambda: prepare_dataset_command(first), data, "commit.json") as pid:
        assert_refused(capsys, prepare_dataset_command, first, f"{data}: busi", pid, data)
    assert run(prepare_dataset_command, first) == 0
    assert not [path for path in data.iterdir() if path.name.startswith(".")]


def write_busi(folder: Path) -> Path:
    """A release of two classes of four unlike images with a lesion each."""
    root = folder / "Dataset_BUSI_with_GT"
    random = np.random.default_rng(0)
    for label in ("benign", "malignant", "normal"):
        (root / label).mkdir(parents=True)
        for number in range(1, 5):
            coarse = PIL.Image.fromarray(random.integers(0, 256, (6, 8), dtype=np.uint8))
            coarse.resize((80, 60), PIL.Image.Resampling.BICUBIC).save(root / label / f"{label} ({number}).png")
            mask = np.zeros((60, 80), np.uint8)
            mask[20:32, 10:25] = 0 if label == "normal" else 255
            PIL.Image.fromarray(mask).save(root / label / f"{label} ({number})_mask.png")
    return root
