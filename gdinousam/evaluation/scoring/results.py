"""A results folder read back: the rows with the name of the method and what the folder says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.notes import NO_NOTES, Notes, method_name, weights_remarks
from gdinousam.evaluation.scoring.rows import ScoreRow, read_rows
from gdinousam.evaluation.scoring.trace import NO_TRACE, Trace
from gdinousam.reading import read_json_object, reason_of
from gdinousam.records import WeightsKind

ROWS_NAME = "rows.csv"
METHOD_NAME = "method.json"
DATA_NAME = "data.json"
WEIGHTS, REFERENCE = "weights", "reference"  # keys of method.json that earlier versions did not write


@dataclass(frozen=True, eq=False)
class Results:
    """What an evaluation left in its folder.

    method: its name in tables, as ``method_name`` gives it. rows: of both protocols, in the order of the test file; may
    be empty.
    data_sha256: of the test CSV. num_images: how many of its images were evaluated.
    needs: what the method was given beside the image, such as ("text",).
    version: gdinousam that evaluated. libraries: name to version. device: what it ran on.
    config_sha256: of config.yaml. seconds_total: time of the method over all images, ``None`` where not measured.
    notes: what every table and figure that shows these results must say, also of its weights.
    weights: what they are; unknown in results of an earlier version. is_reference: shown what methods have to find, so
    it is no candidate for the best. trace: which weights and thresholds are behind them; empty in results of an
    earlier version.
    """

    method: str
    folder: Path
    rows: list[ScoreRow]
    data_sha256: str
    num_images: int
    needs: tuple[str, ...]
    version: str
    libraries: Mapping[str, str]
    device: str
    config_sha256: str
    seconds_total: float | None
    notes: Notes = NO_NOTES
    weights: WeightsKind = "unknown"
    is_reference: bool = False
    trace: Trace = NO_TRACE

    def called(self, name: str) -> Results:
        """The same results under another name, which still says what the weights are."""
        return replace(self, method=method_name(name, self.weights))


class _Stated(BaseModel):
    """The entries of ``method.json``, and those of ``data.json`` in ``_OF_DATA``, that a finished evaluation has."""

    method: str
    csv_sha256: str
    num_images: int
    needs: tuple[str, ...]
    gdinousam: str
    libraries: dict[str, str]
    device: str
    config_sha256: str
    seconds_total: float | None
    num_rows: int
    reference: bool = False


_OF_DATA = ("csv_sha256", "num_images")


def read_results(folder: Path) -> Results:
    """Read a folder that test.py wrote.

    Raises InputError where the folder holds no evaluation, one that did not finish, or files that do not go together.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder of an evaluation")
    if not (folder / ROWS_NAME).is_file() and next(folder.glob(f"{ROWS_NAME}.part*"), None):
        raise InputError(f"{folder}: the evaluation did not finish; go on with it by test.py --resume")
    rows = read_rows(folder / ROWS_NAME)
    method, data = read_note(folder / METHOD_NAME), read_note(folder / DATA_NAME)
    weights = weights_of(method, folder / METHOD_NAME)
    try:
        stated = _Stated.model_validate(method | {name: data[name] for name in _OF_DATA if name in data})
        trace, notes = Trace.from_json(method), Notes.from_json(method)
    except ValidationError as error:
        raise InputError(
            f"{folder}: {METHOD_NAME} or {DATA_NAME} has no usable {reason_of(error)}; evaluate again with this version"
        ) from error
    if len(rows) != stated.num_rows:
        raise InputError(
            f"{folder / ROWS_NAME}: {len(rows)} rows, but {METHOD_NAME} says {stated.num_rows}; the file is cut off or "
            "was edited by hand: copy it again from where it was made, or evaluate again"
        )
    return Results(
        method=method_name(stated.method, weights),
        folder=folder,
        rows=rows,
        data_sha256=stated.csv_sha256,
        num_images=stated.num_images,
        needs=stated.needs,
        version=stated.gdinousam,
        libraries=stated.libraries,
        device=stated.device,
        config_sha256=stated.config_sha256,
        seconds_total=stated.seconds_total,
        notes=told(notes, weights, trace),
        weights=weights,
        is_reference=stated.reference,
        trace=trace,
    )


def told(notes: Notes, weights: WeightsKind, trace: Trace) -> Notes:
    """What tables of a method say: what its weights are, its own notes, and at the end which weights they were."""
    return notes.after(weights_remarks(weights)).before(trace.remarks())


def weights_of(method: Mapping[str, Any], path: Path) -> WeightsKind:
    """What the content of ``method.json`` says of the weights. path: of that file; InputError for no such kind."""
    stated = method.get(WEIGHTS, "unknown")
    kind = next((kind for kind in get_args(WeightsKind) if kind == stated), None)
    if kind is None:
        known = ", ".join(get_args(WeightsKind))
        raise InputError(f"{path}: {WEIGHTS} is {stated!r} instead of one of {known}; evaluate again with this version")
    return kind


def read_note(path: Path) -> dict[str, Any]:
    """The object that a JSON file of a results folder holds; InputError where there is none."""
    return read_json_object(
        path, "copy the folder again or evaluate again", missing="give the folder of an evaluation that has finished"
    )
