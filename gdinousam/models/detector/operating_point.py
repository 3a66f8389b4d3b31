"""The operating point of weights: thresholds chosen on validation images, kept beside what they were chosen for.

``scripts/operating_point.py`` writes it; everything that loads the weights finds it. What a user sets wins.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from gdinousam.errors import InputError
from gdinousam.files import write_text
from gdinousam.json_files import read_json_object
from gdinousam.models.detector.prediction_settings import Point, PredictionSettings
from gdinousam.models.loading import note_beside
from gdinousam.settings import Settings

logger = logging.getLogger(__name__)

_LIST_OF_NUMBERS = re.compile(r"\[([^\[\]{}\"]*)\]")  # written as one line

OPERATING_POINT = "gdinousam_operating_point.json"


class OperatingPoint(Settings):
    """What the file holds."""

    overall: Point = Field(description="For every phrase that has no values of its own.")
    phrases: dict[str, Point] = Field({}, description="For single phrases, in its place.")
    evidence: dict[str, Any] = Field({}, description="What it was chosen on and what it reaches there.")


def noted_point(weights: str | Path) -> OperatingPoint | None:
    """The operating point beside weights, in their folder or their hub id's repository; ``None`` where there is none.

    weights: the adapter, or the detector where there is none. Raises InputError where the file cannot be read.
    """
    path = note_beside(weights, OPERATING_POINT)
    if path is None:
        return None
    try:
        return OperatingPoint.model_validate(read_json_object(path))
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, problem["loc"]))
        raise InputError(
            f"{path}: {key}: {problem['msg']}; make it again with gdinousam operating-point, or remove it"
        ) from error


def save_point(path: Path, point: OperatingPoint) -> None:
    """Write an operating point to a file, which appears, or takes the place of an earlier one, when it is whole.

    Raises InputError where it cannot be written.
    """
    text = json.dumps(point.model_dump(mode="json"), indent=1)
    text = _LIST_OF_NUMBERS.sub(lambda numbers: f"[{' '.join(numbers[1].split())}]", text)
    try:
        write_text(path, text + "\n")
    except OSError as error:
        raise InputError(f"cannot write {path} ({error.strerror}); name another file") from error


def resolve_prediction(prediction: PredictionSettings, weights: str | Path) -> PredictionSettings:
    """The settings with nothing left open, and a line in the log that says where each value comes from.

    Value by value: what is set, else the operating point beside the weights, else ``UNCHOSEN``. weights: as for
    ``noted_point``. Raises InputError as it does.
    """
    noted = noted_point(weights)
    filled = prediction.filled() if noted is None else prediction.filled(noted.overall, noted.phrases)
    logger.info("%s", _describe(filled, prediction.unset, None if noted is None else weights))
    return filled


def _describe(filled: PredictionSettings, unset: Sequence[str], noted_at: str | Path | None) -> str:
    elsewhere = "default, no operating point chosen" if noted_at is None else f"operating point of {noted_at}"
    values = {
        "box_threshold": f"boxes count from {filled.box_threshold:g}",
        "max_detections": f"at most {filled.max_detections} per phrase",
        "further_threshold": f"those after the best from {filled.further_threshold:g}",
    }
    sources = {name: elsewhere if name in unset else "as set" for name in values}
    if len(set(sources.values())) == 1:
        text = f"{', '.join(values.values())} ({sources['box_threshold']})"
    else:
        text = ", ".join(f"{value} ({sources[name]})" for name, value in values.items())
    return f"{text}; other values for {', '.join(filled.by_phrase)}" if filled.by_phrase else text
