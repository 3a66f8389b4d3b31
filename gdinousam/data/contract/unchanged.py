"""Files stay, as long as a run lasts, what they were when it looked through them; one that changes is named.

A file is known by its size and the time of its last change, so that asking again costs next to nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from gdinousam.data.contract.reading import find_csv, read_records
from gdinousam.errors import InputError
from gdinousam.records import FileState, ImageRecord, Instance


def checked_records(
    csv_path: str | Path,
    image_dir: str | Path,
    mask_dir: str | Path | None,
    check: Callable[[], object],
    resize_masks: bool = False,
) -> tuple[ImageRecord, ...]:
    """``read_records``, with the state of each file from before the check, so that what changes later is noticed.

    check: looks through the CSV and its files; what it raises is passed on. Raises ``InputError`` as well for a CSV
    that is missing or changes meanwhile.
    """
    csv_path = find_csv(csv_path)
    csv_state = state_of(csv_path)
    states = _states_in([Path(folder) for folder in (image_dir, mask_dir) if folder is not None])
    check()
    with unchanged(csv_path, csv_state):
        records = read_records(csv_path, image_dir, mask_dir, resize_masks)
    return tuple(_with_states(record, states) for record in records)


@contextmanager
def unchanged(path: Path, state: FileState | None) -> Iterator[None]:
    """Raise ``InputError`` at the end of a block that reads a file where it is not what it was any more.

    state: what it was; ``None``: nobody knows, and nothing is raised. A file that is gone is left to the block.
    """
    try:
        yield
    finally:  # also where it could not be read: half a new file is not a damaged one
        now = state_of(path) if state else None
        if state and now and state != now:
            raise InputError(
                f"{path}: has changed since this run looked through its data; let the data stay as it is while a run "
                "lasts, and start the run again"
            )


def state_of(path: Path) -> FileState | None:
    """What a file is known by; ``None`` where it is not there or cannot be looked at."""
    try:
        return _state(path.stat())
    except OSError:
        return None


def _state(found: os.stat_result) -> FileState:
    return FileState(found.st_size, found.st_mtime_ns)


def _states_in(folders: Iterable[Path]) -> dict[Path, FileState]:
    """Of all files right in some folders; what cannot be looked at has none, of which the check tells better."""
    states = {}
    for folder in folders:
        try:
            with os.scandir(folder) as entries:
                states.update({folder / entry.name: _state(entry.stat()) for entry in entries if entry.is_file()})
        except OSError:
            continue
    return states


def _with_states(record: ImageRecord, states: Mapping[Path, FileState]) -> ImageRecord:
    def with_state(instance: Instance) -> Instance:
        mask = instance.mask
        return instance if mask is None else replace(instance, mask=replace(mask, state=states.get(mask.path)))

    instances = tuple(with_state(instance) for instance in record.instances)
    return replace(record, instances=instances, state=states.get(record.path))
