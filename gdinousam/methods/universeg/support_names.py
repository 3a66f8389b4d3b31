"""The list of images that UniverSeg's examples are drawn from: a CSV of two columns, one image a row."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from gdinousam.data.contract.delimited import decode, parse_delimited
from gdinousam.errors import InputError
from gdinousam.records import ImageRecord

COLUMNS = ("dataset", "image_name")
_NAMES_SHOWN = 5

SupportNames = dict[str, frozenset[str]]
"""The names of images by the name of their dataset."""


def read_support_names(path: Path) -> SupportNames:
    """Read such a list; empty lines count for nothing.

    path: UTF-8 text whose first line is ``dataset,image_name``; names as in the training file, letter case included.
    Raises InputError for a file that is missing, no such list, without a row, or that names an image twice.
    """
    names: dict[str, set[str]] = {}
    for number, cells in _rows(path):
        if len(cells) != len(COLUMNS) or not all(cell.strip() for cell in cells):
            raise InputError(f"{path}: row {number} is {','.join(cells)!r}; it must hold a dataset and an image name")
        dataset, image_name = cells
        of_dataset = names.setdefault(dataset, set())
        if image_name in of_dataset:
            raise InputError(f"{path}: row {number} names {image_name} of {dataset} again; remove one of the two")
        of_dataset.add(image_name)
    if not names:
        raise InputError(f"{path}: names no image; write one per row below {','.join(COLUMNS)}")
    return {dataset: frozenset(of_dataset) for dataset, of_dataset in names.items()}


def require_known(names: Mapping[str, frozenset[str]], records: Sequence[ImageRecord], path: Path) -> None:
    """Raise InputError unless each name is one of the records'. path: the list, for the message."""
    known = {(record.dataset, record.path.name) for record in records}
    unknown = sorted(
        f"{image_name} of {dataset}"
        for dataset, of_dataset in names.items()
        for image_name in of_dataset
        if (dataset, image_name) not in known
    )
    if unknown:
        shown = ", ".join(unknown[:_NAMES_SHOWN]) + ", ..." * (len(unknown) > _NAMES_SHOWN)
        raise InputError(f"{path}: {len(unknown)} of its images are not in the training file: {shown}; correct them")


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """The rows below the header that hold anything, with their numbers in the file."""
    try:
        lines = parse_delimited(decode(path.read_bytes()), COLUMNS)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such list of support images; check the path") from error
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise InputError(f"{path}: not readable as a CSV of UTF-8 text ({error}); save it as one") from error
    if not lines or tuple(lines[0]) != COLUMNS:
        raise InputError(f"{path}: its first line must be {','.join(COLUMNS)}; it lists the support images")
    return [(number, cells) for number, cells in enumerate(lines[1:], start=2) if "".join(cells).strip()]
