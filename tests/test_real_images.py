"""The main job on real ultrasound images: the small model, tuned in full, overfits eight new ones, by phrase alone."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from accelerate.state import AcceleratorState

from gdinousam.commands.common import run
from gdinousam.commands.test import evaluate_command
from gdinousam.commands.train import train_command
from gdinousam.evaluation.reporting.tables import summarize
from gdinousam.evaluation.scoring.rows import read_rows

ROOT = Path(__file__).parents[1]
REAL_DATA = ROOT.parent / "shared" / "data" / "multimodal-data"
NUM_IMAGES = 8

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.slow,
    pytest.mark.skipif(not REAL_DATA.is_dir(), reason="the folder of real images is not here"),
]


@pytest.fixture
def eight_rows(tmp_path: Path) -> Path:
    """A CSV of eight images that it was not trained on, spread over breast, liver, fetal head and ovary."""
    with (REAL_DATA / "val.CSV").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = list(dict.fromkeys(row["image_name"] for row in rows))
    chosen = set(names[:: len(names) // NUM_IMAGES][:NUM_IMAGES])
    path = tmp_path / "eight.CSV"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(row for row in rows if row["image_name"] in chosen)
    return path


def command(name: str, **settings: object) -> list[str]:
    """Arguments of a command with a config of configs/small, settings replaced; the keys have __ for a dot."""
    arguments = ["--config", str(ROOT / "configs" / "small" / f"{name}.yaml")]
    for key, value in settings.items():
        arguments += ["--set", f"{key.replace('__', '.')}={value}"]
    return arguments


def test_the_small_model_overfits_eight_real_images_to_a_strict_dice_of_80_percent(
    eight_rows: Path, tmp_path: Path
) -> None:
    images, masks = REAL_DATA / "val", REAL_DATA / "val_mask"
    shared = {
        "data__train_dir": images,
        "data__train_ann": eight_rows,
        "data__val_dir": "null",
        "data__val_ann": "null",
        "data__batch_size": 4,
        "data__num_workers": 0,
        "data__absent_phrases": "null",  # which a mask head refuses
        "augmentation": "null",
        "training__tune": "full",
        "training__num_epochs": 40,
        "training__warmup_steps": 5,
        "training__patience": 200,
        "training__stop_on": "train_loss",
        "training__sample_pictures_every": 0,
    }
    parts = {
        "detector": {"training__learning_rate": 3e-4},
        "mask_head": {
            "training__learning_rate": 5e-4,
            "training__part": "mask_head",
            "model__mask_head": "small",
            "data__train_masks": masks,
        },
    }
    for part, settings in parts.items():
        assert run(train_command, command("train", **shared, **settings, training__output_dir=tmp_path / part)) == 0
        AcceleratorState._reset_state(reset_partial_state=True)
    evaluation = command(
        "test",
        data__test_dir=images,
        data__test_ann=eight_rows,
        data__test_masks=masks,
        model__detector=tmp_path / "detector" / "best",
        model__mask_head=tmp_path / "mask_head" / "best",
        evaluation__output_dir=tmp_path / "results",
    )
    assert run(evaluate_command, evaluation) == 0
    rows = [row for row in read_rows(tmp_path / "results" / "rows.csv") if row.protocol == "strict"]
    assert len({row.image_name for row in rows}) == NUM_IMAGES
    mean_dice = sum(row.dice for row in rows) / len(rows)
    print(f"strict Dice {100 * mean_dice:.2f} % over {len(rows)} queries", summarize(rows, "strict")[-1])
    assert mean_dice >= 0.8
