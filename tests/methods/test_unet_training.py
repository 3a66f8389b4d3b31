"""Training U-Nets: they overfit, resume to the same numbers, and with --per-dataset know their own dataset only."""

from __future__ import annotations

import csv
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from accelerate.state import AcceleratorState
from safetensors.torch import load_file

from gdinousam.commands.common import BAD_INPUT, INTERRUPTED
from gdinousam.commands.common import run as run_command
from gdinousam.commands.train_baseline import train_baseline_command
from gdinousam.data.contract.reading import read_records
from gdinousam.data.images import read_image, read_mask
from gdinousam.errors import InputError
from gdinousam.experiments.config import BaselineTrainConfig, load_config
from gdinousam.experiments.train import train
from gdinousam.experiments.train_per_dataset import train_per_dataset
from gdinousam.methods.unet.weights import load_unet
from gdinousam.training.loop import Outcome

ROOT = Path(__file__).parents[2]
SCRIPT, CONFIG = "baselines/trainUNet.py", "configs/baselines/train_unet.yaml"
TIMES = {"seconds", "images_per_second", "peak_memory_mb"}
BOX_CELLS = ["bbox_x", "bbox_y", "bbox_width", "bbox_height", "mask_name"]


@pytest.fixture(autouse=True)
def fresh_accelerator() -> Iterator[None]:
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory, phantom_data: Path) -> Path:
    """CSVs of the phantoms as two datasets in turn: "breast" of lesions, "phantom" of masses; the first image of
    each also lacks cysts."""
    folder = tmp_path_factory.mktemp("tables")
    for split in ("train", "val"):
        table = pd.read_csv(phantom_data / f"{split}.CSV", dtype=str, keep_default_na=False)
        names = list(table["image_name"].unique())
        is_breast = table["image_name"].map(lambda name, names=names: names.index(name) % 2 == 0)
        table["dataset"] = is_breast.map({True: "breast", False: "phantom"})
        table["label_name"] = is_breast.map({True: "lesion", False: "mass"})
        firsts = table.drop_duplicates("dataset").assign(label_name="cyst")
        firsts[[column for column in BOX_CELLS if column in table]] = ""
        pd.concat([table, firsts]).to_csv(folder / f"{split}.CSV", index=False)
    return folder


@pytest.fixture
def config_path(tmp_path: Path, phantom_data: Path, tables: Path) -> Path:
    return write_config(tmp_path / "train.yaml", phantom_data, tables)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, phantom_data: Path, tables: Path) -> Path:
    """The folder of a run that nothing stopped; no test changes it."""
    return run(write_config(tmp_path_factory.mktemp("whole") / "train.yaml", phantom_data, tables))


def write_config(path: Path, phantom_data: Path, tables: Path) -> Path:
    path.write_text(
        f"""
data:
  train_dir: {phantom_data}/train
  train_ann: {tables}/train.CSV
  train_masks: {phantom_data}/train_mask
  val_dir: {phantom_data}/val
  val_ann: {tables}/val.CSV
  val_masks: {phantom_data}/val_mask
  batch_size: 2
  num_workers: 0
baseline: {{name: unet, size: 32, channels: [4, 8, 8]}}
training:
  output_dir: run
  num_epochs: 3
  learning_rate: 1.0e-2
  schedule: one_cycle
  sample_pictures_every: 3
  num_sample_pictures: 2
  log_every: 1
  device: cpu
""",
        encoding="utf-8",
    )
    return path


def run(config_path: Path, *overrides: str, resume: bool = False) -> Path:
    config = load_config(BaselineTrainConfig, config_path, overrides)
    train(config, resume=resume)
    AcceleratorState._reset_state(reset_partial_state=True)
    return config.training.output_dir


def run_per_dataset(config_path: Path, *overrides: str, resume: bool = False) -> dict[str, Outcome]:
    outcomes = train_per_dataset(load_config(BaselineTrainConfig, config_path, overrides), resume=resume)
    AcceleratorState._reset_state(reset_partial_state=True)
    return outcomes


def command(*arguments: object) -> int:
    """Run the command as the script does; returns the exit code."""
    given = [str(argument) for argument in arguments]
    code = run_command(train_baseline_command, given, f"python {SCRIPT}", CONFIG)
    AcceleratorState._reset_state(reset_partial_state=True)
    return code


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def numbers(folder: Path) -> list[dict[str, str]]:
    """The rows of metrics.csv without what depends on the speed of the machine."""
    return [{key: value for key, value in row.items() if key not in TIMES} for row in rows(folder)]


@contextmanager
def ctrl_c_at(is_moment: Callable[[str], bool]) -> Iterator[None]:
    """Inside, this process is interrupted once, as by a terminal, when the loop says something of that kind."""

    class CtrlC(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if is_moment(record.getMessage()):
                logger.removeHandler(self)
                signal.raise_signal(signal.SIGINT)

    logger, handler = logging.getLogger("gdinousam.training.loop"), CtrlC()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def test_a_run_writes_what_every_run_writes_and_weights_that_segment(whole: Path, phantom_images: list) -> None:
    written = {path.name for path in whole.iterdir()}
    assert written >= {"config.yaml", "data.json", "metrics.csv", "best", "last", "state", "pictures", "tensorboard"}
    assert {path.name for path in (whole / "pictures").iterdir()} == {"epoch_0001.png", "epoch_0003.png"}
    notes = json.loads((whole / "best" / "training.json").read_text())
    data = json.loads((whole / "data.json").read_text())
    assert (notes["trained"], notes["started_from"], notes["num_train_images"]) == ("unet", None, 8)
    assert notes["train_csv_sha256"] == data["csv_sha256"]
    assert data["datasets"].keys() == {"breast", "phantom"} == set(notes["datasets"])
    for name in ("best", "last"):
        segmenter = load_unet(whole / name)
        assert set(segmenter.phrases) == {"lesion", "mass", "cyst"}
        segmenter.segment(phantom_images, [segmenter.phrases] * len(phantom_images))


def test_a_small_unet_overfits_a_few_phantoms(config_path: Path, tables: Path, phantom_data: Path) -> None:
    folder = run(
        config_path,
        "augmentation=null",
        "data.batch_size=4",
        "baseline.size=64",
        "baseline.channels=[8, 16, 32]",
        "training.num_epochs=70",
        "training.sample_pictures_every=0",
    )
    losses = [float(row["train_loss"]) for row in rows(folder)]
    assert losses[-1] < 0.2 * losses[0]
    segmenter = load_unet(folder / "last")
    scores = []
    for record in read_records(tables / "train.CSV", phantom_data / "train", phantom_data / "train_mask"):
        phrase = record.instances[0].phrase
        truth = np.logical_or.reduce([read_mask(one.mask) for one in record.instances if one.mask is not None])
        (found,) = segmenter.segment([read_image(record.path)], [record.phrases])
        assert [one.phrase for one in found] == [phrase]  # a cyst is nowhere
        assert found[0].mask_hw is not None
        scores.append(2 * (found[0].mask_hw & truth).sum() / (found[0].mask_hw.sum() + truth.sum()))
    assert len(scores) == 8 and np.mean(scores) > 0.9


def test_the_validation_loss_is_a_mean_over_pairs_whatever_the_batches(config_path: Path, tmp_path: Path) -> None:
    same = ["training.num_epochs=1", "training.learning_rate=1.0e-12", "training.sample_pictures_every=0"]
    losses = []
    for size in (1, 3):
        folder = run(config_path, *same, f"data.batch_size={size}", f"training.output_dir={tmp_path / str(size)}")
        losses.append(float(rows(folder)[0]["val_loss"]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_ctrl_c_saves_and_resume_gives_the_same_numbers_as_never_stopping(
    config_path: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "interrupted"
    with ctrl_c_at(lambda message: message.startswith("step 6:")):
        assert command("--config", config_path, "--set", f"training.output_dir={folder}") == INTERRUPTED
    said = capsys.readouterr().out
    assert said == f"interrupted in epoch 2; go on with: python {SCRIPT} --resume {folder}\n"
    assert len(rows(folder)) == 1
    assert command("--resume", folder) == 0
    said = capsys.readouterr().out
    assert f"finished after 3 epochs; weights in {folder}/best, of epoch " in said
    assert f"next: python baselines/testUNet.py --set baseline.weights={folder}/best" in said
    assert numbers(folder) == numbers(whole)
    for name in ("best", "last"):
        expected, resumed = (load_file(one / name / "unet.safetensors") for one in (whole, folder))
        assert all(resumed[key].equal(tensor) for key, tensor in expected.items())


def test_bfloat16_trains_to_the_losses_of_float32(config_path: Path) -> None:
    folder = run(config_path, "training.mixed_precision=bf16", "training.num_epochs=1")
    in_bfloat16 = float(rows(folder)[0]["val_loss"])
    folder = run(config_path, "training.num_epochs=1", f"training.output_dir={folder}_float32")
    assert in_bfloat16 == pytest.approx(float(rows(folder)[0]["val_loss"]), rel=0.05)


def test_phantoms_alone_give_their_phrases(config_path: Path) -> None:
    none = [f"data.{split}_{kind}=null" for split in ("train", "val") for kind in ("dir", "ann", "masks")]
    phantoms = "data.phantoms={families: [breast], num_train: 4}"
    folder = run(config_path, *none, phantoms, "training.num_epochs=1")
    assert "benign lesion" in load_unet(folder / "last").phrases


def test_per_dataset_makes_one_folder_per_dataset_each_of_its_own_images(config_path: Path, tables: Path) -> None:
    outcomes = run_per_dataset(config_path, "training.num_epochs=1")
    folder = config_path.parent / "run"
    assert [(name, one.end) for name, one in outcomes.items()] == [("breast", "finished"), ("phantom", "finished")]
    assert {path.name for path in folder.iterdir()} == {"config.yaml", "breast", "phantom"}
    for name, phrases in (("breast", ("lesion", "cyst")), ("phantom", ("mass", "cyst"))):
        data = json.loads((folder / name / "data.json").read_text())
        assert (data["num_images"], data["datasets"].keys()) == (4, {name})
        assert load_config(BaselineTrainConfig, folder / name / "config.yaml").data.datasets == (name,)
        assert load_unet(folder / name / "best").phrases == phrases


def test_a_run_per_dataset_is_the_run_on_that_dataset_alone(config_path: Path, tmp_path: Path) -> None:
    run_per_dataset(config_path)
    alone = run(config_path, "data.datasets=[phantom]", f"training.output_dir={tmp_path / 'alone'}")
    assert numbers(tmp_path / "run" / "phantom") == numbers(alone)


def test_per_dataset_keeps_to_the_datasets_of_the_config(config_path: Path) -> None:
    assert list(run_per_dataset(config_path, "data.datasets=[phantom]", "training.num_epochs=1")) == ["phantom"]
    assert not (config_path.parent / "run" / "breast").exists()


def test_an_interrupted_run_per_dataset_goes_on_and_leaves_finished_datasets_as_they_are(
    config_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--config", config_path, "--per-dataset") == 0
    first, folder = tmp_path / "run", tmp_path / "interrupted"
    capsys.readouterr()
    num_epochs = []

    def second_dataset_begins(message: str) -> bool:
        num_epochs.append(message.startswith("epoch 3/"))
        return any(num_epochs) and message.startswith("step 1:")

    with ctrl_c_at(second_dataset_begins):
        arguments = ("--config", config_path, "--set", f"training.output_dir={folder}", "--per-dataset")
        assert command(*arguments) == INTERRUPTED
    said = capsys.readouterr().out
    assert f"finished after 3 epochs; weights in {folder}/breast/" in said
    assert f"interrupted in epoch 1; go on with: python {SCRIPT} --resume {folder} --per-dataset\n" in said
    weights = folder / "breast" / "last" / "unet.safetensors"
    before = weights.stat().st_mtime_ns
    assert command("--resume", folder, "--per-dataset") == 0
    assert weights.stat().st_mtime_ns == before
    for name in ("breast", "phantom"):
        assert numbers(folder / name) == numbers(first / name)


def test_one_run_is_not_resumed_as_many(whole: Path) -> None:
    with pytest.raises(InputError, match="resume it without --per-dataset"):
        run_per_dataset(whole / "config.yaml", resume=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config", "none.yaml"], "config none.yaml does not exist"),
        (["--set", "data.datasets=[Brust]"], "no image of dataset 'Brust' (data.datasets); it has: breast, phantom"),
        (["--set", "data.datasets=[Brust]", "--per-dataset"], "no image of dataset 'Brust'"),
        (
            ["--set", "data.val_ann={tables}/tumor.CSV"],
            "phrases that no training image has: tumor; a U-Net has no channel",
        ),
        (["--set", "data.val_ann={tables}/lone.CSV", "--per-dataset"], "lone.CSV: no image of dataset 'phantom'"),
        (["--set", "data.train_ann={tables}/slash.CSV", "--per-dataset"], "'a/b' cannot name a folder; rename it"),
        (["--set", "baseline.size=33"], "3 levels make size a multiple of 4"),
        (["--resume", "none"], "config none/config.yaml does not exist"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing_behind(
    config_path: Path, tables: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    lines = (tables / "val.CSV").read_text().splitlines(keepends=True)
    (tables / "lone.CSV").write_text("".join(line for line in lines if ",phantom" not in line))
    (tables / "slash.CSV").write_text((tables / "train.CSV").read_text().replace(",phantom", ",a/b"))
    (tables / "tumor.CSV").write_text("".join(lines).replace("mass", "tumor"))
    given = [argument.format(tables=tables) for argument in arguments]
    assert command("--config", config_path, *given) == BAD_INPUT
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("error: ") and said.err.count("\n") == 1
    assert message in said.err
    assert not (config_path.parent / "run").exists()


def test_phantoms_have_no_datasets_to_train_apart(config_path: Path) -> None:
    none = [f"data.{split}_{kind}=null" for split in ("train", "val") for kind in ("dir", "ann", "masks")]
    with pytest.raises(InputError, match="phantoms have no datasets"):
        run_per_dataset(config_path, *none, "data.phantoms={families: [breast], num_train: 4}")


def test_an_earlier_run_is_replaced_only_when_told(config_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--config", config_path, "--set", "training.num_epochs=1", "--per-dataset")
    assert command(*arguments) == 0
    assert command(*arguments) == BAD_INPUT
    assert "holds an earlier run" in capsys.readouterr().err
    assert command(*arguments, "--overwrite") == 0


def test_the_printed_config_loads_and_nothing_runs(
    config_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--config", config_path, "--print-config", "--per-dataset") == 0
    again = tmp_path / "again.yaml"
    again.write_text(capsys.readouterr().out, encoding="utf-8")
    assert load_config(BaselineTrainConfig, again) == load_config(BaselineTrainConfig, config_path)
    assert not (tmp_path / "run").exists()


def test_the_script_answers_help_at_once() -> None:
    program = (
        f"import runpy, sys; sys.argv = [{SCRIPT!r}, '--help']\n"
        f"try: runpy.run_path({SCRIPT!r}, run_name='__main__')\n"
        "except SystemExit as end: sys.exit(end.code or bool({'torch', 'monai'} & sys.modules.keys()))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert CONFIG in done.stdout and "--per-dataset" in done.stdout
