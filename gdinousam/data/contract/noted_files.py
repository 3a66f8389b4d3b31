"""The note of a run on the files of its data, by which a run that goes on knows that they are still the same."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gdinousam.errors import InputError
from gdinousam.files import write_text
from gdinousam.reading import reading
from gdinousam.records import FileState, ImageRecord

logger = logging.getLogger(__name__)

FILES_NAME = "files.json"

Parts = Mapping[str, Sequence[ImageRecord]]  # records by what they are for, such as "train" and "val"


def note_files(folder: Path, parts: Parts) -> None:
    """Write size and time of change of every image and mask into the folder of a run; unknown ones are left out."""
    content = {kind: {path.name: _pair(state) for path, state in files} for kind, files in _files(parts)}
    write_text(folder / FILES_NAME, json.dumps(content) + "\n")


def require_noted_files(folder: Path, parts: Parts, remedy: str) -> None:
    """Raise InputError where a file is no longer what the run in the folder noted. remedy: what else can be done.

    Files that are as large as they were and all have other times are taken for a copy of the data. Files that were not
    noted, and runs of older versions, are not judged.
    """
    noted = _read(folder / FILES_NAME, remedy)
    pairs = [
        (path, now, before)
        for kind, files in _files(parts)
        for path, state in files
        if (now := _pair(state)) and (before := noted.get(kind, {}).get(path.name)) is not None
    ]
    changed = [path for path, now, before in pairs if now != before]
    if not changed:
        return
    if len(changed) == len(pairs) and all(now[0] == before[0] for _, now, before in pairs):
        logger.info("%s: every file of the data has another time than when it began; taken for a copy", folder)
        return
    raise InputError(
        f"{folder}: {len(changed)} of {len(pairs)} files of the data have changed since the run began, such as "
        f"{changed[0]}; bring back what they were, or {remedy}"
    )


def _files(parts: Parts) -> Iterator[tuple[str, list[tuple[Path, FileState]]]]:
    """The files of known state by what they are, such as "train images"."""
    for part, records in parts.items():
        yield f"{part} images", [(record.path, record.state) for record in records if record.state]
        masks = {instance.mask for record in records for instance in record.instances if instance.mask}
        of_path = {mask.path: mask.state for mask in masks if mask.state}
        yield f"{part} masks", sorted(of_path.items())


def _pair(state: FileState) -> list[int]:
    return [state.num_bytes, state.changed_ns]


def _read(path: Path, remedy: str) -> dict[str, dict[str, list[int]]]:
    if not path.is_file():
        return {}
    with reading(path, "the note of a run on its files", f"remove it to go on unchecked, or {remedy}"):
        content = json.loads(path.read_text(encoding="utf-8"))
        return {
            kind: {name: [int(size), int(time)] for name, (size, time) in files.items()}
            for kind, files in content.items()
        }
