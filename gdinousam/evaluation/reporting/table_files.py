"""One table, four forms: Markdown, LaTeX (booktabs), CSV and plain text for a terminal.

A cell holds the text that is printed and the numbers behind it. CSV gets the numbers with all their digits, the other
forms the text. Footnotes belong to cells; each form marks and lists them itself.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_lowercase

from gdinousam.errors import InputError
from gdinousam.files import csv_file, write_text

NOTHING = "-"  # printed for a number that does not exist
NOTES_COLUMN = "notes"
_BEST_MARK = "*"
_GAP = "  "  # between the columns of plain text
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "<": "$<$",
    ">": "$>$",
} | {sign: f"\\{sign}" for sign in "&%$#_{}"}


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


def as_plain(table: Table) -> str:
    """The table for a terminal, columns aligned; the best is marked with a star."""
    marks = _marks(table)
    cells = [[column.title for column in table.columns]]
    for line in table.lines:
        cells.append([cell.text + _BEST_MARK * cell.best + _plain_marks(cell, marks) for cell in line])
    widths = [max(len(line[column]) for line in cells) for column in range(len(table.columns))]
    groups = _groups(table.columns)
    for group, start, end in groups:  # a group's heading may be wider than its columns
        widths[start] += max(0, len(group) - _span(widths[start:end]))
    lines = [_GAP.join(_aligned(table, line, widths)).rstrip() for line in cells]
    rule = "-" * _span(widths)
    lines.insert(1, rule)
    if table.num_summaries:
        lines.insert(len(lines) - table.num_summaries, rule)
    if any(group for group, _, _ in groups):
        lines.insert(0, _GAP.join(group.center(_span(widths[start:end])) for group, start, end in groups).rstrip())
    best = [f"{_BEST_MARK} best."] if any(cell.best for line in table.lines for cell in line) else []
    below = [*best, *table.remarks, *(f"[{mark}] {note}" for note, mark in marks.items())]
    return "\n".join([table.title, "", *lines, *([""] if below else []), *below]) + "\n"


def as_markdown(table: Table) -> str:
    """The table in Markdown, the best in bold, its title as a heading of the third level."""
    marks = _marks(table)
    header = [f"{column.group}: {column.title}" if column.group else column.title for column in table.columns]
    lines = [
        [_markdown_text(title) for title in header],
        ["---" if column.is_text else "---:" for column in table.columns],
        *[[_markdown_cell(cell, marks) for cell in line] for line in table.lines],
    ]
    below = [*table.remarks, *(f"<sup>{mark}</sup> {_markdown_text(note)}" for note, mark in marks.items())]
    text = f"### {table.title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
    return text + "".join(f"\n{line}\n" for line in below)


def as_latex(table: Table) -> str:
    """The table in LaTeX; it needs ``\\usepackage{booktabs}``."""
    marks = _marks(table)
    body = [" & ".join(_latex_cell(cell, marks) for cell in line) + r" \\" for line in table.lines]
    if table.num_summaries:
        body.insert(len(body) - table.num_summaries, r"\midrule")
    below = [latex_text(remark) for remark in table.remarks]
    below += [rf"\textsuperscript{{{mark}}} {latex_text(note)}" for note, mark in marks.items()]
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{latex_text(table.title)}}}",
        rf"\begin{{tabular}}{{{''.join('l' if column.is_text else 'r' for column in table.columns)}}}",
        r"\toprule",
        *_latex_groups(table.columns),
        " & ".join(latex_text(column.title) for column in table.columns) + r" \\",
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        *(rf"\par\footnotesize {line}" for line in below),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def latex_text(text: str) -> str:
    """Words with everything escaped that LaTeX would take for a command."""
    return "".join(_LATEX.get(letter, letter) for letter in text)


def write_csv(table: Table, path: Path) -> None:
    """Write the numbers with all their digits, and the footnotes of a line in its last column if there are any."""
    has_notes = any(cell.notes for line in table.lines for cell in line)
    header = [f"{column.group} {name}".strip() for column in table.columns for name in column.csv_names]
    with csv_file(path) as file:
        writer = csv.writer(file)
        writer.writerow([*header, *([NOTES_COLUMN] if has_notes else [])])
        for line in table.lines:
            values = [value for cell in line for value in cell.values]
            notes = dict.fromkeys(note for cell in line for note in cell.notes)
            writer.writerow([*values, *([" ".join(notes)] if has_notes else [])])


def write_table_files(tables: Mapping[str, Table], folder: Path, stem: str) -> list[Path]:
    """Write ``<stem>.md`` and ``<stem>.tex`` with all tables and ``<stem>_<name>.csv`` of each; returns the paths.

    tables: by name, at least one. Earlier files of these names are replaced; the folder is made if missing.
    Raises InputError where it cannot be written.
    """
    forms: dict[str, Callable[[Table], str]] = {"md": as_markdown, "tex": as_latex}
    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for suffix, form in forms.items():
            paths.append(folder / f"{stem}.{suffix}")
            write_text(paths[-1], "\n".join(form(table) for table in tables.values()))
        for name, table in tables.items():
            paths.append(folder / f"{stem}_{name}.csv")
            write_csv(table, paths[-1])
    except OSError as error:
        raise InputError(f"cannot write to {folder} ({error.strerror}); name another folder") from error
    return paths


def _marks(table: Table) -> dict[str, str]:
    """A mark for each footnote, in order of first appearance: a to z, then aa, ab, ..."""
    notes = dict.fromkeys(note for line in table.lines for cell in line for note in cell.notes)
    return {note: _letters(number) for number, note in enumerate(notes)}


def _letters(number: int) -> str:
    first, last = divmod(number, len(ascii_lowercase))
    return (_letters(first - 1) if first else "") + ascii_lowercase[last]


def _plain_marks(cell: Cell, marks: Mapping[str, str]) -> str:
    return "".join(f" [{marks[note]}]" for note in cell.notes)


def _span(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _groups(columns: Sequence[Column]) -> list[tuple[str, int, int]]:
    """(heading, first column, last column + 1) of neighbours with one group; a column without one is alone."""
    groups: list[tuple[str, int, int]] = []
    for place, column in enumerate(columns):
        if column.group and groups and groups[-1][0] == column.group:
            groups[-1] = (column.group, groups[-1][1], place + 1)
        else:
            groups.append((column.group, place, place + 1))
    return groups


def _aligned(table: Table, line: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [
        cell.ljust(width) if column.is_text else cell.rjust(width)
        for column, cell, width in zip(table.columns, line, widths, strict=True)
    ]


def _markdown_cell(cell: Cell, marks: Mapping[str, str]) -> str:
    text = _markdown_text(cell.text)
    return (f"**{text}**" if cell.best else text) + "".join(f" <sup>{marks[note]}</sup>" for note in cell.notes)


def _markdown_text(text: str) -> str:
    return re.sub(r"([|*<\\])", r"\\\1", text)


def _latex_cell(cell: Cell, marks: Mapping[str, str]) -> str:
    text = re.sub(r"(?<!\S)-(?=\d)", "$-$", latex_text(cell.text))  # a hyphen is not a minus
    text = rf"\textbf{{{text}}}" if cell.best else text
    return text + "".join(rf"\textsuperscript{{{marks[note]}}}" for note in cell.notes)


def _latex_groups(columns: Sequence[Column]) -> list[str]:
    """The heading line above the headings, with a short rule under each group; nothing where there are no groups."""
    if not any(column.group for column in columns):
        return []
    heads, rules = [], []
    for group, start, end in _groups(columns):
        heads.append(rf"\multicolumn{{{end - start}}}{{c}}{{{latex_text(group)}}}")
        if group:
            rules.append(rf"\cmidrule(lr){{{start + 1}-{end}}}")
    return [" & ".join(heads) + r" \\", " ".join(rules)]
