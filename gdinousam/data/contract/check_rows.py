"""Checks of the CSV itself: cell by cell, then rows against rows. No image or mask is opened."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from gdinousam.data.contract import reading as contract
from gdinousam.data.contract.box_readings import BOX_SLACK
from gdinousam.data.contract.problems import Problem
from gdinousam.identity import difference, identity, phrase_identity, phrases_in, visible
from gdinousam.phrase_book import read_phrase_book
from gdinousam.records import BoxXYWH

MAX_TOKENS = 256  # of a caption: max_text_len of the published Grounding DINO models


class CheckedRow:
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


def check_rows(rows: Sequence[CheckedRow], phrase_book: Path | None = None) -> Iterator[Problem]:
    """The problems of the cells, each row by itself, then of rows that contradict each other.

    phrase_book: says which phrases are words for one thing; ``None``: the package's.
    """
    for row in rows:
        yield from _check_names(row)
        yield from _check_size(row)
        yield from _check_box(row)
    yield from _check_duplicates(rows)
    yield from _check_conflicts(rows)
    yield from _check_absence(rows, phrase_book)
    yield from _check_spellings(rows)


def _check_names(row: CheckedRow) -> Iterator[Problem]:
    if not row.phrase.strip():
        yield row.problem(contract.PHRASE, "a phrase")
    elif not any(character.isalnum() for character in row.phrase):
        yield row.problem(contract.PHRASE, "a phrase with a letter or digit")
    elif len(parts := phrases_in(row.phrase)) > 1 and row.phrase.rstrip().endswith("."):
        yield row.problem(contract.PHRASE, f"one phrase; full stops part {len(parts)}, so write a row for each")
    elif (num_tokens := _min_tokens(row.phrase)) > MAX_TOKENS:
        expected = f"a shorter phrase: it takes {num_tokens} tokens or more, Grounding DINO reads {MAX_TOKENS}"
        yield row.problem(contract.PHRASE, expected)
    if not row.image_name.strip():
        yield row.problem(contract.IMAGE_NAME, "the name of an image file")
    for column in (contract.IMAGE_NAME, contract.MASK_NAME):
        if row.cells[column].strip() and not is_file_name(row.cells[column]):
            yield row.problem(column, "a file name without folders")


def _check_size(row: CheckedRow) -> Iterator[Problem]:
    for column, length in ((contract.IMAGE_WIDTH, row.width), (contract.IMAGE_HEIGHT, row.height)):
        if length is None:
            yield row.problem(column, "a whole number of pixels above 0")


def _check_box(row: CheckedRow) -> Iterator[Problem]:
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


def _check_duplicates(rows: Sequence[CheckedRow]) -> Iterator[Problem]:
    def identity(row: CheckedRow) -> tuple[object, ...]:
        box = tuple(_comparable(row.cells[column]) for column in contract.BOX_COLUMNS)
        return row.image_name, phrase_identity(row.phrase), box, row.mask_name

    for same in grouped(rows, identity):
        for row in same[1:]:
            expected = f"no copy of row {same[0].number} (same image, phrase, box and mask_name)"
            yield row.problem(contract.PHRASE, expected)


def _check_conflicts(rows: Sequence[CheckedRow]) -> Iterator[Problem]:
    columns = (contract.DATASET, contract.GROUP, contract.IMAGE_WIDTH, contract.IMAGE_HEIGHT)
    for first, *others in grouped([row for row in rows if row.image_name], lambda row: row.image_name):
        for row in others:
            for column in columns:
                if _comparable(row.cells[column]) != _comparable(first.cells[column]):
                    expected = (
                        f"{visible(first.cells[column]) or '(empty)'}, as in row {first.number} of the same image"
                    )
                    yield row.problem(column, expected)


def _check_absence(rows: Sequence[CheckedRow], phrase_book: Path | None) -> Iterator[Problem]:
    """What is absent in one row and has a box in another, under the same phrase or a synonym of it."""
    if not any(row.is_absent for row in rows):
        return
    book = read_phrase_book(phrase_book)

    def thing(row: CheckedRow) -> tuple[str, str]:
        entry = book.entry(row.phrase)
        return row.image_name, phrase_identity(row.phrase if entry is None else entry.phrase)

    for same in grouped(rows, thing):
        with_box = [row for row in same if not row.is_absent]
        for row in same:
            if row.is_absent and with_box:
                first = with_box[0]
                is_spelt_alike = phrase_identity(row.phrase) == phrase_identity(first.phrase)
                name = "this phrase" if is_spelt_alike else f"{visible(first.phrase)}, which is the same thing,"
                expected = f"a box, or no such row: row {first.number} has a box for {name} in this image"
                yield row.problem(contract.PHRASE, expected)


def _check_spellings(rows: Sequence[CheckedRow]) -> Iterator[Problem]:
    """Names of files that a person and some file systems take for one; the table would have two images of it."""
    first_of: dict[str, CheckedRow] = {}
    for same in grouped(rows, lambda row: row.image_name):
        row = same[0]
        first = first_of.setdefault(identity(row.image_name), row)
        if first is not row:
            expected = (
                f"{visible(first.image_name)} as in row {first.number}, or a name that differs by more than "
                f"{difference(row.image_name, first.image_name)}"
            )
            yield row.problem(contract.IMAGE_NAME, expected)


def grouped(rows: Iterable[CheckedRow], key: Callable[[CheckedRow], object]) -> list[list[CheckedRow]]:
    """Rows of equal key together, in order of first appearance."""
    groups: dict[object, list[CheckedRow]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return list(groups.values())


def _min_tokens(phrase: str) -> int:
    """Tokens of a phrase's caption, at least: one for each word and mark, a full stop, and BERT's two ends."""
    return len(re.findall(r"\w+|[^\w\s]", phrase_identity(phrase))) + 3


def _parse_length(cell: str) -> int | None:
    number = contract.parse_number(cell)
    return int(number) if number is not None and number > 0 and number.is_integer() else None


def _comparable(cell: str) -> float | str:
    """The number of a cell, so that 10 and 10.0 are the same, else its identity."""
    number = contract.parse_number(cell)
    return identity(cell) if number is None else number


def is_file_name(name: str) -> bool:
    """Whether the name is a bare file name, without folders."""
    return "/" not in name and "\\" not in name
