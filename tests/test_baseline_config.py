"""Configs that train a compared method: what a user is told, and which of file and command line is blamed."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from gdinousam.errors import InputError
from gdinousam.experiments.config import BaselineTrainConfig, load_config
from gdinousam.experiments.config import (
    TestConfig as EvaluateConfig,  # pytest would collect a class that is named Test...
)


def write(folder: Path, tree: object) -> Path:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path


def baseline_tree() -> dict[str, Any]:
    """The least that training a compared method needs."""
    return {
        "data": {"train_dir": "train", "train_ann": "train.CSV", "train_masks": "masks"},
        "baseline": {"name": "unet"},
        "training": {"output_dir": "../runs/one"},
    }


def test_a_baseline_is_trained_with_the_settings_of_the_loop(tmp_path: Path) -> None:
    config = load_config(BaselineTrainConfig, write(tmp_path, baseline_tree()), ["baseline.size=64"])
    assert (config.baseline.name, config.baseline.size) == ("unet", 64)
    assert (config.training.num_epochs, config.training.schedule) == (200, "constant")
    assert config.needs_masks and not config.needs_objects


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["baseline.name=vnet"],
            "baseline: input tag 'vnet' found using 'name' does not match any of the expected tags",
        ),
        (["baseline.chanels=[8, 16]"], "baseline.chanels is not a setting; did you mean baseline.channels?"),
        (["baseline.channels=[8]"], "baseline.channels = [8]: "),
        (["baseline.channels=[8, 0]"], "baseline.channels.1 = 0: input should be greater than or equal to 1"),
        (["baseline.size=200"], "5 levels make size a multiple of 16, at least 32; 200 is not"),
        (["baseline.size=16"], "5 levels make size a multiple of 16, at least 32; 16 is not"),
        (["training.part=detector"], "training.part is not a setting"),
        (["data.train_masks=null"], "a unet learns from masks; name their folder in data.train_masks"),
        (["data.val_dir=v", "data.val_ann=v.CSV"], "a unet learns from masks; name their folder in data.val_masks"),
        (["data.datasets=[]"], "data.datasets = []: "),
        (["training.schedule=one_cycle", "training.warmup_steps=5"], "one_cycle has a warm-up of its own"),
    ],
)
def test_what_is_wrong_with_the_training_of_a_baseline_is_named(
    tmp_path: Path, overrides: list[str], message: str
) -> None:
    path = write(tmp_path, baseline_tree())
    with pytest.raises(InputError) as caught:
        load_config(BaselineTrainConfig, path, overrides)
    blamed = f"{path}: " if "learns from masks" in message else "--set: "
    assert str(caught.value).startswith(blamed) and message in str(caught.value)


def test_the_file_and_the_command_line_are_blamed_for_their_own(tmp_path: Path) -> None:
    tree = baseline_tree()
    tree["data"]["bath_size"] = 2
    path = write(tmp_path, tree)
    with pytest.raises(InputError) as caught:
        load_config(BaselineTrainConfig, path, ["baseline.chanels=[8]"])
    of_command_line, of_file = str(caught.value).split(". ", 1)
    assert of_command_line.startswith("--set: baseline.chanels") and of_file.startswith(f"{path}: data.bath_size")


def test_a_config_of_another_program_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, baseline_tree())
    with pytest.raises(InputError, match=r"is a config for train\.py \(group training\).*needs one for test\.py"):
        load_config(EvaluateConfig, path)
