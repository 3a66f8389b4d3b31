"""A training that is killed at any of its file operations goes on to the numbers of one that was not."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
import yaml
from kills import done, each_kill

from gdinousam.experiments.config import TrainConfig, load_config
from gdinousam.experiments.train import train
from gdinousam.folders import CONFIG_COPY, surviving_folder
from gdinousam.models.weights.choice import BEST
from gdinousam.training.checkpoints import LAST, STATE

TIMES = {"seconds", "images_per_second", "peak_memory_mb"}
SOME_OR_ALL = pytest.mark.parametrize(
    "most", [pytest.param(4, id="some"), pytest.param(None, id="all", marks=[pytest.mark.slow, pytest.mark.exhaustive])]
)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "run"


@pytest.fixture
def config(tmp_path: Path, phantom_data: Path, run: Path) -> TrainConfig:
    """Two epochs of two images each, with random augmentation."""
    paths = {f"{split}_dir": f"{phantom_data}/{split}" for split in ("train", "val")}
    paths |= {f"{split}_ann": f"{phantom_data}/{split}.CSV" for split in ("train", "val")}
    tree = {
        "data": {**paths, "num_workers": 0, "batch_size": 1, "max_images": 2},
        "resize": {"size": 64},
        "model": {"detector": "random-small"},
        "training": {
            "tune": "full",
            "output_dir": str(run),
            "num_epochs": 2,
            "num_sample_pictures": 1,
            "sample_pictures_every": 1,
            "device": "cpu",
        },
    }
    path = tmp_path / "train.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return load_config(TrainConfig, path)


def numbers(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open(newline="", encoding="utf-8") as file:
        return [{key: value for key, value in row.items() if key not in TIMES} for row in csv.DictReader(file)]


def weights(run: Path) -> dict[str, bytes]:
    return {name: (run / name / "model.safetensors").read_bytes() for name in (BEST, LAST)}


@pytest.fixture
def whole(config: TrainConfig, run: Path) -> Path:
    """The folder of the run that nothing stopped."""
    done(lambda: train(config).end)
    return Path(shutil.move(run, run.with_name("whole")))


def go_on(config: TrainConfig, run: Path) -> None:
    """As the user is told: by --resume where there is a state, else from the start, by --overwrite if need be."""
    resume = surviving_folder(run / STATE).is_dir()
    overwrite = not resume and (run / CONFIG_COPY).is_file()
    done(lambda: train(config, resume, overwrite).end)


def assert_whole(run: Path, whole: Path, point: object) -> None:
    assert numbers(run) == numbers(whole), point
    assert weights(run) == weights(whole), point
    assert not [path.name for path in run.rglob("*") if path.name.startswith(".")], point
    assert {path.name for path in run.iterdir()} == {path.name for path in whole.iterdir()}, point


@SOME_OR_ALL
def test_a_new_run(config: TrainConfig, run: Path, whole: Path, most: int | None) -> None:
    for point in each_kill(lambda: train(config), run, lambda: None, most):
        for name in (BEST, LAST):
            if (run / name).exists():
                files = {path.name for path in (run / name).iterdir()}
                assert files == {path.name for path in (whole / name).iterdir()}, point
        go_on(config, run)
        assert_whole(run, whole, point)


@pytest.mark.slow
def test_a_run_that_replaces_another(config: TrainConfig, run: Path, whole: Path) -> None:
    for point in each_kill(lambda: train(config, overwrite=True), run, lambda: shutil.copytree(whole, run), 12):
        done(lambda: train(config, overwrite=True).end)
        assert_whole(run, whole, point)
