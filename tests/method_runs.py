"""What tests that score a compared method from a config have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from gdinousam.commands.common import run
from gdinousam.commands.test import evaluate_command
from gdinousam.evaluation.scoring.results import Results, read_results


def tree_of(phantom_data: Path, folder: Path, **baseline: Any) -> dict[str, Any]:
    return {
        "data": {
            "test_dir": str(phantom_data / "test_image"),
            "test_ann": str(phantom_data / "test.CSV"),
            "test_masks": str(phantom_data / "test_mask"),
            "batch_size": 2,
            "num_workers": 0,
        },
        "baseline": baseline,
        "evaluation": {"output_dir": str(folder), "method": "A", "num_pictures": 1, "device": "cpu"},
    }


def support_of(phantom_data: Path) -> dict[str, Any]:
    """The training phantoms as UniverSeg's support set."""
    return {
        "ann": str(phantom_data / "train.CSV"),
        "images": str(phantom_data / "train"),
        "masks": str(phantom_data / "train_mask"),
        "size": 2,
        "by": "dataset",  # the phantoms are too few to show every phrase
    }


def write(tree: dict[str, Any], path: Path) -> Path:
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path


def evaluated(tree: dict[str, Any], tmp_path: Path, *arguments: str) -> Results:
    assert run(evaluate_command, ["--config", str(write(tree, tmp_path / "test.yaml")), *arguments]) == 0
    return read_results(Path(tree["evaluation"]["output_dir"]))
