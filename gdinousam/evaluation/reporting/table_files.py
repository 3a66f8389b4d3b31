"""One table, four forms: Markdown, LaTeX (booktabs), CSV and plain text for a terminal.

A cell holds the text that is printed and the numbers behind it. CSV gets the numbers with all their digits, the other
forms the text. Footnotes belong to cells; each form marks and lists them itself.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from gdinousam.errors import InputError
from gdinousam.evaluation.reporting.latex import PREAMBLE, Layout, as_latex
from gdinousam.evaluation.reporting.table import Cell, Table, column_groups, footnote_marks
from gdinousam.files import csv_file, write_text

NOTES_COLUMN = "notes"
_BEST_MARK = "*"
_GAP = "  "  # between the columns of plain text


def as_plain(table: Table) -> str:
    """The table for a terminal, columns aligned; the best is marked with a star."""
    marks = footnote_marks(table)
    cells = [[column.title for column in table.columns]]
    for line in table.lines:
        cells.append([cell.text + _BEST_MARK * cell.best + _plain_marks(cell, marks) for cell in line])
    widths = [max(len(line[column]) for line in cells) for column in range(len(table.columns))]
    groups = column_groups(table.columns)
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
    marks = footnote_marks(table)
    header = [f"{column.group}: {column.title}" if column.group else column.title for column in table.columns]
    lines = [
        [_markdown_text(title) for title in header],
        ["---" if column.is_text else "---:" for column in table.columns],
        *[[_markdown_cell(cell, marks) for cell in line] for line in table.lines],
    ]
    below = [*table.remarks, *(f"<sup>{mark}</sup> {_markdown_text(note)}" for note, mark in marks.items())]
    text = f"### {table.title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
    return text + "".join(f"\n{line}\n" for line in below)


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


def write_table_files(tables: Mapping[str, Table], folder: Path, stem: str, latex: Layout = "text") -> list[Path]:
    """Write ``<stem>.md`` and ``<stem>.tex`` with all tables and ``<stem>_<name>.csv`` of each; returns the paths.

    tables: by name, at least one. latex: what the LaTeX tables have to fit. Earlier files of these names are replaced;
    the folder is made if missing. Raises InputError where it cannot be written.
    """
    in_latex = [as_latex(table, f"{stem}-{name}", latex) for name, table in tables.items()]
    texts = {
        "md": "\n".join(map(as_markdown, tables.values())),
        "tex": "\n".join([f"{PREAMBLE}\n", *in_latex]),
    }
    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for suffix, text in texts.items():
            paths.append(folder / f"{stem}.{suffix}")
            write_text(paths[-1], text)
        for name, table in tables.items():
            paths.append(folder / f"{stem}_{name}.csv")
            write_csv(table, paths[-1])
    except OSError as error:
        raise InputError(f"cannot write to {folder} ({error.strerror}); name another folder") from error
    return paths


def _plain_marks(cell: Cell, marks: Mapping[str, str]) -> str:
    return "".join(f" [{marks[note]}]" for note in cell.notes)


def _span(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


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
