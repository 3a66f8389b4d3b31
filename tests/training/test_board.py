"""What TensorBoard shows of a run, read back from its files."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from gdinousam.training.board import NAME, Board


@pytest.fixture
def accelerator(tmp_path: Path) -> Iterator[Accelerator]:
    AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = Accelerator(cpu=True, log_with=NAME, project_dir=str(tmp_path))
    accelerator.init_trackers(NAME)
    yield accelerator
    AcceleratorState._reset_state(reset_partial_state=True)


def shown(accelerator: Accelerator, folder: Path) -> EventAccumulator:
    accelerator.end_training()
    assert len([path for path in (folder / NAME).rglob("*") if path.is_file()]) == 1, "one run, in one file"
    return EventAccumulator(str(folder / NAME)).Reload()


def test_means_of_epochs_speed_memory_and_steps_are_shown(accelerator: Accelerator, tmp_path: Path) -> None:
    board = Board(accelerator)
    board.show_step({"train_loss": 3.0}, 1)
    row = {"epoch": 1, "step": 2, "train_loss": 2.5, "val_loss": 2.75, "peak_memory_mb": 900, "images_per_second": 4.5}
    board.show_epoch(row, 2)
    events = shown(accelerator, tmp_path)
    assert set(events.Tags()["scalars"]) == {"train_loss"} | {f"epoch/{name}" for name in list(row)[2:]}
    (memory,) = events.Scalars("epoch/peak_memory_mb")
    assert (memory.step, memory.value) == (2, 900)


def test_settings_are_hyperparameters_and_paths_and_lists_are_not(accelerator: Accelerator, tmp_path: Path) -> None:
    settings = {"training": {"seed": 3, "tf32": False, "output_dir": Path("runs")}, "lora": {"rank": 4}, "data": [1]}
    Board(accelerator).show_settings(settings, "val_loss")
    events = shown(accelerator, tmp_path)
    content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    noted = HParamsPluginData.FromString(content).session_start_info.hparams
    assert set(noted) == {"training.seed", "training.tf32", "lora.rank"}
    assert noted["lora.rank"].number_value == 4
    experiment = events.SummaryMetadata("_hparams_/experiment").plugin_data.content
    assert [one.name.tag for one in HParamsPluginData.FromString(experiment).experiment.metric_infos] == [
        "epoch/val_loss"
    ]


def test_a_sheet_is_shown_as_it_was_drawn(accelerator: Accelerator, tmp_path: Path) -> None:
    sheet = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)
    Image.fromarray(sheet).save(tmp_path / "epoch_0001.png")
    Board(accelerator).show_sheet(tmp_path / "epoch_0001.png", 7)
    (image,) = shown(accelerator, tmp_path).Images("samples")
    assert (image.step, image.width, image.height) == (7, 30, 20)


def test_without_a_tracker_nothing_is_shown(tmp_path: Path) -> None:
    AcceleratorState._reset_state(reset_partial_state=True)
    board = Board(Accelerator(cpu=True))
    board.show_epoch({"epoch": 1, "train_loss": 1.0}, 1)
    board.show_sheet(tmp_path / "missing.png", 1)
