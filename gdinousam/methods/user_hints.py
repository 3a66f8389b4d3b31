"""Methods that are shown what a person drew: boxes or clicks from a CSV, for a reader study or a tool's export.

A row is one object of one image: ``image_name``, ``label_name``, and either the contract's four ``bbox_`` columns or
``click_x`` and ``click_y``, all in pixels of the stored image from the outer corner of its first pixel, with an
optional ``click_on_object`` (1, or 0 for a click beside the object). Further columns are allowed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from gdinousam.data.contract.reading import BOX_COLUMNS, IMAGE_NAME, PHRASE, find_csv, iterate_rows, read_cells
from gdinousam.errors import InputError
from gdinousam.identity import same_name
from gdinousam.records import BoxXYXY, Click, Detection, Hint, HintedSegmenter, Image, ImageRecord, Need

CLICK_COLUMNS = ("click_x", "click_y")
CLICK_ON_OBJECT = "click_on_object"

Hints = Mapping[str, tuple[Hint, ...]]  # by image name


class UserHints:
    """A method that is shown a person's boxes or clicks; what the person left out gets no answer.

    hints: as ``read_user_hints`` gives them.
    """

    def __init__(self, segmenter: HintedSegmenter, hints: Hints) -> None:
        self.segmenter = segmenter
        self.needs: frozenset[Need] = segmenter.needs
        self._hints = hints

    def segment_records(self, images: Sequence[Image], records: Sequence[ImageRecord]) -> list[list[Detection]]:
        """See ``gdinousam.evaluation.scoring.methods.RecordSegmenter``; one detection for each hint, by phrase."""
        return self.segmenter.segment_hints(images, [self._of(record) for record in records])

    def _of(self, record: ImageRecord) -> list[Hint]:
        drawn = self._hints.get(record.path.name, ())
        return [hint for phrase in record.phrases for hint in drawn if hint.phrase == phrase]


def read_user_hints(csv_path: Path, records: Sequence[ImageRecord], need: Need) -> Hints:
    """Read what a person drew.

    records: of the test file; need: ``box`` or ``point``, which the columns must hold. An image without rows has no
    hints. Raises InputError, with the row, for a missing column, an image or phrase that is not in the test file, and
    a box or click that is not a number or not on the image.
    """
    csv_path = find_csv(csv_path)
    table, uneven = read_cells(csv_path, CLICK_COLUMNS)
    wanted = (IMAGE_NAME, PHRASE, *(BOX_COLUMNS if need == "box" else CLICK_COLUMNS))
    missing = [column for column in wanted if column not in table.columns]
    if missing or uneven:
        reason = f"no column {', '.join(missing)}" if missing else f"row {next(iter(uneven))} has too few or many cells"
        raise InputError(f"{csv_path}: {reason}; hints of users need the columns {','.join(wanted)}")
    record_of = {record.path.name: record for record in records}
    hints: dict[str, tuple[Hint, ...]] = {}
    for number, row in iterate_rows(table):
        where = f"{csv_path}, row {number}"
        record = record_of.get(row[IMAGE_NAME])
        phrase = None if record is None else same_name(row[PHRASE], record.phrases, of_phrases=True)
        if record is None or phrase is None:
            what = "an image" if record is None else "a phrase of this image"
            value = row[IMAGE_NAME] if record is None else row[PHRASE]
            raise InputError(f"{where}: {value!r} is not {what} in the test file; correct or remove the row")
        row = {**row, PHRASE: phrase}
        hint = _box_hint(row, record, where) if need == "box" else _click_hint(row, record, where)
        hints[record.path.name] = (*hints.get(record.path.name, ()), hint)
    return hints


def _box_hint(row: Mapping[str, str], record: ImageRecord, where: str) -> Hint:
    x, y, width, height = (_number(row, column, where) for column in BOX_COLUMNS)
    box_xyxy: BoxXYXY = (x, y, x + width, y + height)
    if width <= 0 or height <= 0 or x < 0 or y < 0 or box_xyxy[2] > record.width or box_xyxy[3] > record.height:
        raise InputError(
            f"{where}: the box {x:g}, {y:g}, {width:g}, {height:g} has no area or leaves the image of {record.width} x "
            f"{record.height} pixels; correct it"
        )
    return Hint(row[PHRASE], box_xyxy)


def _click_hint(row: Mapping[str, str], record: ImageRecord, where: str) -> Hint:
    x, y = (_number(row, column, where) for column in CLICK_COLUMNS)
    if not (0 <= x <= record.width and 0 <= y <= record.height):
        raise InputError(
            f"{where}: the click {x:g}, {y:g} is not on the image of {record.width} x {record.height} pixels; "
            "correct it"
        )
    on_object = row.get(CLICK_ON_OBJECT, "") or "1"
    if on_object not in ("0", "1"):
        raise InputError(f"{where}: {CLICK_ON_OBJECT} is {on_object!r}; write 1, or 0 for a click beside the object")
    return Hint(row[PHRASE], clicks=(Click(x, y, on_object == "1"),))


def _number(row: Mapping[str, str], column: str, where: str) -> float:
    try:
        value = float(row[column])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{where}: {column} is {row[column]!r}, which is not a number; correct it")
    return value
