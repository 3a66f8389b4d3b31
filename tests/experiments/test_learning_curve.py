"""A learning curve on phantoms with small random models: the same images for both methods, and nothing run twice."""

from __future__ import annotations

import csv
import json
import logging
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from accelerate.state import AcceleratorState

from gdinousam.commands.common import BAD_INPUT, INTERRUPTED, run
from gdinousam.commands.learning_curve import learning_curve_command
from gdinousam.experiments.config import BaselineTrainConfig, TrainConfig, load_config
from gdinousam.experiments.studies.curve_config import LearningCurveConfig

ROOT = Path(__file__).parents[2]
RUNS = [(method, size) for method in ("lora", "unet") for size in (1, 4)]


@pytest.fixture(autouse=True)
def fresh_accelerator() -> Iterator[None]:
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(scope="module")
def config(phantom_data: Path, small_detector: Path, small_mask_head: Path, tmp_path_factory) -> Path:
    """The config of a curve that writes into ``output`` beside it; the data are four patients with two images each."""
    folder = tmp_path_factory.mktemp("curve")
    shutil.copytree(phantom_data, folder / "data")
    for name in ("train.CSV", "test.CSV"):
        group_images(folder / "data" / name)
    tuning = {
        "data": {"train_dir": "elsewhere", "train_ann": "elsewhere.CSV", "batch_size": 2, "num_workers": 0},
        "resize": {"size": 64},
        "model": {"detector": str(small_detector)},
        "lora": {"rank": 2},
        "training": {"output_dir": "elsewhere", "patience": 0, "log_every": 1, "device": "cpu"},
    }
    (folder / "tuning.yaml").write_text(yaml.safe_dump(tuning), encoding="utf-8")
    tree = {
        "images": "data",
        "tuned": "tuning.yaml",
        "unet": {"baseline": {"name": "unet", "size": 32, "channels": [4, 8]}},
        "mask_head": str(small_mask_head),
        "prediction": {"box_threshold": 0.0, "max_detections": 1},
        "curve": {"output_dir": "output", "sizes": [1, "all"], "seeds": [3], "num_steps": 4, "device": "cpu"},
    }
    (folder / "curve.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    return folder / "curve.yaml"


def group_images(path: Path) -> None:
    """Give every two images one patient and all objects one phrase."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    images = list(dict.fromkeys(row["image_name"] for row in rows))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*rows[0], "group", "remark"])
        writer.writeheader()
        for row in rows:
            patient = f"{path.stem} {images.index(row['image_name']) // 2}"
            writer.writerow(row | {"label_name": "lesion", "group": patient, "remark": "kept"})


@pytest.fixture(scope="module")
def output(config: Path) -> Path:
    """The folder of a finished curve; tests that change it work on a copy."""
    assert run(learning_curve_command, ["--config", str(config)]) == 0
    AcceleratorState._reset_state(reset_partial_state=True)
    return config.parent / "output"


@contextmanager
def ctrl_c_at(text: str) -> Iterator[None]:
    """Inside, this process is interrupted once, as by a terminal, when training logs a line that begins so."""

    class CtrlC(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage().startswith(text):
                logger.removeHandler(self)
                signal.raise_signal(signal.SIGINT)

    logger, handler = logging.getLogger("gdinousam.training.loop"), CtrlC()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def untimed(folder: Path) -> list[dict[str, str]]:
    """The runs of a curve without how long they took."""
    return [
        {key: cell for key, cell in line.items() if key != "minutes"}
        for line in lines(folder / "learning_curve_runs.csv")
    ]


def test_both_methods_get_the_same_images_and_the_smaller_part_lies_in_the_larger(config: Path, output: Path) -> None:
    parts = {size: lines(output / "images" / f"seed_3_{size}.CSV") for size in (1, 4)}
    assert parts[4] == lines(config.parent / "data" / "train.CSV")  # further columns are kept
    assert len({row["group"] for row in parts[1]}) == 1
    assert parts[1] == [row for row in parts[4] if row["group"] == parts[1][0]["group"]]
    for method, size in RUNS:
        noted = json.loads((output / method / f"seed_3_{size}" / "training" / "data.json").read_text())
        assert noted["num_images"] == len({row["image_name"] for row in parts[size]})


def test_a_run_is_what_train_py_makes_of_its_config_for_so_many_steps(config: Path, output: Path) -> None:
    curve = load_config(LearningCurveConfig, config)
    for method, size in RUNS:
        folder = output / method / f"seed_3_{size}" / "training"
        trained = load_config(TrainConfig if method == "lora" else BaselineTrainConfig, folder / "config.yaml")
        assert trained.training.seed == 3 and trained.data.val_dir is None
        assert trained.data.batch_size == curve.tuned.data.batch_size
        assert trained.augmentation == curve.tuned.augmentation
        assert lines(folder / "metrics.csv")[-1]["step"] == "4"
        assert not (folder / "best").exists() and not (folder / "pictures").exists()


def test_the_tables_hold_zero_shot_the_true_box_and_both_methods_at_every_size(output: Path) -> None:
    sizes = lines(output / "learning_curve_sizes.csv")
    found = [(line["method"], line["training groups"], line["fewest training images"]) for line in sizes]
    trained = [(method, size, images) for method in ("LoRA", "U-Net") for size, images in (("1", "2"), ("4", "8"))]
    assert found == [("zero-shot", "0", "0"), ("true box", "0", "0"), *trained]
    assert len({line["n"] for line in sizes}) == 1 and int(sizes[0]["n"]) > 2
    assert len(lines(output / "learning_curve_tests.csv")) == 6
    for suffix in ("md", "tex", "png", "pdf"):
        assert (output / f"learning_curve.{suffix}").stat().st_size > 500
    assert "4 optimizer steps of at most 2 images" in (output / "learning_curve.md").read_text(encoding="utf-8")


def test_ctrl_c_saves_and_resuming_gives_the_same_curve_with_a_further_size(
    config: Path, output: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--config", str(config), "--set", f"curve.output_dir={tmp_path / 'out'}"]
    with ctrl_c_at("epoch 2/"):  # its only batch is done then
        assert run(learning_curve_command, [*command, "--set", "curve.sizes=[1]"]) == INTERRUPTED
    assert "go on with the same command and --resume" in capsys.readouterr().out
    first = tmp_path / "out" / "lora" / "seed_3_1"
    assert len(lines(first / "training" / "metrics.csv")) == 2 and not (first / "results").exists()
    kept = (tmp_path / "out" / "zero_shot" / "rows.csv").stat().st_mtime_ns
    AcceleratorState._reset_state(reset_partial_state=True)
    assert run(learning_curve_command, [*command, "--resume"]) == 0
    assert (tmp_path / "out" / "zero_shot" / "rows.csv").stat().st_mtime_ns == kept
    assert len(lines(first / "training" / "metrics.csv")) == 4
    assert untimed(tmp_path / "out") == untimed(output)


def test_a_finished_curve_is_told_again_without_a_run(
    config: Path, output: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = {path: path.stat().st_mtime_ns for path in output.glob("*/*/*/metrics.csv")}
    (output / "learning_curve.md").unlink()
    with caplog.at_level(logging.INFO, logger="gdinousam"):
        assert run(learning_curve_command, ["--config", str(config), "--resume"]) == 0
    assert "6 of 6 evaluations are finished already" in caplog.text and "run 1 of" not in caplog.text
    assert {path: path.stat().st_mtime_ns for path in output.glob("*/*/*/metrics.csv")} == before
    assert (output / "learning_curve.md").is_file()


def test_a_curve_that_was_begun_before_a_setting_existed_is_gone_on_with(config: Path, output: Path) -> None:
    for path in output.glob("*/*/training/config.yaml"):
        text = path.read_text(encoding="utf-8")
        assert text.count("  balance: 0.0\n") == 1
        path.write_text(text.replace("  balance: 0.0\n", ""), encoding="utf-8")
    assert run(learning_curve_command, ["--config", str(config), "--resume"]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param([], "output holds an earlier run", id="in use"),
        pytest.param(["--resume", "--overwrite"], "give one of them", id="both"),
        pytest.param(["--resume", "--set", "curve.num_steps=6"], "training.num_epochs in config.yaml", id="steps"),
        pytest.param(["--resume", "--set", "unet.learning_rate=0.1"], "training.learning_rate", id="other rate"),
        pytest.param(["--resume", "--set", "prediction.nms_threshold=0.5"], "prediction.nms_threshold", id="changed"),
        pytest.param(["--resume", "--set", "curve.output_dir=none"], "no study to go on with", id="nothing there"),
        pytest.param(["--overwrite", "--set", "curve.sizes=[2, 9]"], "9 of 4 training groups", id="too many"),
        pytest.param(["--overwrite", "--set", "curve.sizes=[4, all]"], "of 4 training groups; lower it", id="twice"),
        pytest.param(["--overwrite", "--set", "curve.sizes=[all, 2]"], "must be at least 1 and rise", id="falling"),
        pytest.param(["--overwrite", "--set", "curve.seeds=[1, 1]"], "each once", id="seed twice"),
        pytest.param(["--overwrite", "--set", "tuned=none.yaml"], "none.yaml does not exist", id="no tuning"),
        pytest.param(["--overwrite", "--set", "mask_head=./none"], "none: no such folder", id="no weights"),
        pytest.param(["--overwrite", "--data", "none"], "no such CSV file", id="no data"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_the_curve(
    config: Path,
    output: Path,
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert run(learning_curve_command, ["--config", str(config), *arguments]) == BAD_INPUT
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1 and message in said
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*") if path.is_file()} == before
    assert not list(tmp_path.iterdir())


def test_changed_training_rows_are_refused(config: Path, output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = config.parent / "data" / "train.CSV"
    before = path.read_text(encoding="utf-8")
    path.write_text(before.replace("kept", "changed"), encoding="utf-8")
    try:
        assert run(learning_curve_command, ["--config", str(config), "--resume"]) == BAD_INPUT
    finally:
        path.write_text(before, encoding="utf-8")
    assert "the training file was changed since the curve was begun" in capsys.readouterr().err


def test_the_printed_config_loads_to_itself(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(learning_curve_command, ["--config", str(config), "--print-config"]) == 0
    printed = capsys.readouterr().out
    (tmp_path / "again.yaml").write_text(printed, encoding="utf-8")
    assert run(learning_curve_command, ["--config", str(tmp_path / "again.yaml"), "--print-config"]) == 0
    assert capsys.readouterr().out == printed


def test_data_stands_for_the_images_of_the_config(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(learning_curve_command, ["--config", str(config), "--data", "mine", "--print-config"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["images"] == str(tmp_path / "mine")


@pytest.mark.parametrize(("name", "count"), [("heart", "groups"), ("carotid", "images")])
def test_the_example_tunes_as_its_config_says(name: str, count: str) -> None:
    curve = load_config(LearningCurveConfig, ROOT / "configs" / "small" / f"{name}_curve.yaml")
    assert curve.tuned == load_config(TrainConfig, ROOT / "configs" / "small" / f"{name}.yaml")
    assert (curve.curve.count, curve.curve.sizes) == (count, (10, 50, "all"))
    assert (curve.prediction.box_threshold, curve.prediction.max_detections) == (0, 1)
