"""A test set and settings that both studies of these tests use."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

Tree = dict[str, Any]


@pytest.fixture(scope="session")
def study_data(phantom_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """Data settings of the test phantoms; one image is also asked for a phrase that it does not show."""
    with (phantom_data / "test.CSV").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    other = next(row["label_name"] for row in rows if row["label_name"] != rows[0]["label_name"])
    no_box = {key: "" for key in ("bbox_x", "bbox_y", "bbox_width", "bbox_height", "mask_name")}
    path = tmp_path_factory.mktemp("study") / "test.CSV"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows([rows[0] | no_box | {"label_name": other}, *rows])
    return {
        "test_dir": str(phantom_data / "test_image"),
        "test_ann": str(path),
        "test_masks": str(phantom_data / "test_mask"),
        "num_workers": 1,
    }


@pytest.fixture
def validation_tree(tmp_path: Path, phantom_data: Path, small_detector: Path, small_mask_head: Path) -> Tree:
    """A test config with validation images, of weights that are shared by all tests."""
    return {
        "data": {
            "test_dir": str(phantom_data / "test_image"),
            "test_ann": str(phantom_data / "test.CSV"),
            "test_masks": str(phantom_data / "test_mask"),
            "num_workers": 1,
        },
        "validation": {
            "val_dir": str(phantom_data / "val"),
            "val_ann": str(phantom_data / "val.CSV"),
            "val_masks": str(phantom_data / "val_mask"),
        },
        "resize": {"size": 64},
        "model": {"detector": str(small_detector), "mask_head": str(small_mask_head)},
        "evaluation": {"output_dir": str(tmp_path / "out"), "num_pictures": 0, "device": "cpu"},
    }
