"""The moving average: its numbers, that the model gets its own parameters back, and that a run keeps the average."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from accelerate.state import AcceleratorState
from safetensors.torch import load_file
from torch import nn

from gdinousam.experiments.config import TrainConfig, load_config
from gdinousam.experiments.train import train
from gdinousam.training.averaging import Average


def one_parameter(value: float) -> nn.Linear:
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, value)
    return model


def test_the_average_of_three_steps() -> None:
    model = one_parameter(0.0)
    average = Average(model, 0.25)
    expected = 0.0
    for step, value in enumerate((1.0, 2.0, 4.0), start=1):
        nn.init.constant_(model.weight, value)
        average.update()
        kept = min(0.25, (1 + step) / (10 + step))
        expected = kept * expected + (1 - kept) * value
    with average.in_place():
        assert model.weight.item() == pytest.approx(expected)
    assert model.weight.item() == 4.0


def test_the_model_gets_its_parameters_back_after_an_error() -> None:
    model = one_parameter(1.0)
    average = Average(model, 0.5)
    nn.init.constant_(model.weight, 3.0)
    with pytest.raises(RuntimeError), average.in_place():
        assert model.weight.item() == 1.0
        raise RuntimeError
    assert model.weight.item() == 3.0


def test_frozen_parameters_are_not_averaged() -> None:
    model = nn.Sequential(one_parameter(1.0), one_parameter(1.0).requires_grad_(False))
    average = Average(model, 0.5)
    assert len(average.state_dict()["averages"]) == 1


@pytest.fixture
def path(tmp_path: Path, phantom_data: Path) -> Path:
    tree = {
        "data": {
            **{f"{split}_dir": f"{phantom_data}/{split}" for split in ("train", "val")},
            **{f"{split}_ann": f"{phantom_data}/{split}.CSV" for split in ("train", "val")},
            **{f"{split}_masks": f"{phantom_data}/{split}_mask" for split in ("train", "val")},
            "num_workers": 0,
            "max_images": 2,
        },
        "resize": {"size": 64},
        "model": {"detector": "random-small"},
        "training": {
            "tune": "full",
            "num_epochs": 2,
            "learning_rate": 1.0e-3,
            "average_decay": 0.9,
            "sample_pictures_every": 0,
            "device": "cpu",
        },
    }
    file = tmp_path / "train.yaml"
    file.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return file


def weights_of(path: Path, folder: Path, *overrides: str, resume: bool = False) -> dict[str, torch.Tensor]:
    config = load_config(TrainConfig, path, [f"training.output_dir={folder}", *overrides])
    train(config, resume=resume)
    AcceleratorState._reset_state(reset_partial_state=True)
    return load_file(folder / "last" / "model.safetensors")


def test_a_run_keeps_the_average_and_goes_on_with_it(path: Path, tmp_path: Path) -> None:
    averaged = weights_of(path, tmp_path / "averaged")
    plain = weights_of(path, tmp_path / "plain", "training.average_decay=0")
    assert averaged.keys() == plain.keys()
    assert any(not torch.equal(averaged[name], plain[name]) for name in plain)
    weights_of(path, tmp_path / "twice", "training.num_epochs=1", "training.schedule=constant")
    resumed = weights_of(path, tmp_path / "twice", resume=True)
    for name, value in averaged.items():
        assert torch.equal(value, resumed[name]), name
