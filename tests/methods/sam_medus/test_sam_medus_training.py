"""Training SAM-MedUS (approximation) on boxes, and testing what was trained."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from method_runs import evaluated, tree_of
from sam_medus_files import TINY

from gdinousam.commands.common import BAD_INPUT
from gdinousam.commands.common import run as run_command
from gdinousam.commands.train_baseline import train_baseline_command
from gdinousam.data.contract.reading import read_records
from gdinousam.data.dataset import TrainingDataset, collate
from gdinousam.methods.sam_medus.network import SamMedUs
from gdinousam.methods.sam_medus.settings import APPROXIMATION
from gdinousam.methods.sam_medus.task import SamMedUsTask
from gdinousam.preprocessing import ResizeSettings
from gdinousam.runtime import torch_seed

SCRIPT, CONFIG = "baselines/trainSamMedUS.py", "configs/baselines/train_sam_medus_small.yaml"


@pytest.fixture(autouse=True)
def fresh_accelerator() -> Iterator[None]:
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture
def dataset(phantom_data: Path) -> TrainingDataset:
    records = read_records(phantom_data / "train.CSV", phantom_data / "train", phantom_data / "train_mask")
    records = tuple(record for record in records if record.instances)
    return TrainingDataset(records, ResizeSettings(size=TINY.image_size), with_masks=True)


def test_it_learns_a_few_phantoms(dataset: TrainingDataset) -> None:
    with torch_seed(0):
        task = SamMedUsTask(SamMedUs(TINY), box_jitter=0.1, boundary_weight=1.0)
        batch = collate([dataset[index] for index in range(4)])
        optimizer = torch.optim.AdamW(task.model.parameters(), lr=2e-3)
        task.model.train()
        losses = []
        for _ in range(25):
            loss = task.losses(batch)["loss"]
            losses.append(float(loss.detach()))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert losses[-1] < 0.8 * losses[0]


def test_the_weight_of_the_boundary_counts(dataset: TrainingDataset) -> None:
    batch = collate([dataset[0], dataset[1]])
    with torch_seed(0):
        model = SamMedUs(TINY).eval()
    without, double = (SamMedUsTask(model, 0.0, weight).losses(batch) for weight in (0.0, 2.0))
    boundary = float(double["mask_boundary"].detach())
    assert boundary != 0
    assert float(double["loss"].detach()) == pytest.approx(float(without["loss"].detach()) + 2 * boundary, abs=1e-5)


def settings(phantom_data: Path, folder: Path, **other: str) -> list[str]:
    data = {
        f"data.{split}_{what}": phantom_data / name
        for split in ("train", "val")
        for what, name in (("dir", split), ("ann", f"{split}.CSV"), ("masks", f"{split}_mask"))
    }
    values = data | {
        "data.unlike_dir": "null",
        "data.max_images": 2,
        "data.batch_size": 2,
        "training.num_epochs": 1,
        "training.output_dir": folder,
        "training.device": "cpu",
        **other,
    }
    return ["--config", CONFIG, *(part for key, value in values.items() for part in ("--set", f"{key}={value}"))]


def train(arguments: list[str]) -> int:
    return run_command(train_baseline_command, arguments, f"python {SCRIPT}", CONFIG)


def test_what_the_script_trains_is_tested_and_called_an_approximation(
    phantom_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert train(settings(phantom_data, run)) == 0
    assert f"python baselines/testSamMedUS.py --set baseline.weights={run / 'best'}" in capsys.readouterr().out
    assert (run / "best").is_dir() and (run / "pictures").is_dir()
    with (run / "metrics.csv").open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert float(row["val_mask_dice"]) > 0 and "val_mask_boundary" in row
    notes = json.loads((run / "best" / "training.json").read_text(encoding="utf-8"))
    assert (notes["trained"], notes["started_from"]) == ("sam_medus", "random-small")

    tree = tree_of(phantom_data, tmp_path / "out", name="sam_medus", weights=str(run / "best"))
    tree["baseline"]["prompts"] = {"source": "truth"}
    results = evaluated(tree, tmp_path)
    assert results.needs == ("box",) and results.weights == "small"
    assert APPROXIMATION in results.notes.remarks and not results.notes.of_datasets
    assert all(row.box_iou == pytest.approx(1) for row in results.rows if row.target_present and row.found)
    assert APPROXIMATION in capsys.readouterr().out


def test_the_small_detector_shows_it_boxes(phantom_data: Path, tmp_path: Path) -> None:
    tree = tree_of(phantom_data, tmp_path / "out", name="sam_medus", weights="random-small")
    tree |= {"model": {"detector": "small"}}
    results = evaluated(tree, tmp_path)
    assert results.needs == ("text",) and results.weights == "random"
    assert any(row.found for row in results.rows)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"baseline.start": "nowhere.pth"}, "nowhere.pth"),
        ({"baseline.boundary_weight": "-1"}, "baseline.boundary_weight = -1"),
        ({"data.train_masks": "null"}, "learns from masks; name their folder in data.train_masks"),
    ],
)
def test_wrong_settings_are_one_line(
    phantom_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], other: dict[str, str], message: str
) -> None:
    assert train(settings(phantom_data, tmp_path / "run", **other)) == BAD_INPUT
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ") and message in error
    assert not (tmp_path / "run").exists()
