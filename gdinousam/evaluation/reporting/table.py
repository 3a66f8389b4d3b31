"""What a table is before it is written: cells that hold text and numbers, columns, remarks and footnotes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_lowercase

NOTHING = "-"  # printed for a number that does not exist


@dataclass(frozen=True)
class Cell:
    """text: as printed. values: what stands in the CSV, one per entry of the column's ``csv_names``; nan: nothing.

    best: printed in bold. notes: footnotes, one sentence each.
    """

    text: str
    values: tuple[float | int | str, ...]
    best: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Column:
    """title: heading. csv_names: headings of the numbers in CSV. group: heading over neighbours that share it."""

    title: str
    csv_names: tuple[str, ...]
    group: str = ""
    is_text: bool = False


@dataclass(frozen=True)
class Table:
    """title: one line above it. lines: each as long as columns. remarks: sentences below it, before the footnotes.

    num_summaries: so many last lines, averages say, are set off by a rule.
    """

    title: str
    columns: tuple[Column, ...]
    lines: tuple[tuple[Cell, ...], ...]
    remarks: tuple[str, ...] = ()
    num_summaries: int = 0


def text_column(title: str) -> Column:
    """A column of words."""
    return Column(title, (title,), is_text=True)


def number_columns(*titles: str) -> tuple[Column, ...]:
    """A column of numbers for each title, which is its heading in CSV too."""
    return tuple(Column(title, (title,)) for title in titles)


def text_cell(text: str, notes: tuple[str, ...] = ()) -> Cell:
    """Words."""
    return Cell(text, (text,), notes=notes)


def count_cell(count: int, notes: tuple[str, ...] = ()) -> Cell:
    """A whole number."""
    return Cell(str(count), (count,), notes=notes)


def number_cell(value: float, decimals: int = 2, best: bool = False, notes: tuple[str, ...] = ()) -> Cell:
    """One number; nan is printed as "-"."""
    return Cell(NOTHING if math.isnan(value) else f"{value:.{decimals}f}", (value,), best, notes)


def difference_cell(value: float, decimals: int = 2) -> Cell:
    """A number with its sign; nan is printed as "-"."""
    return Cell(NOTHING if math.isnan(value) else f"{value:+.{decimals}f}", (value,))


def spread_cell(mean: float, deviation: float, best: bool = False, notes: tuple[str, ...] = ()) -> Cell:
    """A mean with its standard deviation; a column of these has two ``csv_names``."""
    text = NOTHING if math.isnan(mean) else f"{mean:.2f} ± {deviation:.2f}"
    return Cell(text, (mean, deviation), best, notes)


def interval_cell(low: float, high: float, decimals: int = 2) -> Cell:
    """An interval; a column of these has two ``csv_names``."""
    text = NOTHING if math.isnan(low) else f"{low:.{decimals}f} to {high:.{decimals}f}"
    return Cell(text, (low, high))


def probability_cell(value: float) -> Cell:
    """A p-value, printed with three digits after the point or as "< 0.001"."""
    if math.isnan(value):
        return Cell(NOTHING, (value,))
    return Cell("< 0.001" if value < 0.001 else f"{value:.3f}", (value,))


def footnote_marks(table: Table) -> dict[str, str]:
    """A mark for each footnote, in order of first appearance: a to z, then aa, ab, ..."""
    notes = dict.fromkeys(note for line in table.lines for cell in line for note in cell.notes)
    return {note: _letters(number) for number, note in enumerate(notes)}


def _letters(number: int) -> str:
    first, last = divmod(number, len(ascii_lowercase))
    return (_letters(first - 1) if first else "") + ascii_lowercase[last]


def column_groups(columns: Sequence[Column]) -> list[tuple[str, int, int]]:
    """(heading, first column, last column + 1) of neighbours with one group; a column without one is alone."""
    groups: list[tuple[str, int, int]] = []
    for place, column in enumerate(columns):
        if column.group and groups and groups[-1][0] == column.group:
            groups[-1] = (column.group, groups[-1][1], place + 1)
        else:
            groups.append((column.group, place, place + 1))
    return groups
