"""What a run left behind, damaged: taken, or refused in one line that names the run's state."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from damage import FEW_OR_MANY, changed_json, num_refused, refusal

from gdinousam.experiments.training_origin import DATA_NAME, noted_data
from gdinousam.reading import read_json
from gdinousam.training.checkpoints import STATE, RunCheckpoints
from gdinousam.training.metrics_file import MetricsFile
from gdinousam.training.progress import Progress


@pytest.fixture(autouse=True)
def fresh_accelerator() -> Iterator[None]:
    """Accelerate keeps one state per process."""
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture
def checkpoints(tmp_path: Path) -> RunCheckpoints:
    """The checkpoints of a model of one layer after one step, its state written."""
    accelerator, model = Accelerator(cpu=True), torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (step + 1))
    model, optimizer = accelerator.prepare(model, optimizer)
    progress = Progress(epoch=1, step=1)
    accelerator.register_for_checkpointing(progress, schedule)
    accelerator.backward(model(torch.ones(1, 3)).sum())
    optimizer.step()
    checkpoints = RunCheckpoints(tmp_path, accelerator, {})
    checkpoints.save_state()
    return checkpoints


@pytest.mark.parametrize("count", [10, pytest.param(200, marks=[pytest.mark.slow, pytest.mark.exhaustive])])
def test_a_damaged_state_is_taken_or_refused_in_one_line(checkpoints: RunCheckpoints, count: int) -> None:
    files = sorted(path for path in (checkpoints.folder / STATE).iterdir())
    assert len(files) >= 4  # weights, optimizer, schedule and progress, random states
    for path in files:
        content = path.read_bytes()

        def load(_: Path, name: str = path.name) -> None:
            try:
                checkpoints.load_state()
            except ValueError as error:
                raise type(error)(f"{name}: {error}") from error

        assert num_refused(path, load, count), path.name
        path.write_bytes(content)
        path.unlink()
        said = refusal(checkpoints.load_state)
        assert said is None or f"{STATE}: not readable as the state of a run" in said, said
        path.write_bytes(content)


@pytest.mark.parametrize("count", FEW_OR_MANY)
def test_damaged_metrics_are_taken_or_refused_in_one_line(tmp_path: Path, count: int) -> None:
    lines = [f"{epoch},{epoch * 7},{3 / epoch}" for epoch in range(1, 5)]
    (tmp_path / "metrics.csv").write_text("\n".join(("epoch,step,train_loss", *lines)) + "\n", encoding="utf-8")
    assert num_refused(tmp_path / "metrics.csv", lambda path: MetricsFile(path, 3), count)


def test_every_change_to_the_note_of_the_data_is_taken_or_refused(tmp_path: Path) -> None:
    content = {"train": {"csv_sha256": "a", "num_images": 3}, "earlier": [{"train": {"csv_sha256": "b"}}]}
    path = tmp_path / DATA_NAME
    for what, changed in (("a list", []), ("a text", "x"), *changed_json(content)):
        path.write_text(json.dumps(changed), encoding="utf-8")
        said = refusal(lambda: noted_data(tmp_path, {"train": content["train"]}, resume=True, other_data=True))
        assert said is None or DATA_NAME in said, what
        assert said is not None or isinstance(read_json(path), dict)
