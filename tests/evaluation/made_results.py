"""Results folders for the tests of comparisons, written without a model."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gdinousam.evaluation.scoring.results import Results
from gdinousam.evaluation.scoring.rows import ScoreRow, write_rows

NAN = math.nan


def made_row(dataset: str = "busi", image: int = 0, dice: float = 0.5, **other: Any) -> ScoreRow:
    """A row of one phrase; dice nan in a strict row: the target is absent, in a paper row: nothing was found."""
    scored = not math.isnan(dice)
    values: dict[str, Any] = {
        "protocol": "strict",
        "dataset": dataset,
        "image_name": f"{image:03d}.png",
        "group": None,
        "phrase": "benign breast lesion",
        "target_present": scored or other.get("protocol") == "paper",
        "found": scored,
        "score": 0.5 if scored else NAN,
        "num_detections": int(scored),
        "num_instances": 1,
        "box_iou": 0.5 if scored else NAN,
        "dice": dice,
        "iou": dice / (2 - dice) if scored else NAN,
        "overlap_pixels": 10,
        "predicted_pixels": 20,
        "true_pixels": 30,
        "image_width": 40,
        "image_height": 50,
        "surface_dice": dice,
        "hausdorff_95": NAN,
        "surface_distance": NAN,
        "seconds": NAN,
        "detected_boxes": (),
        "true_boxes": ((0.0, 0.0, 5.0, 6.0),),
    }
    return ScoreRow(**(values | other))


def made_results(rows: Sequence[ScoreRow], method: str = "A", **other: Any) -> Results:
    """Results as ``read_results`` would give them."""
    values: dict[str, Any] = {
        "folder": Path("results") / method,
        "data_sha256": "a" * 64,
        "num_images": len(rows),
        "needs": ("text",),
        "version": "0.1.0",
        "libraries": {},
        "device": "cpu",
        "config_sha256": "b" * 64,
        "seconds_total": None,
    }
    return Results(method=method, rows=list(rows), **(values | other))


def write_results(results: Results, folder: Path) -> Path:
    """The folder that ``read_results`` reads, as far as it reads it."""
    folder.mkdir(parents=True)
    write_rows(folder / "rows.csv", results.rows)
    method: Mapping[str, Any] = {
        "method": results.method,
        "needs": results.needs,
        "gdinousam": results.version,
        "libraries": results.libraries,
        "device": results.device,
        "config_sha256": results.config_sha256,
        "seconds_total": results.seconds_total,
        "num_rows": len(results.rows),
    }
    (folder / "method.json").write_text(json.dumps(method), encoding="utf-8")
    data = {"csv_sha256": results.data_sha256, "num_images": results.num_images}
    (folder / "data.json").write_text(json.dumps(data), encoding="utf-8")
    return folder
