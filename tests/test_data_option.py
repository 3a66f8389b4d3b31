"""--data stands for the paths of a folder in the layout, in every command that trains or tests."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from gdinousam.commands.common import BAD_INPUT, run
from gdinousam.commands.test import evaluate_command
from gdinousam.commands.train import train_command
from gdinousam.commands.train_baseline import train_baseline_command

Command = Callable[[Sequence[str] | None], int]
CONFIGS = Path(__file__).parents[1] / "configs"


def resolved(capsys: pytest.CaptureFixture[str], command: Command, *arguments: object) -> dict[str, Any]:
    """The settings that a command would run with."""
    assert run(command, [*map(str, arguments), "--print-config"]) == 0
    tree: dict[str, Any] = yaml.safe_load(capsys.readouterr().out)
    return tree


@pytest.fixture
def folder(tmp_path: Path, phantom_data: Path) -> Path:
    """Data with all three splits."""
    return Path(shutil.copytree(phantom_data, tmp_path / "data"))


def test_a_training(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = resolved(capsys, train_command, "--config", CONFIGS / "small" / "train.yaml", "--data", folder)["data"]
    assert {key: data[key] for key in ("train_dir", "train_ann", "val_dir", "val_ann")} == {
        "train_dir": str(folder / "train"),
        "train_ann": str(folder / "train.CSV"),
        "val_dir": str(folder / "val"),
        "val_ann": str(folder / "val.CSV"),
    }
    assert data["unlike_dir"] is None, "the config leaves out no look-alikes"


def test_a_training_that_leaves_out_what_looks_like_a_test_image(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("--config", CONFIGS / "baselines" / "train_unet.yaml", "--data", folder)
    data = resolved(capsys, train_baseline_command, *command)["data"]
    assert data["train_masks"] == str(folder / "train_mask")
    assert data["unlike_dir"] == str(folder / "test_image")


def test_a_test_with_its_validation(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = resolved(capsys, evaluate_command, "--config", CONFIGS / "small" / "test.yaml", "--data", folder)
    assert tree["data"]["test_masks"] == str(folder / "test_mask")
    assert tree["validation"]["val_ann"] == str(folder / "val.CSV")


def test_set_replaces_a_single_path(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = ("--set", f"data.test_masks={folder / 'elsewhere'}")
    tree = resolved(capsys, evaluate_command, "--config", CONFIGS / "small" / "test.yaml", "--data", folder, *other)
    assert tree["data"]["test_masks"] == str(folder / "elsewhere")
    assert tree["data"]["test_dir"] == str(folder / "test_image")


@pytest.mark.parametrize("command", [train_command, evaluate_command])
def test_a_folder_without_the_file_that_is_needed(
    tmp_path: Path, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    config = CONFIGS / "small" / ("train.yaml" if command is train_command else "test.yaml")
    assert run(command, ["--config", str(config), "--data", str(tmp_path)]) == BAD_INPUT
    name = "train.CSV" if command is train_command else "test.CSV"
    assert capsys.readouterr().err == (
        f"error: --data {tmp_path}: no {name} in it; give a folder as docs/data.md shows it\n"
    )
