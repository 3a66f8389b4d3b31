"""Rows of an evaluation that goes on: files that grow by an image at a time and that a stopped run leaves behind.

Each process writes one. Beside the columns of the rows they hold the number of the image in the test file, which is how
they are put in order, and how a resumed run, of any number of processes, knows what is done.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Sequence
from pathlib import Path
from types import TracebackType

from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.protocols import num_rows
from gdinousam.evaluation.scoring.results import ROWS_NAME
from gdinousam.evaluation.scoring.rows import (
    COLUMNS,
    DAMAGED,
    REQUIRED_COLUMNS,
    ScoreRow,
    from_cells,
    parse_lines,
    read_rows,
    read_text,
    require_columns,
    to_cells,
)
from gdinousam.files import replaced_file
from gdinousam.records import ImageRecord

PART_NAME = f"{ROWS_NAME}.part"
_NUMBER = "number"

RowsOfImage = dict[int, list[ScoreRow]]  # by the number of the image in the test file, from 0


class PartWriter:
    """Append rows to a part file, which is made if missing."""

    def __init__(self, path: Path) -> None:
        is_new = not path.exists()
        self._file = path.open("a", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file)
        if is_new:
            self._writer.writerow([_NUMBER, *COLUMNS])

    def append(self, number: int, rows: Sequence[ScoreRow]) -> None:
        """Add the rows of an image and hand them to the operating system, so that a run that dies keeps them."""
        self._writer.writerows([str(number), *to_cells(row)] for row in rows)
        self._file.flush()

    def __enter__(self) -> PartWriter:
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def part_path(folder: Path, rank: int) -> Path:
    """Where a process writes; the first one's file has no number."""
    return folder / (f"{PART_NAME}.{rank}" if rank else PART_NAME)


def part_paths(folder: Path) -> list[Path]:
    """The part files in a folder; empty where there are none."""
    return sorted(folder.glob(f"{PART_NAME}*"))


def read_parts(folder: Path, records: Sequence[ImageRecord]) -> RowsOfImage:
    """The rows of all images that the part files hold whole; a line or an image that is cut off at the end is left out.

    Raises InputError where a file is damaged otherwise or its rows are not those of the records.
    """
    done: RowsOfImage = {}
    for path in part_paths(folder):
        for number, rows in _read(path).items():
            if not 0 <= number < len(records) or any(not _is_of(row, records[number]) for row in rows):
                raise InputError(
                    f"{path}: image {number} ({rows[0].image_name}) is another one in the test file now; evaluate into "
                    "another folder, or again with --overwrite"
                )
            if len(rows) == num_rows(records[number]):
                done[number] = rows
    return done


def collect_parts(folder: Path, records: Sequence[ImageRecord], kept: Collection[int]) -> RowsOfImage:
    """Put what the part files hold into the first process's one, so that appending goes on behind a whole line.

    kept: numbers of the images whose rows stay.
    """
    done = {number: rows for number, rows in read_parts(folder, records).items() if number in kept}
    paths = part_paths(folder)
    with replaced_file(part_path(folder, 0)) as collected, PartWriter(collected) as writer:
        for number, rows in sorted(done.items()):
            writer.append(number, rows)
    for path in paths:
        if path != part_path(folder, 0):
            path.unlink()
    return done


def read_finished(path: Path, records: Sequence[ImageRecord]) -> list[ScoreRow]:
    """The rows of an evaluation of the records that is through; InputError where the file holds others, or not all."""
    rows = read_rows(path)
    expected = [record for record in records for _ in range(num_rows(record))]
    if len(rows) != len(expected) or not all(map(_is_of, rows, expected)):
        raise InputError(
            f"{path}: {len(rows)} rows that are not the {len(expected)} of the test file; the file is cut off or of "
            "other data: evaluate into another folder, or again with --overwrite"
        )
    return rows


def _read(path: Path) -> RowsOfImage:
    lines = parse_lines(path, read_text(path, whole_lines=True))
    if not lines:
        return {}
    header, *lines = lines
    require_columns(path, header, (_NUMBER, *REQUIRED_COLUMNS))
    rows_of_image: RowsOfImage = {}
    for line, cells in enumerate(lines, start=1):
        row = from_cells(path, line, header, cells)
        number = cells[header.index(_NUMBER)]
        if not number.isdecimal():
            raise InputError(f"{path}, row {line}: {_NUMBER} is {number!r}; {DAMAGED}")
        rows_of_image.setdefault(int(number), []).append(row)
    return rows_of_image


def _is_of(row: ScoreRow, record: ImageRecord) -> bool:
    return (row.dataset, row.image_name) == (record.dataset, record.path.name) and row.phrase in record.phrases
