"""The tables of a release, whether they are still the spreadsheet that was published or have been saved as CSV."""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from gdinousam.errors import InputError
from gdinousam.reading import reading

SPREADSHEET_SUFFIXES = (".xlsx", ".xlsm")


def read_release_table(path: Path, columns: Sequence[str], separator: str = ",") -> pd.DataFrame:
    """Read a table whose first line names its columns.

    path: the first sheet of a spreadsheet, or UTF-8 text, with or without a byte order mark. columns: those that must
    be there; others are kept. separator: of the cells in text. Returns the lines that are not empty in the table's
    order, no rows for a table that holds its header only. Every cell is a str, an empty one ``""``: text stays as it
    is, so that ``000001`` keeps its zeros, and whole numbers of a spreadsheet have no decimal point. The spaces round
    names of columns are dropped. Raises ``InputError`` for a file that is missing or not readable as such a table, for
    a line of another length than the first, and for columns that are missing or there twice.
    """
    with reading(path, "a table", "fetch it again", missing="no such table; fetch the release again"):
        lines = (
            _spreadsheet_lines(path) if path.suffix.lower() in SPREADSHEET_SUFFIXES else _text_lines(path, separator)
        )
    filled = [(number, cells) for number, cells in enumerate(lines, start=1) if any(cell.strip() for cell in cells)]
    if not filled:
        raise InputError(f"{path}: holds nothing, expected the columns {', '.join(columns)}; fetch it again")
    (_, header), *rows = filled
    names = [name.strip() for name in header]
    _require_columns(names, columns, path)
    for number, cells in rows:
        if len(cells) != len(names):
            raise InputError(f"{path}: line {number} has {len(cells)} cells instead of {len(names)}; fetch it again")
    return pd.DataFrame([cells for _, cells in rows], columns=names, dtype=str)


def find_release_table(candidates: Sequence[Path]) -> Path:
    """The first of the candidates that is a file; ``InputError`` that names them all where none is."""
    for path in candidates:
        if path.is_file():
            return path
    named = " or ".join(path.name for path in candidates)
    raise InputError(f"{candidates[0].parent}: incomplete download, no table {named}; fetch it again")


def require_listed(files: Iterable[Path], listed: Iterable[Path], table: Path) -> None:
    """Raise ``InputError`` where a file is not among those that the table lists; fine without any file."""
    unlisted = sorted({*files} - {*listed})
    if unlisted:
        raise InputError(
            f"{table}: {len(unlisted)} files have no row, the first is {unlisted[0].name}; fetch the table again"
        )


def _text_lines(path: Path, separator: str) -> list[list[str]]:
    text = path.read_bytes().decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))


def _spreadsheet_lines(path: Path) -> list[list[str]]:
    cells = pd.read_excel(path, header=None, dtype=object, keep_default_na=False, na_filter=False, engine="openpyxl")
    return [[_cell_text(cell) for cell in line] for line in cells.itertuples(index=False, name=None)]


def _cell_text(cell: object) -> str:
    if cell is None:
        return ""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _require_columns(given: Sequence[str], columns: Sequence[str], path: Path) -> None:
    twice = [name for name in columns if given.count(name) > 1]
    if twice:
        raise InputError(f"{path}: column {twice[0]} is there twice; fetch the table again")
    lowered = {name.lower(): name for name in given if name}
    named = []
    for name in columns:
        if name not in given:
            nearest = difflib.get_close_matches(name.lower(), list(lowered), n=1, cutoff=0.5)
            named.append(f"{name} (nearest: {lowered[nearest[0]]})" if nearest else name)
    if named:
        raise InputError(f"{path}: columns missing: {', '.join(named)}; fetch the table again")
