"""The list file of a split: who is where, in a form whose bytes depend on nothing but the members."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from gdinousam.data.contract.layout import PARTS, Part
from gdinousam.data.contract.names import natural_key
from gdinousam.errors import InputError
from gdinousam.files import write_text

COLUMNS = ("split", "image_name", "group", "phrases")
SEPARATOR = "|"  # between the phrases of one cell


@dataclass(frozen=True)
class SplitListRow:
    """One image in one split, or in the support set.

    phrases: those whose objects of this image belong to the split, sorted; empty for an image without target.
    """

    split: Part
    image_name: str
    group: str
    phrases: tuple[str, ...]


def write_split_list(path: str | Path, rows: Iterable[SplitListRow]) -> str:
    """Write the members of a dataset's splits and return ``split_hash`` of the file.

    rows: in any order; the file has train, val, test, support and within them the images in natural order of their
    names, so the same members always give the same bytes. Without rows only the header is written. Raises
    ``ValueError`` for a phrase that holds the separator and for an image that is twice in one split.
    """
    ordered = sorted(rows, key=lambda row: (PARTS.index(row.split), natural_key(row.image_name), row.image_name))
    for row, after in pairwise(ordered):
        if (row.split, row.image_name) == (after.split, after.image_name):
            raise ValueError(f"{row.image_name} is twice in {row.split}; name each image once per split")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in ordered:
        if any(SEPARATOR in phrase for phrase in row.phrases):
            raise ValueError(f"{row.image_name}: a phrase of {row.phrases} holds {SEPARATOR!r}, which parts phrases")
        writer.writerow([row.split, row.image_name, row.group, SEPARATOR.join(sorted(row.phrases))])
    write_text(Path(path), text.getvalue())
    return split_hash(path)


def read_split_list(path: str | Path) -> list[SplitListRow]:
    """Read what ``write_split_list`` wrote, in the order of the file; a header only gives an empty list.

    Raises ``InputError`` for a file that is missing or no such list.
    """
    path = Path(path)
    try:
        lines = list(csv.reader(io.StringIO(path.read_bytes().decode(), newline=""), strict=True))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such split list; check the path") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not readable as a split list ({error}); restore the file") from error
    if not lines or tuple(lines[0]) != COLUMNS:
        raise InputError(f"{path}: no split list, its first line must be {','.join(COLUMNS)}; check the path")
    return [_row(path, number, cells) for number, cells in enumerate(lines[1:], start=2)]


def split_hash(path: str | Path) -> str:
    """SHA-256 of the bytes of a list file, 64 hexadecimal digits; two lists of one hash have the same members."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _row(path: Path, number: int, cells: list[str]) -> SplitListRow:
    if len(cells) != len(COLUMNS):
        raise InputError(f"{path}: row {number} has {len(cells)} cells instead of {len(COLUMNS)}; restore the file")
    name, image_name, group, phrases = cells
    split = next((split for split in PARTS if split == name), None)
    if split is None:
        raise InputError(f"{path}: row {number} has split {name!r} instead of one of {', '.join(PARTS)}")
    return SplitListRow(split, image_name, group, tuple(phrases.split(SEPARATOR)) if phrases else ())
