"""What lies in a folder of results: which files are done, by what, and which pictures are ours.

``predictions.jsonl`` has a line for each file that is done. A line is added when all its pictures are written, and a
line that names the pictures before, so that a run that was killed can be gone on with.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gdinousam.data.contract.unchanged import state_of
from gdinousam.errors import InputError
from gdinousam.files import write_text
from gdinousam.locks import locked
from gdinousam.prediction.results import MadeBy
from gdinousam.prediction.writing.as_records import Record, is_record, json_line
from gdinousam.prediction.writing.pictures import CONTACT_SHEET
from gdinousam.prediction.writing.tables import COCO_IMAGES, COCO_RESULTS, MEASUREMENTS, write_tables

RECORDS = "predictions.jsonl"
_OF_RUN = (RECORDS, COCO_IMAGES, COCO_RESULTS, MEASUREMENTS, CONTACT_SHEET)
_NAME, _STATE, _FILES, _BEGUN = "name", "file_state", "files", "begun"  # keys of a line beside those of a record
# Another version of a library changes last digits at most, and each line says its own.
_FREE = "versions"


class Kept:
    """The records of a folder, by the names of results, read when made; write only within ``results_folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._records: dict[str, Record] = {}
        self._begun: set[str] = set()
        path = folder / RECORDS
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        self._ends_within_line = not text.endswith("\n") and bool(text)
        lines = text.splitlines()
        for number, line in enumerate(lines, start=1):
            self._take(line, number, is_last=number == len(lines))

    def _take(self, line: str, number: int, is_last: bool) -> None:
        try:
            content = json.loads(line)
        except ValueError:
            content = None
            if is_last and self._ends_within_line:
                return  # of a program that was killed while writing it
        if isinstance(content, dict) and isinstance(content.get(_BEGUN), list):
            self._begun.update(map(str, content[_BEGUN]))
        elif is_record(content) and isinstance(content.get(_NAME), str) and isinstance(content.get(_FILES), list):
            self._records[content[_NAME]] = content
        else:
            raise InputError(
                f"{self.folder / RECORDS}, line {number}: not what predict writes; name another output folder"
            )

    @property
    def records(self) -> list[Record]:
        """One for each file that is done, in the order in which they were first done."""
        return list(self._records.values())

    def of(self, name: str) -> Record | None:
        """The record of a file's results; ``None`` where it is not done."""
        return self._records.get(name)

    def is_done(self, name: str) -> bool:
        """Whether a file has a record and all that was written for it is there."""
        record = self.of(name)
        return record is not None and all((self.folder / file).exists() for file in record[_FILES])

    def is_of(self, name: str, path: Path) -> bool:
        """Whether a record is of this file as it is now, as far as name, size and time of change tell."""
        record = self.of(name)
        return record is not None and record["image"] == path.name and record.get(_STATE) == _state(path)

    def own_files(self) -> set[str]:
        """The names of all files in the folder that are results."""
        of_records = {file for record in self._records.values() for file in record[_FILES]}
        return {*_OF_RUN, *of_records, *self._begun}

    def require_same(self, names: Sequence[str], phrases: Sequence[str], made_by: MadeBy) -> None:
        """Raise InputError where results of these names are there that something else made, or nobody knows what."""
        now = as_json(made_by)
        for name in names:
            record = self.of(name)
            if record is None:
                continue
            differing = [] if record["phrases"] == list(phrases) else ["phrases"]
            earlier = record["made_by"]
            differing += [key for key in now if key != _FREE and earlier.get(key) != now[key]]
            if differing:
                raise InputError(
                    f"{self.folder} holds results of {record['image']} that were made otherwise "
                    f"({', '.join(differing)}); {_REMEDY}"
                )

    def require_free(self, file_names: Sequence[str]) -> None:
        """Raise InputError where one of these files is there and is no result of an earlier run."""
        own = self.own_files()
        taken = next((name for name in file_names if name not in own and (self.folder / name).exists()), None)
        if taken is not None:
            raise InputError(f"{self.folder / taken} is there already; {_REMEDY}")

    def begin(self, file_names: Sequence[str]) -> None:
        """Note which pictures are about to be written."""
        self._begun.update(file_names)
        self._append({_BEGUN: list(file_names)})

    def add(self, name: str, path: Path, record: Record, files: Sequence[Path], planned: Sequence[str]) -> None:
        """Note that a file is done.

        files: what was written for it. What an earlier result had beside that, or left under a planned name, goes.
        """
        of_folder = [file.relative_to(self.folder).as_posix() for file in files]
        earlier = self._records.get(name, {}).get(_FILES, ())
        for file in {*earlier, *planned} - {*of_folder}:
            (self.folder / file).unlink(missing_ok=True)
        self._records[name] = {_NAME: name, **record, _STATE: _state(path), _FILES: of_folder}
        self._append(self._records[name])

    def finish(self) -> None:
        """Write one line for each file that is done, and the tables of all; nothing where none is."""
        done = {file for record in self._records.values() for file in record[_FILES]}
        begun = sorted(name for name in self._begun - done if (self.folder / name).exists())
        lines = [*([{_BEGUN: begun}] if begun else []), *self.records]
        if lines:
            write_text(self.folder / RECORDS, "".join(f"{json_line(line)}\n" for line in lines))
        elif (self.folder / RECORDS).is_file():
            (self.folder / RECORDS).unlink()
        if self._records:
            write_tables(self.folder, self.records)

    def _append(self, content: Mapping[str, Any]) -> None:
        line = json_line(dict(content)) + "\n"
        with (self.folder / RECORDS).open("a", encoding="utf-8") as file:
            file.write(f"\n{line}" if self._ends_within_line else line)
        self._ends_within_line = False


_REMEDY = "replace them by --overwrite, or name another place with --output"


def as_json(made_by: MadeBy) -> Record:
    """As it stands in a record."""
    content: Record = json.loads(json.dumps(asdict(made_by)))
    return content


def _state(path: Path) -> list[int] | None:
    """Size and time of change, of a folder those of all files right in it."""
    files = [path] if path.is_file() else sorted(one for one in path.iterdir() if one.is_file())
    states = [state for file in files if (state := state_of(file))]
    return [sum(one.num_bytes for one in states), max((one.changed_ns for one in states), default=0)]


@contextmanager
def results_folder(folder: Path) -> Iterator[Kept]:
    """Yield what a folder of results keeps, the folder made and no other program writing there until the block ends.

    At the end, also after an error, the tables are written; a folder that was made and holds nothing is removed again.
    Raises InputError where the folder cannot be made or is in use.
    """
    was_there = folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write to {folder} ({error.strerror}); name another folder") from error
    try:
        with locked(folder, "predictions", f"the output folder {folder}"):
            kept = Kept(folder)
            try:
                yield kept
            finally:
                kept.finish()
    finally:
        if not was_there and not any(folder.iterdir()):
            folder.rmdir()
