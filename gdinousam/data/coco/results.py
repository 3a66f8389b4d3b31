"""COCO results: the list of detections that a detector's evaluation writes, each with its score and box or mask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gdinousam.data.coco.reading import DAMAGED, box_of, id_of, is_finite
from gdinousam.errors import InputError
from gdinousam.json_files import read_json
from gdinousam.records import BoxXYWH


@dataclass(frozen=True)
class CocoResult:
    """One detection. label: ``entry no. N``, for messages. image, category: ids. box_xywh: as given, in pixels, or
    ``None``. score: finite. segmentation: as given, not decoded yet, ``None`` where there is none."""

    label: str
    image: str
    category: str
    box_xywh: BoxXYWH | None
    score: float
    segmentation: object


def read_results(path: Path) -> tuple[CocoResult, ...]:
    """Read a results file, in its order; an empty list gives none.

    Raises ``InputError`` for a file that is missing, no JSON or no such list, and for an entry without ids or score or
    with a box of a negative side.
    """
    content = read_json(path, DAMAGED, "give the COCO results file of a method")
    if not isinstance(content, list) or not all(isinstance(entry, Mapping) for entry in content):
        raise InputError(
            f"{path}: no COCO results; they are a list of objects with image_id, category_id, segmentation, score"
        )
    try:
        return tuple(_result(entry, f"entry no. {number}") for number, entry in enumerate(content, start=1))
    except ValueError as error:
        raise InputError(f"{path}: {error}; fix the file or write it again") from error


def _result(entry: Mapping[str, object], label: str) -> CocoResult:
    box_xywh, score = box_of(entry, label), entry.get("score")
    if box_xywh is not None and min(box_xywh[2:]) < 0:
        raise ValueError(f"{label}: its bbox {list(box_xywh)} (x, y, width, height) has a negative side")
    if not is_finite(score):
        raise ValueError(f"{label} has score {score!r}, expected a number")
    image, category = id_of(entry, "image_id", label), id_of(entry, "category_id", label)
    return CocoResult(label, image, category, box_xywh, float(score), entry.get("segmentation"))  # type: ignore[arg-type]
