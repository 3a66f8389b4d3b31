"""Training SAMUS: from SAM's weights, on clicks, and it learns."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState

from gdinousam.commands.common import BAD_INPUT
from gdinousam.commands.common import run as run_command
from gdinousam.commands.train_baseline import train_baseline_command
from gdinousam.data.contract.reading import read_records
from gdinousam.data.dataset import TrainingDataset, collate
from gdinousam.data.images import read_image
from gdinousam.methods.samus.config import SMALL
from gdinousam.methods.samus.network import Samus, trainable_names
from gdinousam.methods.samus.segmenter import SamusSegmenter, square_of
from gdinousam.methods.samus.task import SamusTask
from gdinousam.methods.samus.weights import load_samus
from gdinousam.methods.true_hints import TrueHints, fixed_click
from gdinousam.preprocessing import ResizeSettings, grey_image, image_to_tensor, normalize_image
from gdinousam.records import Image
from gdinousam.runtime import torch_seed

SCRIPT, CONFIG = "baselines/trainSAMUS.py", "configs/baselines/train_samus.yaml"


@pytest.fixture(autouse=True)
def fresh_accelerator() -> Iterator[None]:
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture
def task() -> SamusTask:
    with torch_seed(0):
        return SamusTask(Samus(SMALL))


@pytest.fixture
def dataset(phantom_data: Path) -> TrainingDataset:
    records = read_records(phantom_data / "train.CSV", phantom_data / "train", phantom_data / "train_mask")
    records = tuple(record for record in records if record.instances)
    return TrainingDataset(records, ResizeSettings(size=SMALL.image_size), with_masks=True)


def test_the_network_is_shown_in_training_what_it_is_shown_in_tests(phantom_images: list[Image]) -> None:
    colours = np.stack(
        [phantom_images[0][..., 0], phantom_images[0][..., 1] // 2, phantom_images[0][..., 2] // 3], axis=2
    )
    square = torch.nn.functional.interpolate(normalize_image(image_to_tensor(colours))[None], (64, 64), mode="nearest")[
        0
    ]
    seen = grey_image(square)
    assert seen.shape == (3, 64, 64) and torch.equal(seen[0], seen[1]) and torch.equal(seen[0], seen[2])
    pixels = (square * torch.tensor([0.229, 0.224, 0.225])[:, None, None]) + torch.tensor([0.485, 0.456, 0.406])[
        :, None, None
    ]
    as_image = (pixels * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    assert (seen - square_of(as_image, 64)).abs().max() < 1 / 255  # Pillow rounds to whole grey values


def test_clicks_lie_on_the_object_and_vary_in_training_only(task: SamusTask) -> None:
    mask = torch.zeros(64, 64, dtype=torch.bool)
    mask[10:20, 30:50] = True
    task.model.train()
    clicks = {task._click(mask) for _ in range(20)}
    assert len(clicks) > 5 and all(mask[y, x] and label == 1 for x, y, label in clicks)
    task.model.eval()
    click = fixed_click(mask.numpy(), frame=64)
    assert {task._click(mask) for _ in range(5)} == {(int(click.x - 0.5), int(click.y - 0.5), 1)}


def test_an_object_that_vanished_in_the_square_gets_a_click_beside_it(task: SamusTask) -> None:
    *_, label = task._click(torch.zeros(64, 64, dtype=torch.bool))
    assert label == 0


def test_a_dataset_without_masks_is_refused(task: SamusTask, dataset: TrainingDataset) -> None:
    without = TrainingDataset(dataset.records, ResizeSettings(size=64))
    with pytest.raises(ValueError, match="SAMUS learns from masks"):
        task.losses(collate([without[0]]))


def test_it_overfits_a_few_phantoms(task: SamusTask, dataset: TrainingDataset) -> None:
    batch = collate([dataset[index] for index in range(len(dataset))])
    optimizer = torch.optim.AdamW(task.model.parameters(), lr=2e-3)
    task.model.train()
    first = None
    with torch_seed(0):
        for _ in range(80):
            loss = task.losses(batch)["loss"]
            first = first or float(loss.detach())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert first is not None and float(loss.detach()) < 0.5 * first


def settings(phantom_data: Path, folder: Path, **other: str) -> list[str]:
    data = {
        f"data.{split}_{what}": phantom_data / name
        for split in ("train", "val")
        for what, name in (("dir", split), ("ann", f"{split}.CSV"), ("masks", f"{split}_mask"))
    }
    values = data | {
        "data.unlike_dir": "null",
        "data.batch_size": 2,
        "data.num_workers": 0,
        "baseline.start": "random-small",
        "training.num_epochs": 1,
        "training.output_dir": folder,
        "training.device": "cpu",
        **other,
    }
    return ["--config", CONFIG, *(part for key, value in values.items() for part in ("--set", f"{key}={value}"))]


def train(arguments: list[str]) -> int:
    return run_command(train_baseline_command, arguments, f"python {SCRIPT}", CONFIG)


def test_the_script_trains_what_the_official_code_trains(phantom_data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert train(settings(phantom_data, run)) == 0
    with torch_seed(0):
        start = Samus(SMALL).state_dict()
    trained = load_samus(str(run / "best"))
    changed = {name for name, value in trained.named_parameters() if not torch.equal(value, start[name])}
    frozen = {name for name, _ in trained.named_parameters()} - trainable_names(trained)
    assert changed and not changed & frozen
    assert (run / "pictures" / "epoch_0001.png").is_file()
    with (run / "metrics.csv").open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert float(row["val_mask_dice"]) > 0
    notes = json.loads((run / "best" / "training.json").read_text(encoding="utf-8"))
    assert (notes["trained"], notes["started_from"]) == ("samus", "random-small")


def test_what_it_trained_can_be_shown_clicks(phantom_data: Path, tmp_path: Path) -> None:
    assert train(settings(phantom_data, tmp_path / "run", **{"baseline.tune": "full"})) == 0
    records = read_records(phantom_data / "test.CSV", phantom_data / "test_image", phantom_data / "test_mask")
    method = TrueHints(SamusSegmenter(load_samus(str(tmp_path / "run" / "last"))), lambda mask, seed: fixed_click(mask))
    found = method.segment_records([read_image(record.path) for record in records], records)
    assert len(found) == len(records)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"baseline.start": "nowhere.pth"}, "nowhere.pth: no such weight file"),
        ({"baseline.tune": "half"}, "baseline.tune = 'half'"),
        ({"data.train_masks": "null"}, "learns from masks; name their folder in data.train_masks"),
        ({"baseline.name": "sam"}, "baseline"),
    ],
)
def test_wrong_settings_are_one_line(
    phantom_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], other: dict[str, str], message: str
) -> None:
    assert train(settings(phantom_data, tmp_path / "run", **other)) == BAD_INPUT
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ") and message in error
    assert not (tmp_path / "run").exists()
