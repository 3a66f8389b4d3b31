"""A prediction as the ``Detections`` of Roboflow's supervision, for its annotators and trackers."""

from __future__ import annotations

from dataclasses import fields
from importlib import import_module
from typing import Any

import numpy as np

from gdinousam.errors import InputError
from gdinousam.prediction.results import Prediction


def supervision_of(prediction: Prediction) -> Any:
    """The detections as ``supervision.Detections``, in their order.

    xyxy: (N, 4) float32 in pixels. mask: (N, H, W) bool, ``None`` where a detection has none. confidence: (N,) float32.
    class_id: (N,) int64, the place of the phrase in ``prediction.phrases``. ``data["class_name"]``: (N,) the phrases,
    in versions of supervision that have it (from 0.16 on). Raises InputError where supervision is not installed.
    """
    try:
        supervision = import_module("supervision")
    except ImportError as error:
        raise InputError("supervision is not installed; run pip install supervision") from error
    detections = prediction.detections
    masks = [one.mask_hw for one in detections]
    has_masks = all(mask_hw is not None for mask_hw in masks)
    given: dict[str, Any] = {
        "xyxy": np.array([one.box_xyxy for one in detections], dtype=np.float32).reshape(-1, 4),
        "mask": np.array(masks, dtype=bool).reshape(-1, *prediction.size_hw) if has_masks else None,
        "confidence": np.array([one.score for one in detections], dtype=np.float32),
        "class_id": np.array([prediction.phrases.index(one.phrase) for one in detections], dtype=np.int64),
    }
    if "data" in {field.name for field in fields(supervision.Detections)}:
        given["data"] = {"class_name": np.array([one.phrase for one in detections], dtype=str)}
    return supervision.Detections(**given)
