"""The datasets of a file of images, and the images of those that a config names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from gdinousam.errors import InputError
from gdinousam.records import ImageRecord


def datasets_of(records: Iterable[ImageRecord]) -> tuple[str, ...]:
    """The distinct datasets of the records, in order of first appearance."""
    return tuple(dict.fromkeys(record.dataset for record in records))


def of_datasets(
    records: tuple[ImageRecord, ...], datasets: Sequence[str] | None, csv_path: Path
) -> tuple[ImageRecord, ...]:
    """The records of the named datasets in the order of the file, all of them where ``datasets`` is ``None``.

    datasets: as in the column ``dataset``; letter case counts. csv_path: the file, for the message. Raises InputError
    for a dataset that the file does not have; the message lists those that it has.
    """
    if datasets is None:
        return records
    known = datasets_of(records)
    for name in datasets:
        if name not in known:
            raise InputError(f"{csv_path}: no image of dataset {name!r} (data.datasets); it has: {', '.join(known)}")
    return tuple(record for record in records if record.dataset in datasets)
