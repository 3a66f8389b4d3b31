"""Tables of phrases: what the values of a label map, or the labels of a tool, are called."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from gdinousam.data.contract.delimited import read_delimited
from gdinousam.errors import InputError
from gdinousam.identity import has_no_text
from gdinousam.reading import reading
from gdinousam.yaml_files import read_yaml

PHRASE = "phrase"
KEYS = ("value", "name", "label")  # what the other column of a CSV may be called
CLEAR_LABEL = 0  # ITK-SNAP's name for the background
# index, red, green, blue, opacity, visible, shown in 3-D, "name"
_ITK_SNAP_LINE = re.compile(r'^\s*(\d+)(?:\s+[\d.]+){6}\s+"(.*)"\s*$')


def read_phrase_table(path: Path) -> dict[str, str]:
    """Read a table: the phrase of each value or label, both as texts, in the order of the file.

    path: a YAML file of lines ``KEY: PHRASE``, a CSV with a column ``phrase`` and one of ``value``, ``name`` or
    ``label``, or the label descriptions that ITK-SNAP saves (``.txt``). Raises ``InputError`` for a file that is
    missing or no such table, for a phrase without a text, and for a key that stands twice.
    """
    readers = {".csv": _csv_lines, ".tsv": _csv_lines, ".txt": _itk_snap_lines}
    table: dict[str, str] = {}
    for key, phrase in readers.get(path.suffix.lower(), _yaml_lines)(path):
        if not key or not phrase.strip() or has_no_text(key + phrase):
            raise InputError(f"{path}: {key!r}: {phrase!r} are not a value or name and a phrase; write both")
        if table.setdefault(key, phrase) != phrase:
            raise InputError(f"{path}: {key!r} is {table[key]!r} and {phrase!r}; keep one")
    if not table:
        raise InputError(f"{path}: holds no phrase; write lines VALUE: PHRASE or NAME: PHRASE")
    return table


def _yaml_lines(path: Path) -> Iterator[tuple[str, str]]:
    content = read_yaml(path, missing=f"{path}: no such file; give a YAML or CSV file with the phrase of each label")
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds no mapping; write lines VALUE: PHRASE or NAME: PHRASE")
    for key, phrase in content.items():
        if isinstance(key, bool) or not isinstance(key, int | str) or not isinstance(phrase, str):
            raise InputError(f"{path}: {key!r}: {phrase!r} are not a value or name and a phrase; put texts in quotes")
        yield str(key), phrase


def _csv_lines(path: Path) -> Iterator[tuple[str, str]]:
    header, *lines = read_delimited(path, (*KEYS, PHRASE)) or [[]]
    key = next((name for name in KEYS if name in header), None)
    if key is None or PHRASE not in header:
        raise InputError(f"{path}: needs the columns value (or name, label) and phrase; it has {', '.join(header)}")
    places = header.index(key), header.index(PHRASE)
    for line in lines:
        if any(cell.strip() for cell in line):
            cells = [*line, *[""] * len(header)]
            yield cells[places[0]].strip(), cells[places[1]].strip()


def _itk_snap_lines(path: Path) -> Iterator[tuple[str, str]]:
    with reading(path, "label descriptions of ITK-SNAP"):
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    for line in lines:
        if line.strip() and not line.lstrip().startswith("#"):
            match = _ITK_SNAP_LINE.match(line)
            if match is None:
                raise InputError(f"{path}: {line.strip()!r} is no label description as ITK-SNAP saves it")
            if int(match[1]) != CLEAR_LABEL:
                yield match[1], match[2]
