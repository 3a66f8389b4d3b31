"""One row per scored query, and the CSV file that keeps them.

The rows are the result of an evaluation; every table is made from them. Numbers are written with all their digits, so
that a table made from the file equals the one made in memory.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Literal

from gdinousam.errors import InputError

ProtocolName = Literal["strict", "paper"]
PARTIAL_SUFFIX = ".part"


@dataclass(frozen=True)
class ScoreRow:
    """The score of one query under one protocol.

    protocol: "strict" or "paper". dataset, image_name, phrase: what was asked, image_name without folders.
    group: patient, volume or exam, ``None`` where unknown.
    target_present: the image holds something to find. found: the method returned at least one detection.
    score: confidence of the best detection, in [0, 1]; nan if none.
    num_detections: detections of the phrase. num_instances: instances that they are scored against.
    box_iou: of the best detection's box with the instance box that fits it best, in [0, 1]; nan if either is missing.
    dice, iou: in [0, 1]; nan where the protocol leaves the row out of its mean.
    overlap_pixels, predicted_pixels, true_pixels: the counts behind dice and iou, always there.
    image_width, image_height: pixels.
    """

    protocol: ProtocolName
    dataset: str
    image_name: str
    group: str | None
    phrase: str
    target_present: bool
    found: bool
    score: float
    num_detections: int
    num_instances: int
    box_iou: float
    dice: float
    iou: float
    overlap_pixels: int
    predicted_pixels: int
    true_pixels: int
    image_width: int
    image_height: int


COLUMNS = tuple(field.name for field in fields(ScoreRow))


class RowWriter:
    """Write rows to a CSV file as they come.

    The file is named ``<path>.part`` until the block ends without an error; an interrupted run leaves that name.
    path: final name; its folder exists. Raises FileExistsError where ``<path>.part`` is there already.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._partial_path = path.with_name(path.name + PARTIAL_SUFFIX)
        self._file = self._partial_path.open("x", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file)
        self._writer.writerow(COLUMNS)

    def append(self, rows: Sequence[ScoreRow]) -> None:
        """Add rows and hand them to the operating system, so that a run that dies keeps what it has scored."""
        self._writer.writerows([_to_text(getattr(row, name)) for name in COLUMNS] for row in rows)
        self._file.flush()

    def __enter__(self) -> RowWriter:
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if error is None:
            self._partial_path.replace(self._path)


def read_rows(path: Path) -> list[ScoreRow]:
    """Read a file that RowWriter wrote; a file with a header only gives an empty list.

    Column order does not matter. Raises InputError where the file, a column or a value is missing or wrong.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the rows.csv of an evaluation")
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise InputError(f"{path}: no column {', '.join(missing)}; give the rows.csv of an evaluation")
        return [_parse(path, reader.line_num, cells) for cells in reader]


def _parse(path: Path, line: int, cells: dict[str, str]) -> ScoreRow:
    values: dict[str, object] = {}
    for field in fields(ScoreRow):
        try:
            values[field.name] = _FROM_TEXT[str(field.type)](cells[field.name])
        except (KeyError, ValueError, TypeError, AttributeError):
            raise InputError(
                f"{path}, line {line}: {field.name} is {cells[field.name]!r}; the file is cut off or was edited by hand"
            ) from None
    return ScoreRow(**values)  # type: ignore[arg-type]


def _to_text(value: object) -> str:
    if value is None:
        return ""
    return repr(value) if isinstance(value, float) else str(value)


def _read_bool(text: str) -> bool:
    return {"True": True, "False": False}[text]


def _read_float(text: str) -> float:
    # The one nan object of math keeps rows equal that hold nan in the same place.
    number = float(text)
    return math.nan if math.isnan(number) else number


def _read_protocol(text: str) -> ProtocolName:
    names: dict[str, ProtocolName] = {"strict": "strict", "paper": "paper"}
    return names[text]


_FROM_TEXT: dict[str, Callable[[str], object]] = {
    "ProtocolName": _read_protocol,
    "str": str,
    "str | None": lambda text: text or None,
    "bool": _read_bool,
    "int": int,
    "float": _read_float,
}
