"""Annotated tasks as Label Studio exports them, with their images inside, and a config that trains in seconds."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import yaml
from found_objects import HEIGHT, WIDTH

from gdinousam.data.sources.annotations.brush import encode_brush
from gdinousam.records import Mask


def image_url(seed: int, orientation: int = 1) -> str:
    """A picture of noise as a data URL."""
    pixels = np.random.default_rng(seed).integers(0, 255, (HEIGHT, WIDTH), dtype=np.uint8)
    exif = PIL.Image.Exif()
    if orientation != 1:
        exif[274] = orientation
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, "PNG", exif=exif)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def stroke(mask_hw: Mask, label: str) -> dict[str, Any]:
    """What an annotator drew."""
    size = {"original_width": mask_hw.shape[1], "original_height": mask_hw.shape[0], "image_rotation": 0}
    value = {"format": "rle", "rle": encode_brush(mask_hw), "brushlabels": [label]}
    return {**size, "id": label, "from_name": "stroke", "to_name": "image", "type": "brushlabels", "value": value}


def task(number: int, *annotations: list[dict[str, Any]] | None, **data: Any) -> dict[str, Any]:
    """A task. annotations: the results of each, ``None`` for one that was skipped."""
    listed = [
        {"id": place, "completed_by": 1, "result": results or [], "was_cancelled": results is None}
        for place, results in enumerate(annotations)
    ]
    return {"id": number, "data": {"image": image_url(number), **data}, "annotations": listed, "predictions": []}


def quick_config(folder: Path) -> Path:
    """A config that trains a small detector with random weights for one epoch."""
    path = folder / "train.yaml"
    tree = {
        "data": {"train_dir": "x", "train_ann": "x", "num_workers": 0, "batch_size": 4},
        "resize": {"size": 64},
        "model": {"detector": "random-small"},
        "training": {"tune": "full", "output_dir": "x", "num_epochs": 1, "sample_pictures_every": 0},
    }
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path
