"""The CSV contract: which columns a table of boxes has, how its rows become image records, and how records are written.

One row is one box and the phrase that names it; several rows per image are legal. A row whose four box cells are all
empty says that the phrase names nothing in the image. ``docs/data.md`` explains the contract to users;
``gdinousam.data.contract.check`` finds everything that breaks it.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import pandas as pd

from gdinousam.data.contract.delimited import read_delimited
from gdinousam.data.contract.names import unify_spellings
from gdinousam.errors import InputError
from gdinousam.files import replaced_file
from gdinousam.records import ImageRecord, Instance, MaskReference

PHRASE = "label_name"
BOX_COLUMNS = ("bbox_x", "bbox_y", "bbox_width", "bbox_height")
IMAGE_NAME = "image_name"
IMAGE_WIDTH = "image_width"
IMAGE_HEIGHT = "image_height"
DATASET = "dataset"
COLUMNS = (PHRASE, *BOX_COLUMNS, IMAGE_NAME, IMAGE_WIDTH, IMAGE_HEIGHT, DATASET)
MASK_NAME = "mask_name"
GROUP = "group"
OPTIONAL_COLUMNS = (MASK_NAME, GROUP)
KNOWN_COLUMNS = COLUMNS + OPTIONAL_COLUMNS
NUMBER_COLUMNS = (*BOX_COLUMNS, IMAGE_WIDTH, IMAGE_HEIGHT)
GROUP_KIND = "group_kind"  # extra column of prepared datasets: what the group is, such as patient or volume
MASK_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")

Row = dict[str, str]


def read_table(csv_path: str | Path) -> pd.DataFrame:
    """Read a CSV of the contract; every cell stays the string that the file holds, and extra columns are kept.

    But for one thing: phrases, datasets and groups that name the same (``gdinousam.identity``) get the spelling of the
    first of them.

    csv_path: a table as ``delimited`` reads it; where it does not exist, the other letter case of its
    suffix is tried.
    Returns one table row per CSV row; the index is the row number in the file, the header being row 1. A file with a
    header only gives a table without rows. Raises ``InputError`` for a file that is missing, empty or no such text,
    for missing columns, and for rows that do not have as many cells as the header.
    """
    csv_path = find_csv(csv_path)
    table, uneven_rows = read_cells(csv_path)
    missing = missing_columns(list(table.columns))
    if missing:
        named = ", ".join(f"{name} (nearest: {nearest})" if nearest else name for name, nearest in missing.items())
        raise InputError(f"{csv_path}: columns missing: {named}; the contract asks for {','.join(COLUMNS)}")
    if uneven_rows:
        row, num_cells = next(iter(uneven_rows.items()))
        raise InputError(
            f"{csv_path}: {len(uneven_rows)} rows differ from the header in their number of cells, the first is "
            f"row {row} with {num_cells} instead of {len(table.columns)}; put a phrase that holds a comma in quotes"
        )
    unify_spellings(table, PHRASE, (DATASET, GROUP), csv_path)
    return table


def read_records(
    csv_path: str | Path, image_dir: str | Path, mask_dir: str | Path | None = None, resize_masks: bool = False
) -> tuple[ImageRecord, ...]:
    """Read a CSV into one record per image: ``read_table``, then ``records_from_table``."""
    return records_from_table(read_table(csv_path), image_dir, mask_dir, resize_masks)


def records_from_table(
    table: pd.DataFrame, image_dir: str | Path, mask_dir: str | Path | None = None, resize_masks: bool = False
) -> tuple[ImageRecord, ...]:
    """Turn a checked table into one record per image, in order of first appearance.

    table: as from ``read_table``. image_dir: folder of the images. mask_dir: folder of the masks, or ``None``: no
    instance has one. resize_masks: masks of another size than their image are to be resized when they are read, not
    refused. No image or mask is opened. A table without rows gives no records. Raises ``InputError`` for a
    cell that is not a number; everything else is the checker's part.
    """
    image_dir, mask_dir = Path(image_dir), None if mask_dir is None else Path(mask_dir)
    rows_of_image: dict[str, list[tuple[int, Row]]] = {}
    for row_number, row in iterate_rows(table):
        rows_of_image.setdefault(row[IMAGE_NAME], []).append((row_number, row))
    return tuple(_record(rows, image_dir / name, mask_dir, resize_masks) for name, rows in rows_of_image.items())


def write_records(records: Sequence[ImageRecord], csv_path: str | Path) -> None:
    """Write records as a CSV of the contract; reading it back with the same folders gives the same records.

    The file appears at once or not at all. ``mask_name`` and ``group`` are written when any record has them. Raises
    ``InputError`` for an image that no row can express (without boxes and absent phrases) and for two images of one
    name; without records the file holds the header only.
    """
    names = [record.path.name for record in records]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{csv_path}: two images are named {twice}; rename one, the CSV knows images by file name")
    rows = [row for record in records for row in _rows(record)]
    optional = [column for column in OPTIONAL_COLUMNS if any(row[column] for row in rows)]
    write_table(pd.DataFrame(rows, columns=[*COLUMNS, *optional], dtype=str), csv_path)


def write_table(table: pd.DataFrame, csv_path: str | Path) -> None:
    """Write a table as from ``read_table``, extra columns included; the file appears at once or not at all."""
    csv_path = Path(csv_path)
    csv_path.parent.mkdir(parents=True, exist_ok=True)
    with replaced_file(csv_path) as new:
        table.to_csv(new, index=False, encoding="utf-8", lineterminator="\n")


def find_csv(csv_path: str | Path) -> Path:
    """The given path, or the same with its suffix in the other letter case (``train.CSV``, ``train.csv``).

    Raises ``InputError`` where neither is a file.
    """
    given = Path(csv_path)
    candidates = (given, given.with_suffix(given.suffix.lower()), given.with_suffix(given.suffix.upper()))
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise InputError(f"{given}: no such CSV file (either letter case of its suffix); check the path")


def read_cells(csv_path: Path, further_numbers: Sequence[str] = ()) -> tuple[pd.DataFrame, dict[int, int]]:
    """Read a CSV of any columns, for the checker.

    further_numbers: columns that hold numbers beside those of the contract. Returns the table as ``read_table`` does,
    without the rows that have more or fewer cells than the header, and for each of those rows its number of cells.
    Lines without a filled cell are not rows, but count in row numbers. Raises ``InputError`` for an empty file, for one
    that is not UTF-8 text or no CSV, and for a column that is named twice.

    A file is parsed once for its checker and its readers, until it changes.
    """
    try:
        state = csv_path.stat()
    except OSError:  # is said where it is opened
        return _parsed(csv_path, tuple(further_numbers))
    table, uneven = _parsed_once(csv_path, tuple(further_numbers), state.st_ino, state.st_mtime_ns, state.st_size)
    return table.copy(), dict(uneven)


@lru_cache(maxsize=8)
def _parsed_once(csv_path: Path, further_numbers: tuple[str, ...], *state: int) -> tuple[pd.DataFrame, dict[int, int]]:
    return _parsed(csv_path, further_numbers)


def _parsed(csv_path: Path, further_numbers: tuple[str, ...]) -> tuple[pd.DataFrame, dict[int, int]]:
    lines = read_delimited(csv_path, (*KNOWN_COLUMNS, *further_numbers), (*NUMBER_COLUMNS, *further_numbers))
    if not lines or not any(cell.strip() for cell in lines[0]):
        raise InputError(f"{csv_path}: no header in the first line; it must name the columns {','.join(COLUMNS)}")
    header = lines[0]
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise InputError(f"{csv_path}: column {twice[0]!r} appears twice; rename or remove one")
    rows = {number: cells for number, cells in enumerate(lines[1:], start=2) if "".join(cells).strip()}
    even = {number: cells for number, cells in rows.items() if len(cells) == len(header)}
    table = pd.DataFrame(list(even.values()), columns=header, index=pd.Index(list(even), name="row"), dtype=str)
    return table, {number: len(cells) for number, cells in rows.items() if number not in even}


def missing_columns(given: Sequence[str]) -> dict[str, str | None]:
    """Columns of the contract that are not given, each with the nearest given name or ``None``; empty if none is."""
    unknown = {name.strip().lower(): name for name in given if name not in COLUMNS + OPTIONAL_COLUMNS}
    nearest = {
        name: difflib.get_close_matches(name, list(unknown), n=1, cutoff=0.5) for name in COLUMNS if name not in given
    }
    return {name: unknown[matches[0]] if matches else None for name, matches in nearest.items()}


def iterate_rows(table: pd.DataFrame) -> Iterator[tuple[int, Row]]:
    """Each row's number in the file with its cells by column name; an absent optional column reads as empty cells."""
    absent = dict.fromkeys(OPTIONAL_COLUMNS, "")
    for row_number, cells in zip(table.index, table.itertuples(index=False, name=None), strict=True):
        yield int(row_number), absent | dict(zip(table.columns, cells, strict=True))


def parse_number(cell: str) -> float | None:
    """The finite number that a cell holds, or ``None``: empty, text, nan and inf are not numbers."""
    try:
        number = float(cell)
    except ValueError:
        return None
    # Python reads 1_000 as a number, no other reader of a CSV does
    return number if math.isfinite(number) and "_" not in cell else None


def is_absent(row: Row) -> bool:
    """Whether the row says that its phrase names nothing in the image: all four box cells are empty."""
    return not any(row[column].strip() for column in BOX_COLUMNS)


def mask_reference(mask_name: str, image_name: str, mask_dir: Path | None) -> MaskReference | None:
    """Where the mask of a row lies.

    mask_name: the row's cell, ``NAME`` or ``NAME#VALUE``, which need not exist; empty: the mask has the image's name,
    or its stem and one of ``MASK_SUFFIXES``. Returns ``None`` without a mask folder, and where an unnamed mask does
    not exist.
    """
    if mask_dir is None:
        return None
    if mask_name.strip():
        valued = re.fullmatch(r"(.+)#([0-9]+)", mask_name)
        return MaskReference(mask_dir / valued[1], int(valued[2])) if valued else MaskReference(mask_dir / mask_name)
    candidates = [mask_dir / image_name, *(mask_dir / (Path(image_name).stem + suffix) for suffix in MASK_SUFFIXES)]
    return next((MaskReference(path) for path in candidates if path.is_file()), None)


def _record(rows: Sequence[tuple[int, Row]], path: Path, mask_dir: Path | None, resize_masks: bool) -> ImageRecord:
    first_number, first = rows[0]
    width = int(_required_number(first_number, first, IMAGE_WIDTH))
    height = int(_required_number(first_number, first, IMAGE_HEIGHT))
    instances = []
    for row_number, row in rows:
        if not is_absent(row):
            x, y, box_width, box_height = (_required_number(row_number, row, column) for column in BOX_COLUMNS)
            mask = mask_reference(row[MASK_NAME], row[IMAGE_NAME], mask_dir)
            if mask is not None and resize_masks:
                mask = replace(mask, resized_to=(width, height))
            instances.append(Instance(row[PHRASE], (x, y, box_width, box_height), mask))
    return ImageRecord(
        path=path,
        width=width,
        height=height,
        dataset=first[DATASET],
        group=first[GROUP] or None,
        instances=tuple(instances),
        absent_phrases=_distinct(row[PHRASE] for _, row in rows if is_absent(row)),
        phrases=_distinct(row[PHRASE] for _, row in rows),
        last_phrase=rows[-1][1][PHRASE],
    )


def _required_number(row_number: int, row: Row, column: str) -> float:
    number = parse_number(row[column])
    if number is None:
        raise InputError(f"row {row_number}, {column}: {row[column]!r} is not a number; check the table first")
    return number


def _distinct(phrases: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(phrases))


def _rows(record: ImageRecord) -> list[Row]:
    """The CSV rows of an image, ordered so that ``phrases`` and ``last_phrase`` read back as they are."""
    if not record.instances and not record.absent_phrases:
        raise InputError(f"{record.path}: neither boxes nor absent phrases, so no CSV row can hold it; leave it out")
    order = {phrase: position for position, phrase in enumerate(record.phrases)}
    absent = list(record.absent_phrases)
    rows: list[Row] = []
    for index, instance in enumerate(record.instances):
        ends_with_box = index == len(record.instances) - 1 and record.last_phrase == instance.phrase
        while absent and (ends_with_box or _comes_before(absent[0], instance.phrase, order)):
            rows.append(_row(record, absent.pop(0), None))
        rows.append(_row(record, instance.phrase, instance))
    return rows + [_row(record, phrase, None) for phrase in absent]


def _comes_before(absent_phrase: str, phrase: str, order: dict[str, int]) -> bool:
    return order.get(absent_phrase, len(order)) < order.get(phrase, len(order))


def _row(record: ImageRecord, phrase: str, instance: Instance | None) -> Row:
    box_cells = [""] * 4 if instance is None else [_number_text(number) for number in instance.box_xywh]
    mask = None if instance is None else instance.mask
    value = "" if mask is None or mask.value is None else f"#{mask.value}"
    return {
        PHRASE: phrase,
        **dict(zip(BOX_COLUMNS, box_cells, strict=True)),
        IMAGE_NAME: record.path.name,
        IMAGE_WIDTH: str(record.width),
        IMAGE_HEIGHT: str(record.height),
        DATASET: record.dataset,
        MASK_NAME: "" if mask is None else mask.path.name + value,
        GROUP: record.group or "",
    }


def _number_text(number: float) -> str:
    number = float(number)
    return str(int(number)) if number.is_integer() else repr(number)
