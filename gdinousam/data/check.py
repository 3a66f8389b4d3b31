"""The checker: every breach of the CSV contract at once, as a table, before the first training step.

``check_table`` finds the problems, ``format_problems`` prints them, ``require_valid`` is what training and testing call
before they start. Cells are looked at one by one, then rows against rows, then rows against the files they name.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from tqdm import tqdm

from gdinousam.data import contract
from gdinousam.data.images import read_image, read_mask_file
from gdinousam.errors import InputError
from gdinousam.records import BoxXYWH, Mask

BOX_SLACK = 0.01  # pixels a box may lie outside: exporters round x and width to two decimals each
PROGRESS_DELAY = 2.0  # seconds a check may take before a progress bar appears
MAX_THREADS = 8
MAX_VALUE_LENGTH = 48  # characters of a cell that the printed table shows

Size = tuple[int, int]  # width, height
_MaskedRow = tuple["_Row", int | None]  # a row and the grey value of its mask


@dataclass(frozen=True)
class Problem:
    """One breach of the contract.

    file: the CSV. row: its row as a spreadsheet numbers it, the header being row 1; ``None``: the whole file.
    column: the column at fault. value: what stands there. expected: what should.
    """

    file: Path
    row: int | None
    column: str
    value: str
    expected: str


class DataProblems(InputError):  # noqa: N818 (it holds many problems, not one error)
    """The data breaks the contract. ``problems`` has every breach, the message their table (several lines)."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(problems)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return f"problems in the data: {len(self.problems)}\n{format_problems(self.problems)}"


def require_valid(
    csv_path: str | Path, image_dir: str | Path, mask_dir: str | Path | None = None, masks_required: bool = False
) -> None:
    """Raise ``DataProblems`` where ``check_table`` finds any; arguments and other errors as there."""
    problems = check_table(csv_path, image_dir, mask_dir, masks_required)
    if problems:
        raise DataProblems(problems)


def format_problems(problems: Sequence[Problem], limit: int = 50) -> str:
    """The first ``limit`` problems as an aligned text table, with a last line that counts the rest.

    Returns an empty string without problems. Long values are cut, empty ones shown as ``(empty)``.
    """
    if not problems:
        return ""
    lines = [("file", "row", "column", "value", "expected")]
    for problem in problems[:limit]:
        row = "-" if problem.row is None else str(problem.row)
        lines.append((str(problem.file), row, problem.column, _shown(problem.value), problem.expected))
    widths = [max(len(line[position]) for line in lines) for position in range(4)]
    texts = [
        f"{file:<{widths[0]}}  {row:>{widths[1]}}  {column:<{widths[2]}}  {value:<{widths[3]}}  {expected}"
        for file, row, column, value, expected in lines
    ]
    num_hidden = len(problems) - len(lines) + 1
    return "\n".join([*texts, f"... and {num_hidden} more"] if num_hidden else texts)


def check_table(
    csv_path: str | Path,
    image_dir: str | Path,
    mask_dir: str | Path | None = None,
    masks_required: bool = False,
    progress: bool = True,
) -> list[Problem]:
    """Find every breach of the contract in a CSV and the files it names.

    image_dir, mask_dir: folders of the images and masks; without a mask folder no mask is looked at. masks_required:
    every row with a box must have a mask. progress: show a bar in a terminal where the check takes a while. Each image
    and mask is decoded once. Returns the problems by row, an empty list for sound data. Raises ``InputError`` only
    for a CSV that cannot be read as a table at all, and for required masks without a mask folder.
    """
    if masks_required and mask_dir is None:
        raise InputError(f"{csv_path}: masks are required, but no mask folder is given; name it")
    csv_path = contract.find_csv(csv_path)
    table, uneven_rows = contract.read_cells(csv_path)
    header = list(table.columns)
    missing = contract.missing_columns(header)
    if missing:
        return [Problem(csv_path, 1, name, near or "", f"a column named {name}") for name, near in missing.items()]
    if table.empty and not uneven_rows:
        return [Problem(csv_path, None, contract.IMAGE_NAME, "", "at least one row below the header")]
    rows = [_Row(csv_path, number, cells) for number, cells in contract.iterate_rows(table)]
    folders = _Folders(csv_path, Path(image_dir), None if mask_dir is None else Path(mask_dir), masks_required)
    problems = chain(
        _check_evenness(csv_path, uneven_rows, len(header)),
        *((*_check_names(row), *_check_size(row), *_check_box(row)) for row in rows),
        _check_duplicates(rows),
        _check_conflicts(rows),
        _check_absence(rows),
        folders.missing() or _check_files(rows, folders, progress),
    )
    return sorted(problems, key=lambda problem: problem.row or 0)


class _Row:
    """One CSV row with what could be read from its cells."""

    def __init__(self, file: Path, number: int, cells: contract.Row) -> None:
        self.file, self.number, self.cells = file, number, cells
        self.phrase = cells[contract.PHRASE]
        self.image_name = cells[contract.IMAGE_NAME]
        self.mask_name = cells[contract.MASK_NAME]
        self.is_absent = contract.is_absent(cells)
        self.width = _parse_length(cells[contract.IMAGE_WIDTH])
        self.height = _parse_length(cells[contract.IMAGE_HEIGHT])

    def box_xywh(self) -> BoxXYWH | None:
        """The box in pixels, or ``None`` where it is not four numbers with an area."""
        x, y, width, height = (contract.parse_number(self.cells[column]) for column in contract.BOX_COLUMNS)
        if x is None or y is None or width is None or height is None or min(width, height) <= 0:
            return None
        return x, y, width, height

    def problem(self, column: str, expected: str) -> Problem:
        return Problem(self.file, self.number, column, self.cells.get(column, ""), expected)


@dataclass(frozen=True)
class _Folders:
    """Where the files of the CSV lie."""

    csv_path: Path
    image_dir: Path
    mask_dir: Path | None
    masks_required: bool

    def missing(self) -> list[Problem]:
        folders = {contract.IMAGE_NAME: self.image_dir, contract.MASK_NAME: self.mask_dir}
        return [
            Problem(self.csv_path, None, column, str(folder), "an existing folder of these files")
            for column, folder in folders.items()
            if folder is not None and not folder.is_dir()
        ]


def _check_evenness(csv_path: Path, uneven_rows: dict[int, int], num_columns: int) -> Iterator[Problem]:
    for number, num_cells in uneven_rows.items():
        expected = f"{num_columns} cells as in the header; quote a phrase that holds a comma"
        yield Problem(csv_path, number, contract.PHRASE, f"{num_cells} cells", expected)


def _check_names(row: _Row) -> Iterator[Problem]:
    if not row.phrase.strip():
        yield row.problem(contract.PHRASE, "a phrase")
    elif not any(character.isalnum() for character in row.phrase):
        yield row.problem(contract.PHRASE, "a phrase with a letter or digit")
    if not row.image_name.strip():
        yield row.problem(contract.IMAGE_NAME, "the name of an image file")
    for column in (contract.IMAGE_NAME, contract.MASK_NAME):
        if row.cells[column].strip() and not _is_file_name(row.cells[column]):
            yield row.problem(column, "a file name without folders")


def _check_size(row: _Row) -> Iterator[Problem]:
    for column, length in ((contract.IMAGE_WIDTH, row.width), (contract.IMAGE_HEIGHT, row.height)):
        if length is None:
            yield row.problem(column, "a whole number of pixels above 0")


def _check_box(row: _Row) -> Iterator[Problem]:
    if row.is_absent:
        return
    numbers = {column: contract.parse_number(row.cells[column]) for column in contract.BOX_COLUMNS}
    for column, number in numbers.items():
        if number is None:
            is_empty = not row.cells[column].strip()
            yield row.problem(column, "a number, or all four box cells empty" if is_empty else "a finite number")
    x, y, width, height = contract.BOX_COLUMNS
    for start_column, length_column, limit in ((x, width, row.width), (y, height, row.height)):
        start, length = numbers[start_column], numbers[length_column]
        if start is not None and start < -BOX_SLACK:
            yield row.problem(start_column, "0 or more: the box starts outside the image")
        if length is not None and length <= 0:
            yield row.problem(length_column, "more than 0: the box has no area")
        elif start is not None and length is not None and limit is not None and start + length > limit + BOX_SLACK:
            yield row.problem(
                length_column, f"{start_column} + {length_column} at most {limit}: it ends outside the image"
            )


def _check_duplicates(rows: Sequence[_Row]) -> Iterator[Problem]:
    def identity(row: _Row) -> tuple[object, ...]:
        box = tuple(_comparable(row.cells[column]) for column in contract.BOX_COLUMNS)
        return row.image_name, row.phrase, box, row.mask_name

    for same in _grouped(rows, identity):
        for row in same[1:]:
            expected = f"no copy of row {same[0].number} (same image, phrase, box and mask_name)"
            yield row.problem(contract.PHRASE, expected)


def _check_conflicts(rows: Sequence[_Row]) -> Iterator[Problem]:
    columns = (contract.DATASET, contract.GROUP, contract.IMAGE_WIDTH, contract.IMAGE_HEIGHT)
    for first, *others in _grouped([row for row in rows if row.image_name], lambda row: row.image_name):
        for row in others:
            for column in columns:
                if _comparable(row.cells[column]) != _comparable(first.cells[column]):
                    expected = f"{first.cells[column] or '(empty)'}, as in row {first.number} of the same image"
                    yield row.problem(column, expected)


def _check_absence(rows: Sequence[_Row]) -> Iterator[Problem]:
    for same in _grouped(rows, lambda row: (row.image_name, row.phrase)):
        with_box = [row for row in same if not row.is_absent]
        for row in same:
            if row.is_absent and with_box:
                expected = f"a box, or no such row: row {with_box[0].number} has a box for this phrase in this image"
                yield row.problem(contract.PHRASE, expected)


def _check_files(rows: Sequence[_Row], folders: _Folders, progress: bool) -> list[Problem]:
    named = [row for row in rows if row.image_name.strip() and _is_file_name(row.image_name)]
    rows_of_image = _grouped(named, lambda row: row.image_name)
    rows_of_mask, problems = _rows_of_masks(named, folders)
    sizes: dict[str, Size | None] = {}
    # disable=None: the bar is for terminals only
    bar = tqdm(
        total=len(rows_of_image) + len(rows_of_mask),
        desc="checking files",
        delay=PROGRESS_DELAY,
        disable=None if progress else True,
    )
    with bar, ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1)) as pool:
        for same, (size, found) in zip(
            rows_of_image, pool.map(lambda same: _check_image(same, folders.image_dir), rows_of_image), strict=True
        ):
            sizes[same[0].image_name] = size
            problems += found
            bar.update()
        # masks only now, because each is held against the size of its image
        for found in pool.map(lambda item: _check_mask(item[0], item[1], sizes), rows_of_mask.items()):
            problems += found
            bar.update()
    return problems


def _check_image(rows: Sequence[_Row], image_dir: Path) -> tuple[Size | None, list[Problem]]:
    """The size of the image that the rows share, ``None`` where it does not decode, and what is wrong with it."""
    path = image_dir / rows[0].image_name
    if not path.is_file():
        return None, [rows[0].problem(contract.IMAGE_NAME, f"a file in {image_dir}")]
    try:
        height, width, _ = read_image(path).shape
    except InputError as error:
        return None, [rows[0].problem(contract.IMAGE_NAME, _reason(error, path))]
    problems = []
    for row in rows:
        for column, given, stored in (
            (contract.IMAGE_WIDTH, row.width, width),
            (contract.IMAGE_HEIGHT, row.height, height),
        ):
            if given is not None and given != stored:
                problems.append(row.problem(column, f"{stored}, as in the image file"))
    return (width, height), problems


def _rows_of_masks(rows: Sequence[_Row], folders: _Folders) -> tuple[dict[Path, list[_MaskedRow]], list[Problem]]:
    """The rows that each mask file belongs to, and the rows whose mask is missing."""
    rows_of_mask: dict[Path, list[_MaskedRow]] = {}
    problems = []
    for row in rows:
        named = bool(row.mask_name.strip())
        # A row without a box has no mask to look for, but a name it gives must hold.
        if folders.mask_dir is None or (row.is_absent and not named) or not _is_file_name(row.mask_name):
            continue
        reference = contract.mask_reference(row.mask_name, row.image_name, folders.mask_dir)
        if reference is not None and reference.path.is_file():
            rows_of_mask.setdefault(reference.path, []).append((row, reference.value))
        elif named:
            problems.append(row.problem(contract.MASK_NAME, f"a file in {folders.mask_dir}, NAME or NAME#VALUE"))
        elif folders.masks_required:
            expected = f"a mask in {folders.mask_dir} with the image's name, or its name in this column"
            problems.append(row.problem(contract.MASK_NAME, expected))
    return rows_of_mask, problems


def _check_mask(path: Path, masked_rows: Sequence[_MaskedRow], sizes: dict[str, Size | None]) -> list[Problem]:
    try:
        mask_file = read_mask_file(path)
    except InputError as error:
        return [masked_rows[0][0].problem(contract.MASK_NAME, _reason(error, path))]
    height, width = mask_file.foreground.shape
    problems = []
    for row, value in masked_rows:
        size = sizes[row.image_name]
        box_xywh = row.box_xywh()
        if size is not None and size != (width, height):
            expected = f"a mask of {size[0]} x {size[1]} as the image has; {path.name} is {width} x {height}"
            problems.append(row.problem(contract.MASK_NAME, expected))
            continue
        try:
            mask_hw = mask_file.select(value)
        except InputError as error:
            problems.append(row.problem(contract.MASK_NAME, _reason(error, path)))
            continue
        if box_xywh is not None and not _has_pixel_in_box(mask_hw, box_xywh):
            problems.append(row.problem(contract.MASK_NAME, f"pixels of this row inside its box; {path.name} has none"))
    return problems


def _has_pixel_in_box(mask_hw: Mask, box_xywh: BoxXYWH) -> bool:
    x, y, width, height = box_xywh
    rows = slice(max(math.floor(y), 0), max(math.ceil(y + height), 0))
    columns = slice(max(math.floor(x), 0), max(math.ceil(x + width), 0))
    return bool(mask_hw[rows, columns].any())


def _grouped(rows: Iterable[_Row], key: Callable[[_Row], object]) -> list[list[_Row]]:
    """Rows of equal key together, in order of first appearance."""
    groups: dict[object, list[_Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return list(groups.values())


def _parse_length(cell: str) -> int | None:
    number = contract.parse_number(cell)
    return int(number) if number is not None and number > 0 and number.is_integer() else None


def _comparable(cell: str) -> float | str:
    """The number of a cell, so that 10 and 10.0 are the same, else its text."""
    number = contract.parse_number(cell)
    return cell if number is None else number


def _is_file_name(name: str) -> bool:
    return "/" not in name and "\\" not in name


def _reason(error: InputError, path: Path) -> str:
    """What a reader says about a file, without its path, which the table shows as value."""
    return f"a sound file; {path.name} is {str(error).removeprefix(f'{path}: ')}"


def _shown(value: str) -> str:
    text = " ".join(value.split()) or "(empty)"
    return text if len(text) <= MAX_VALUE_LENGTH else text[: MAX_VALUE_LENGTH - 1] + "…"
