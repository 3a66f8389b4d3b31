"""The training loop: overfits, resumes to the same numbers, stops early, survives Ctrl-C, runs in two processes."""

from __future__ import annotations

import csv
import json
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from huggingface_hub import ModelCard
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gdinousam.commands.common import INTERRUPTED
from gdinousam.commands.common import run as run_command
from gdinousam.commands.train import train_command
from gdinousam.errors import InputError
from gdinousam.experiments.config import TrainConfig, load_config
from gdinousam.experiments.train import require_launched_as, train
from gdinousam.experiments.training_origin import noted_data
from gdinousam.models.detector.operating_point import PredictionSettings
from gdinousam.models.segmenter import load_segmenter
from gdinousam.preprocessing import ResizeSettings

ROOT = Path(__file__).parents[2]
TIMES = {"seconds", "images_per_second", "peak_memory_mb"}


@pytest.fixture(autouse=True)
def fresh_accelerator() -> Iterator[None]:
    """Accelerate keeps one state per process; a run that asks for another precision needs a new one."""
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture
def config_path(tmp_path: Path, phantom_data: Path) -> Path:
    """A run of three short epochs on phantoms, with random augmentation and accumulated gradients."""
    return write_config(tmp_path / "train.yaml", phantom_data)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, phantom_data: Path) -> Path:
    """The folder of that run when nothing stopped it; no test changes it."""
    return run(write_config(tmp_path_factory.mktemp("whole") / "train.yaml", phantom_data))


def write_config(path: Path, phantom_data: Path) -> Path:
    path.write_text(
        f"""
data:
  train_dir: {phantom_data}/train
  train_ann: {phantom_data}/train.CSV
  val_dir: {phantom_data}/val
  val_ann: {phantom_data}/val.CSV
  batch_size: 2
  num_workers: 0
resize: {{size: 64}}
model: {{detector: random-small}}
losses: {{earlier_layers: true, encoder_matches: 1}}
training:
  tune: full
  output_dir: run
  num_epochs: 3
  learning_rate: 1.0e-3
  schedule: cosine
  warmup_steps: 2
  accumulation_steps: 2
  sample_pictures_every: 2
  num_sample_pictures: 2
  log_every: 1
  device: cpu
""",
        encoding="utf-8",
    )
    return path


def run(config_path: Path, *overrides: str, resume: bool = False, other_data: bool = False) -> Path:
    config = load_config(TrainConfig, config_path, overrides)
    train(config, resume=resume, other_data=other_data)
    AcceleratorState._reset_state(reset_partial_state=True)
    return config.training.output_dir


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def numbers(folder: Path) -> list[dict[str, str]]:
    """The rows of metrics.csv without what depends on the speed of the machine."""
    return [{key: value for key, value in row.items() if key not in TIMES} for row in rows(folder)]


def test_a_run_writes_config_data_metrics_weights_state_and_pictures(whole: Path) -> None:
    written = {path.name for path in whole.iterdir()}
    assert written >= {"config.yaml", "data.json", "metrics.csv", "best", "last", "state", "pictures", "tensorboard"}
    assert {path.name for path in (whole / "pictures").iterdir()} == {"epoch_0001.png", "epoch_0002.png"}
    assert [row["epoch"] for row in rows(whole)] == ["1", "2", "3"]
    note = json.loads((whole / "best" / "training.json").read_text())
    assert note["trained"] == "detector"
    assert note["loss_terms"] == ["l1", "giou", "focal", "other_layers_boxes", "other_layers_tokens"]
    assert not list(whole.glob("*.new")) and not list(whole.glob("*.old"))


def test_best_is_a_repository_with_a_card_and_the_board_shows_the_run(whole: Path) -> None:
    card: Any = ModelCard.load(whole / "best" / "README.md").data
    assert card.license == "apache-2.0" and card.eval_results
    events = EventAccumulator(str(whole / "tensorboard")).Reload()
    assert {"epoch/train_loss", "epoch/val_loss", "epoch/peak_memory_mb"} <= set(events.Tags()["scalars"])
    assert [round(one.value, 4) for one in events.Scalars("epoch/val_loss")] == [
        round(float(row["val_loss"]), 4) for row in rows(whole)
    ]
    assert len(events.Images("samples")) == 2
    assert "_hparams_/session_start_info" in events.summary_metadata


@pytest.mark.parametrize(("asked", "refused"), [("bf16", True), ("fp8", True), ("no", False), ("", False)])
def test_the_precision_of_accelerate_launch_is_not_ignored(
    asked: str, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", asked)
    if not refused:
        return require_launched_as("fp16")
    with pytest.raises(InputError, match=f"accelerate launch asks for mixed precision {asked}"):
        require_launched_as("no")
    return require_launched_as(asked)


def test_ctrl_c_saves_and_resume_gives_the_same_numbers_as_never_stopping(
    config_path: Path, whole: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "interrupted"
    command = [sys.executable, "train.py", "--config", str(config_path), "--set", f"training.output_dir={folder}"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "step 1:" in line:
            process.send_signal(signal.SIGINT)
            break
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert_resumes_to_the_same_numbers(folder, output, whole)


def test_ctrl_c_after_an_epoch_resumes_to_the_same_numbers_too(
    config_path: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class CtrlC(logging.Handler):
        """Interrupts this process, as a terminal does, when the first epoch is told of."""

        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage().startswith("epoch 1/"):
                signal.raise_signal(signal.SIGINT)

    folder, logger, ctrl_c = tmp_path / "interrupted", logging.getLogger("gdinousam.training.loop"), CtrlC()
    logger.addHandler(ctrl_c)
    try:
        arguments = ["--config", str(config_path), "--set", f"training.output_dir={folder}"]
        assert run_command(train_command, arguments, "python train.py") == INTERRUPTED
    finally:
        logger.removeHandler(ctrl_c)
    AcceleratorState._reset_state(reset_partial_state=True)
    assert len(rows(folder)) == 1
    assert_resumes_to_the_same_numbers(folder, capsys.readouterr().out, whole)


def assert_resumes_to_the_same_numbers(folder: Path, output: str, whole: Path) -> None:
    """output: what the interrupted command printed. whole: the run that nothing stopped."""
    assert f"go on with: python train.py --resume {folder}" in output
    finished = rows(folder) if (folder / "metrics.csv").exists() else []
    assert len(finished) < 3
    run(folder / "config.yaml", resume=True)
    assert numbers(folder) == numbers(whole)


def test_phrases_of_mixed_lengths_resume_to_the_same_numbers_too(
    config_path: Path, phantom_data: Path, tmp_path: Path
) -> None:
    # the frozen text encoder remembers captions, and a resumed run begins with none
    text = (phantom_data / "train.CSV").read_text(encoding="utf-8")
    phrases = sorted({line.split(",")[0] for line in text.splitlines()[1:]})
    named = ("fetal head", "serous cystadenoma of the ovary", "chocolate cyst of the ovary", "cyst")
    for phrase, name in zip(phrases, named, strict=True):
        text = text.replace(f"\n{phrase},", f"\n{name},")
    (tmp_path / "mixed.csv").write_text(text, encoding="utf-8")
    options = ["training.tune=lora", "model.detector=small", "lora.rank=2", f"data.train_ann={tmp_path / 'mixed.csv'}"]
    options += [
        "data.absent_phrases={beside: 2, alone: 0.3}",
        "data.rewording=0.5",
        "training.schedule=constant",
        "training.sample_pictures_every=0",
    ]
    whole = run(config_path, *options, "training.num_epochs=2", f"training.output_dir={tmp_path / 'whole'}")
    halves = [*options, f"training.output_dir={tmp_path / 'halves'}"]
    run(config_path, *halves, "training.num_epochs=1")
    run(config_path, *halves, "training.num_epochs=2", resume=True)
    assert numbers(tmp_path / "halves") == numbers(whole)
    stored = [load_file(folder / "last" / "adapter_model.safetensors") for folder in (whole, tmp_path / "halves")]
    assert stored[0].keys() == stored[1].keys()
    assert all(torch.equal(tensor, stored[1][name]) for name, tensor in stored[0].items())


def test_the_end_says_which_epoch_is_best_what_to_doubt_and_what_comes_next(
    config_path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["training.tune=lora", "model.detector=small", "lora.rank=2", "training.learning_rate=1.0e-30"]
    options += ["training.num_epochs=2", "training.warmup_steps=50", "training.sample_pictures_every=0"]
    arguments = ["--config", str(config_path), *(word for one in options for word in ("--set", one))]
    assert run_command(train_command, arguments, "python train.py") == 0
    folder = config_path.parent / "run"
    said = capsys.readouterr().out.splitlines()
    loss = float(rows(folder)[0]["val_loss"])
    assert said == [
        f"finished after 2 epochs; weights in {folder / 'best'}, of epoch 1, the best by val_loss ({loss:.4f})",
        f"next: python test.py --set model.detector=small --set model.adapter={folder / 'best'} "
        "--set model.mask_head=small",
    ]
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    for part in ("the run has 4 optimizer steps and training.warmup_steps is 50", "changes nothing", "is the first"):
        assert sum(part in one for one in warned) == 1, part


def test_workers_stay_from_epoch_to_epoch_and_give_the_numbers_of_none(
    config_path: Path, whole: Path, tmp_path: Path
) -> None:
    class Workers(logging.Handler):
        """Notes which processes read images when an epoch is told of."""

        def __init__(self) -> None:
            super().__init__()
            self.of_epochs: list[set[int | None]] = []

        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage().startswith("epoch "):
                self.of_epochs.append({child.pid for child in multiprocessing.active_children()})

    workers, logger = Workers(), logging.getLogger("gdinousam.training.loop")
    logger.addHandler(workers)
    try:
        folder = run(config_path, "data.num_workers=1", f"training.output_dir={tmp_path / 'workers'}")
    finally:
        logger.removeHandler(workers)
    assert numbers(folder) == numbers(whole)  # of other images and boxes in every epoch, as they are augmented
    first, *later = workers.of_epochs
    assert len(first) == 2 and len(later) == 2  # one for the training and one for the validation images
    assert all(pids == first for pids in later)
    assert not multiprocessing.active_children()


def test_early_stopping_ends_the_run_and_keeps_the_best_weights(config_path: Path) -> None:
    folder = run(config_path, "training.learning_rate=1.0e-12", "training.num_epochs=9", "training.patience=1")
    losses = [float(row["val_loss"]) for row in rows(folder)]
    best = json.loads((folder / "best" / "training.json").read_text())["metrics"]
    assert len(losses) < 9 and losses[-1] >= min(losses)
    assert best["val_loss"] == pytest.approx(min(losses))


def test_a_patience_of_nothing_ends_the_run_after_its_first_epoch(config_path: Path) -> None:
    # what the public code does with "patient: 1": it counts the best epoch as well
    folder = run(config_path, "training.num_epochs=9", "training.patience=0", "training.stop_on=train_loss")
    assert len(rows(folder)) == 1 and (folder / "best").is_dir()


def test_without_validation_images_the_last_weights_are_kept(config_path: Path) -> None:
    folder = run(config_path, "data.val_dir=null", "data.val_ann=null", "training.num_epochs=1")
    assert (folder / "last").is_dir() and not (folder / "best").exists()


def test_an_earlier_run_is_never_overwritten(config_path: Path, whole: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*")}
    with pytest.raises(InputError, match="holds an earlier run"):
        run(config_path, f"training.output_dir={whole}")
    assert {path: path.stat().st_mtime_ns for path in whole.rglob("*")} == before


def test_a_run_is_resumed_with_its_own_data_unless_told(config_path: Path, tmp_path: Path, phantom_data: Path) -> None:
    table = tmp_path / "train.CSV"
    lines = (phantom_data / "train.CSV").read_text().splitlines(keepends=True)
    table.write_text("".join(lines))
    folder = run(config_path, "training.num_epochs=1", f"data.train_ann={table}")
    before = json.loads((folder / "data.json").read_text())
    table.write_text("".join(lines[:-1]))
    longer = "training.num_epochs=2"
    with pytest.raises(InputError, match=r"began with other data \(csv_sha256, .*--other-data"):
        run(folder / "config.yaml", longer, resume=True)
    assert json.loads((folder / "data.json").read_text()) == before
    run(folder / "config.yaml", longer, resume=True, other_data=True)
    after = json.loads((folder / "data.json").read_text())
    assert after["earlier"] == [before] and after["csv_sha256"] != before["csv_sha256"]
    assert [row["epoch"] for row in rows(folder)] == ["1", "2"]
    run(folder / "config.yaml", "training.num_epochs=3", resume=True)  # the same again, so nothing is added
    assert json.loads((folder / "data.json").read_text()) == after


def test_a_run_of_an_older_version_is_resumed_without_the_note_of_its_validation_data(tmp_path: Path) -> None:
    described = {"csv_sha256": "1", "val_csv_sha256": "2"}
    assert noted_data(tmp_path, described, resume=True, other_data=False) == described  # no data.json at all
    (tmp_path / "data.json").write_text('{"csv_sha256": "1"}')
    assert noted_data(tmp_path, described, resume=True, other_data=False) == described
    (tmp_path / "data.json").write_text("{")
    with pytest.raises(InputError, match=r"data\.json: not readable"):
        noted_data(tmp_path, described, resume=True, other_data=False)


def test_a_run_is_resumed_with_its_own_model_only(config_path: Path, small_mask_head: Path, phantom_data: Path) -> None:
    folder = run(config_path, "training.num_epochs=1")
    other = ["training.part=mask_head", f"model.mask_head={small_mask_head}"]
    other += [f"data.train_masks={phantom_data}/train_mask", f"data.val_masks={phantom_data}/val_mask"]
    with pytest.raises(InputError, match="state of another model"):
        run(folder / "config.yaml", *other, resume=True)


def test_lora_training_writes_an_adapter_that_the_pipeline_loads(
    config_path: Path, small_detector: Path, small_mask_head: Path
) -> None:
    folder = run(
        config_path, "training.tune=lora", f"model.detector={small_detector}", "lora.rank=4", "training.num_epochs=1"
    )
    assert (folder / "best" / "adapter_model.safetensors").is_file()
    image, phrases = np.full((96, 96, 3), 90, np.uint8), [["cyst"]]
    image[30:60, 30:60] = 20
    anything = PredictionSettings(box_threshold=0.0)
    tuned, untuned = (
        load_segmenter(str(name), str(small_mask_head), None, ResizeSettings(size=64), anything, "cpu").segment(
            [image], phrases
        )[0][0]
        for name in (folder / "best", small_detector)
    )
    # an adapter that is ignored would change nothing
    assert tuned.score != untuned.score and tuned.box_xyxy != untuned.box_xyxy


def test_bfloat16_trains_to_the_losses_of_float32(config_path: Path) -> None:
    folder = run(config_path, "training.mixed_precision=bf16", "training.num_epochs=1")
    in_bfloat16 = float(rows(folder)[0]["val_loss"])
    folder = run(config_path, "training.num_epochs=1", f"training.output_dir={folder}_float32")
    assert in_bfloat16 == pytest.approx(float(rows(folder)[0]["val_loss"]), rel=0.05)


def test_a_loss_that_is_not_finite_stops_the_run_with_a_remedy(config_path: Path) -> None:
    with pytest.raises(InputError, match=r"lower training\.learning_rate"):
        run(config_path, "training.learning_rate=1.0e+30", "training.max_gradient_norm=0", "training.warmup_steps=0")


@pytest.mark.slow
def test_two_processes_train_together_and_only_the_first_writes(config_path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "two"
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--master_port=29613", "train.py"]
    command += ["--config", str(config_path), "--set", f"training.output_dir={folder}"]
    command += ["--set", "training.num_epochs=2", "--set", "training.accumulation_steps=1"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    assert [row["epoch"] for row in rows(folder)] == ["1", "2"]
    # 8 images, 2 processes, batch 2: two steps per epoch
    assert [row["step"] for row in rows(folder)] == ["2", "4"]
    assert done.stdout.count("finished after 2 epochs") == 1
    with pytest.raises(InputError, match="trained by 2 processes, and 1 would"):
        run(folder / "config.yaml", f"training.output_dir={folder}", "training.num_epochs=3", resume=True)
    assert [row["epoch"] for row in rows(folder)] == ["1", "2"]


@pytest.mark.slow
def test_a_small_model_overfits_a_few_phantoms(config_path: Path, phantom_data: Path) -> None:
    folder = run(
        config_path,
        f"data.val_dir={phantom_data}/train",
        f"data.val_ann={phantom_data}/train.CSV",
        "data.batch_size=4",
        "resize.size=96",
        "augmentation=null",
        "losses.encoder_matches=6",
        "training.accumulation_steps=1",
        "training.num_epochs=60",
        "training.warmup_steps=10",
        "training.sample_pictures_every=0",
    )
    last = rows(folder)[-1]
    # 1 - GIoU of about 1 says that boxes lie anywhere, 0 that they are exact
    assert float(last["val_giou"]) < 0.45 and float(last["val_focal"]) < 0.1
