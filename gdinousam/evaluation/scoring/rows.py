"""One row per scored query, and the CSV file that keeps them.

The rows are the result of an evaluation; every table is made from them. Numbers are written with all their digits, so
that a table made from the file equals the one made in memory.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Literal

from gdinousam.data.contract.delimited import decode, parse_delimited
from gdinousam.errors import InputError
from gdinousam.files import csv_file
from gdinousam.records import BoxXYXY

ProtocolName = Literal["strict", "paper"]
ScoredBox = tuple[float, float, float, float, float]  # x0, y0, x1, y1, score


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
    surface_dice: normalised surface Dice, in [0, 1]; nan where dice is nan.
    hausdorff_95, surface_distance: 95 % Hausdorff distance and average symmetric surface distance, in pixels of the
    original image; nan where dice is nan, and where the prediction or the truth has no pixel.
    seconds: time of the method for the image divided by the number of its phrases; nan where it was not measured.
    detected_boxes: (x0, y0, x1, y1, score) of every detection of the phrase, best first; may be empty.
    true_boxes: (x0, y0, x1, y1) of the instances that they are scored against; empty where the target is absent.
    supported: false where the method cannot answer the phrase, so that it was not asked: no miss, and part of no mean,
    rate or test. Files of earlier versions do not have the column, all their rows are supported.
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
    surface_dice: float
    hausdorff_95: float
    surface_distance: float
    seconds: float
    detected_boxes: tuple[ScoredBox, ...]
    true_boxes: tuple[BoxXYXY, ...]
    supported: bool = True


COLUMNS = tuple(field.name for field in fields(ScoreRow))
_SHARES = ("box_iou", "dice", "iou", "surface_dice")  # in [0, 1]; a spreadsheet may take 0.943 for 943
_ROUNDING = 1e-6
_FLOATS = tuple(field.name for field in fields(ScoreRow) if field.type == "float")
REQUIRED_COLUMNS = tuple(field.name for field in fields(ScoreRow) if field.default is MISSING)


def write_rows(path: Path, rows: Iterable[ScoreRow]) -> None:
    """Write rows to a CSV file, which appears, or takes the place of an earlier one, when it is whole."""
    with csv_file(path) as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(to_cells(row) for row in rows)


def read_rows(path: Path) -> list[ScoreRow]:
    """Read a file of rows; a file with a header only gives an empty list.

    Column order does not matter and further columns are ignored; what a spreadsheet makes of the file on saving it
    (``gdinousam.data.contract.delimited``) is read too. Raises InputError where the file, a column or a value
    is missing or wrong, and where the file ends in the middle of a line.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the rows.csv of an evaluation")
    text = read_text(path)
    try:
        header, *lines = parse_delimited(text, COLUMNS, _FLOATS) or [[]]
    except csv.Error as error:
        raise InputError(f"{path}: not readable as CSV ({error}); {DAMAGED}") from error
    lines = [cells for cells in lines if "".join(cells).strip()]
    require_columns(path, header, REQUIRED_COLUMNS)
    if not text.endswith("\n"):
        raise InputError(
            f"{path}: the file is cut off in its last line ({lines[-1][:3] if lines else header[:3]}); copy it again "
            "from where it was made, or evaluate again, or end that line if a spreadsheet left its end out"
        )
    return [from_cells(path, number, header, cells) for number, cells in enumerate(lines, start=1)]


def to_cells(row: ScoreRow) -> list[str]:
    """The texts of a row, in the order of ``COLUMNS``."""
    return [_to_text(getattr(row, name)) for name in COLUMNS]


def from_cells(path: Path, number: int, header: Sequence[str], cells: Sequence[str]) -> ScoreRow:
    """The row that ``to_cells`` wrote. number: of the row in the file, from 1, for the message of an InputError."""
    if len(cells) != len(header):
        raise InputError(f"{path}, row {number}: {len(cells)} cells of {len(header)}; {DAMAGED}")
    text_of = dict(zip(header, cells, strict=True))
    values: dict[str, object] = {}
    for field in fields(ScoreRow):
        if field.name not in text_of and field.name not in REQUIRED_COLUMNS:
            continue
        text = text_of[field.name]
        try:
            values[field.name] = _FROM_TEXT[str(field.type)](text)
        except (KeyError, ValueError, TypeError, OverflowError, RecursionError):
            raise InputError(f"{path}, row {number}: {field.name} is {text!r}; {DAMAGED}") from None
        if field.name in _SHARES and (values[field.name] < 0 or values[field.name] > 1 + _ROUNDING):  # type: ignore[operator]
            raise InputError(f"{path}, row {number}: {field.name} is {text!r}, beyond 0 to 1; {DAMAGED}")
    return ScoreRow(**values)  # type: ignore[arg-type]


def read_text(path: Path, whole_lines: bool = False) -> str:
    """The text of a CSV file with its line ends as they are; InputError where it is none.

    whole_lines: leave out what follows the last line end.
    """
    content = path.read_bytes()
    try:
        return decode(content[: content.rfind(b"\n") + 1 if whole_lines else None])
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: no text in UTF-8 (byte {error.start}); {DAMAGED}") from None


def parse_lines(path: Path, text: str) -> list[list[str]]:
    """The cells of each line of a CSV text; empty lines are skipped. Raises InputError where it is no CSV."""
    try:
        return [cells for cells in csv.reader(io.StringIO(text, newline="")) if cells]
    except csv.Error as error:
        raise InputError(f"{path}: not readable as CSV ({error}); {DAMAGED}") from error


def require_columns(path: Path, header: Sequence[str], columns: Sequence[str]) -> None:
    """Raise InputError where a file of rows lacks columns."""
    missing = [name for name in columns if name not in header]
    if missing:
        raise InputError(
            f"{path}: no column {', '.join(missing)}; give the rows.csv of an evaluation by this version of gdinousam"
        )


DAMAGED = "the file is cut off or was edited by hand"


def _to_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return json.dumps(value)
    return repr(value) if isinstance(value, float) else str(value)


# as spreadsheets of English, German, French, Spanish, Portuguese, Italian, Dutch and Polish write it, in capitals
_TRUTH = {
    **dict.fromkeys(("true", "wahr", "vrai", "verdadero", "verdadeiro", "vero", "waar", "prawda"), True),
    **dict.fromkeys(("false", "falsch", "faux", "falso", "onwaar", "fałsz"), False),
}


def _read_bool(text: str) -> bool:
    return _TRUTH[text.lower()]


def _read_float(text: str) -> float:
    # The one nan object of math keeps rows equal that hold nan in the same place.
    number = float(text)
    return math.nan if math.isnan(number) else number


def _read_protocol(text: str) -> ProtocolName:
    names: dict[str, ProtocolName] = {"strict": "strict", "paper": "paper"}
    return names[text]


def _read_boxes(text: str, num_numbers: int) -> tuple[tuple[float, ...], ...]:
    boxes = tuple(tuple(float(number) for number in box) for box in json.loads(text))
    if any(len(box) != num_numbers for box in boxes):
        raise ValueError(f"a box of other than {num_numbers} numbers")
    return boxes


_FROM_TEXT: dict[str, Callable[[str], object]] = {
    "ProtocolName": _read_protocol,
    "str": str,
    "str | None": lambda text: text or None,
    "bool": _read_bool,
    "int": int,
    "float": _read_float,
    "tuple[ScoredBox, ...]": lambda text: _read_boxes(text, 5),
    "tuple[BoxXYXY, ...]": lambda text: _read_boxes(text, 4),
}
