"""A results folder read back: the rows with the name of the method and what the folder says of itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gdinousam.errors import InputError
from gdinousam.evaluation.notes import NO_NOTES, Notes
from gdinousam.evaluation.rows import ScoreRow, read_rows

ROWS_NAME = "rows.csv"
METHOD_NAME = "method.json"
DATA_NAME = "data.json"


@dataclass(frozen=True, eq=False)
class Results:
    """What an evaluation left in its folder.

    method: its name in tables. rows: of both protocols, in the order of the test file; may be empty.
    data_sha256: of the test CSV. num_images: how many of its images were evaluated.
    needs: what the method was given beside the image, such as ("text",).
    version: gdinousam that evaluated. libraries: name to version. device: what it ran on.
    config_sha256: of config.yaml. seconds_total: time of the method over all images, ``None`` where not measured.
    notes: what every table that shows these results must say.
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


def read_results(folder: Path) -> Results:
    """Read a folder that test.py wrote.

    Raises InputError where the folder holds no evaluation, one that did not finish, or files that do not go together.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder of an evaluation")
    if not (folder / ROWS_NAME).is_file() and next(folder.glob(f"{ROWS_NAME}.part*"), None):
        raise InputError(f"{folder}: the evaluation did not finish; go on with it by test.py --resume")
    rows = read_rows(folder / ROWS_NAME)
    method, data = read_json(folder / METHOD_NAME), read_json(folder / DATA_NAME)
    try:
        num_rows = method["num_rows"]
        results = Results(
            method=str(method["method"]),
            folder=folder,
            rows=rows,
            data_sha256=str(data["csv_sha256"]),
            num_images=int(data["num_images"]),
            needs=tuple(method["needs"]),
            version=str(method["gdinousam"]),
            libraries=dict(method["libraries"]),
            device=str(method["device"]),
            config_sha256=str(method["config_sha256"]),
            seconds_total=method["seconds_total"],
            notes=Notes.from_json(method),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{folder}: {METHOD_NAME} or {DATA_NAME} has no usable {error}; evaluate again with this version"
        ) from error
    if len(rows) != num_rows:
        raise InputError(
            f"{folder / ROWS_NAME}: {len(rows)} rows, but {METHOD_NAME} says {num_rows}; the file is cut off or was "
            "edited by hand: copy it again from where it was made, or evaluate again"
        )
    return results


def read_json(path: Path) -> dict[str, Any]:
    """The object that a JSON file of a results folder holds; InputError where there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; give the folder of an evaluation that has finished") from None
    except ValueError as error:
        raise InputError(f"{path}: not readable as JSON ({error}); copy the folder again or evaluate again") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds no JSON object; copy the folder again or evaluate again")
    return content
