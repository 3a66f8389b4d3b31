"""The datasets of a file of images, and the images of those that a config names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from gdinousam.errors import InputError
from gdinousam.identity import same_name
from gdinousam.records import ImageRecord


def datasets_of(records: Iterable[ImageRecord]) -> tuple[str, ...]:
    """The distinct datasets of the records, in order of first appearance."""
    return tuple(dict.fromkeys(record.dataset for record in records))


def of_datasets(
    records: tuple[ImageRecord, ...], datasets: Sequence[str] | None, csv_path: Path
) -> tuple[ImageRecord, ...]:
    """The records of the named datasets in the order of the file, all of them where ``datasets`` is ``None``.

    datasets: as in the column ``dataset``, in any spelling. csv_path: the file, for the message. Raises InputError
    for a dataset that the file does not have; the message lists those that it has.
    """
    if datasets is None:
        return records
    known = datasets_of(records)
    wanted = {name: same_name(name, known) for name in datasets}
    for name, found in wanted.items():
        if found is None:
            raise InputError(f"{csv_path}: no image of dataset {name!r} (data.datasets); it has: {', '.join(known)}")
    return tuple(record for record in records if record.dataset in wanted.values())
