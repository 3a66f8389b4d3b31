"""The quick start at half its size: the detector does poorly on a family it has never seen, and well once tuned."""

from __future__ import annotations

from pathlib import Path

import pytest
from accelerate.state import AcceleratorState

from gdinousam.commands.common import run
from gdinousam.commands.compare import compare_command
from gdinousam.commands.make_phantoms import make_phantoms_command
from gdinousam.commands.test import evaluate_command
from gdinousam.commands.train import train_command
from gdinousam.evaluation.scoring.rows import read_rows
from gdinousam.models.adapters.loading import base_of

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "configs" / "quickstart"
LEAST_GAIN = 0.3


def command(name: str, output: str, folder: Path, **settings: object) -> list[str]:
    """Arguments of a command of the quick start on another folder of phantoms; the keys have __ for a dot."""
    arguments = ["--config", str(CONFIGS / f"{name}.yaml"), "--set", f"{output}.output_dir={folder / name}"]
    for key, value in settings.items():
        arguments += ["--set", f"{key.replace('__', '.')}={value}"]
    return arguments


def strict_dice(folder: Path) -> float:
    rows = [row for row in read_rows(folder / "rows.csv") if row.protocol == "strict" and row.target_present]
    return sum(row.dice for row in rows) / len(rows)


@pytest.mark.slow
def test_tuning_gains_at_least_30_points_of_dice_with_the_mask_head_frozen(tmp_path: Path) -> None:
    data = tmp_path / "phantoms"
    counts = ["--train", "100", "--val", "16", "--test", "40"]
    assert run(make_phantoms_command, [str(data), "--families", "muscle", "--varied", *counts]) == 0

    test_paths = {
        "data__test_dir": data / "test_image",
        "data__test_ann": data / "test.CSV",
        "data__test_masks": data / "test_mask",
    }
    train_paths = {f"data__{split}_dir": data / split for split in ("train", "val")}
    train_paths |= {f"data__{split}_ann": data / f"{split}.CSV" for split in ("train", "val")}
    train_paths |= {f"data__{split}_masks": data / f"{split}_mask" for split in ("train", "val")}
    assert run(evaluate_command, command("before", "evaluation", tmp_path, **test_paths)) == 0
    assert run(train_command, command("train", "training", tmp_path, **train_paths)) == 0
    AcceleratorState._reset_state(reset_partial_state=True)
    tuned = tmp_path / "train" / "best"
    assert base_of(tuned) == "small"
    assert run(evaluate_command, command("after", "evaluation", tmp_path, **test_paths, model__adapter=tuned)) == 0
    assert run(compare_command, [str(tmp_path / "before"), str(tmp_path / "after")]) == 0
    before, after = strict_dice(tmp_path / "before"), strict_dice(tmp_path / "after")
    print(f"strict Dice before {before:.3f}, after {after:.3f}")
    assert after - before > LEAST_GAIN
