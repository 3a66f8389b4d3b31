"""Tables as text, in the ways that spreadsheets and other programs write them.

Comma, semicolon, tab or bar between cells; Excel's ``sep=`` line, byte order mark and UTF-16; decimal commas beside
other separators; spaces after separators and round column names; empty columns at the end; whole lines in one cell,
which is how a spreadsheet of another language saves a file that it did not take apart.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Collection, Sequence
from pathlib import Path

from gdinousam.errors import InputError
from gdinousam.identity import identity

SEPARATORS = (",", ";", "\t", "|")
_SEPARATOR_LINE = re.compile(r"\"?sep=(.)\"?\r?\n", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"([-+]?\d+),(\d+(?:[eE][-+]?\d+)?)")

Lines = list[list[str]]


def read_delimited(path: Path, columns: Collection[str], number_columns: Collection[str] | None = ()) -> Lines:
    """``parse_delimited`` of a file; ``InputError`` where it is missing, no text or no table."""
    try:
        return parse_delimited(decode(path.read_bytes()), columns, number_columns)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start}); save it as CSV UTF-8") from error
    except csv.Error as error:
        raise InputError(f"{path}: not readable as CSV ({error}); check its quotation marks") from error


def decode(content: bytes) -> str:
    """The text of a file, UTF-8 or UTF-16 with a byte order mark; ``UnicodeDecodeError`` where it is neither."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16")
    return content.decode("utf-8-sig")


def parse_delimited(text: str, columns: Collection[str], number_columns: Collection[str] | None = ()) -> Lines:
    """The cells of each line, the header first; a line without cells gives an empty list.

    columns: names to expect; the separator is the one that finds most of them in the header, a comma where none does.
    A header cell that names one of them but for letter case, spaces or quotation marks becomes it. number_columns: in
    which ``1,5`` is one and a half, where the comma does not part cells; ``None``: all. Lines may differ in length.
    Raises ``csv.Error`` for broken quotation marks.
    """
    named = _SEPARATOR_LINE.match(text)
    if named:
        text = text[named.end() :]
    first_line = text.split("\n", 1)[0]
    separator = named[1] if named else max(SEPARATORS, key=lambda one: _num_known(first_line, one, columns))
    lines = _parse(text, separator)
    if not lines:
        return []
    if len(lines[0]) == 1 and _num_known(lines[0][0], ",", columns) > 1:
        separator, lines[0] = ",", _cells(lines[0][0], ",")
    lines[1:] = [_taken_apart(cells, separator, len(lines[0])) for cells in lines[1:]]
    header = _without_empty_columns(lines)
    lines[0] = [_column(name, header, columns) for name in header]
    if separator != ",":
        hold_numbers = lines[0] if number_columns is None else number_columns
        places = [place for place, name in enumerate(lines[0]) if name in hold_numbers]
        lines[1:] = [_with_points(cells, places) for cells in lines[1:]]
    return lines


def _parse(text: str, separator: str) -> Lines:
    header = next(csv.reader(io.StringIO(text, newline=""), delimiter=separator), [])
    # only then do spaces belong to the separators; elsewhere a cell may begin with one
    spaced = len(header) > 1 and all(name.startswith(" ") for name in header[1:])
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=spaced)
    return list(reader)


def _num_known(line: str, separator: str, columns: Collection[str]) -> int:
    return len({_plain(cell) for cell in _cells(line, separator)} & set(columns))


def _cells(line: str, separator: str) -> list[str]:
    return next(csv.reader([line], delimiter=separator), [])


def _taken_apart(cells: list[str], separator: str, width: int) -> list[str]:
    """A line that was saved as one cell, as its cells; any other as it is."""
    if len(cells) == 1 < width and len(inner := _cells(cells[0], separator)) == width:
        return inner
    return cells


def _plain(name: str) -> str:
    return identity(name).strip("'\"")


def _column(name: str, header: Sequence[str], columns: Collection[str]) -> str:
    plain = _plain(name)
    return plain if plain in columns and plain not in header else name


def _without_empty_columns(lines: Lines) -> list[str]:
    """Take columns without a name and a value off the end of all lines, in place; returns the header."""
    header = lines[0]
    filled = max((place + 1 for cells in lines for place, cell in enumerate(cells) if cell.strip()), default=0)
    width = max(filled, len(header) - next((n for n, name in enumerate(reversed(header)) if name.strip()), len(header)))
    if width < len(header):
        lines[:] = [cells[:width] if len(cells) == len(header) else cells for cells in lines]
    return lines[0]


def _with_points(cells: list[str], places: Sequence[int]) -> list[str]:
    pointed = list(cells)
    for place in places:
        if place < len(cells) and (number := _DECIMAL_COMMA.fullmatch(cells[place].strip())):
            pointed[place] = f"{number[1]}.{number[2]}"
    return pointed
