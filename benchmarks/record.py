"""What every benchmark leaves behind: its numbers as JSON with the machine and the versions, and its tables."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gdinousam.commands.benchmark import DEFAULT_FOLDER
from gdinousam.errors import InputError
from gdinousam.evaluation.reporting.table import Table
from gdinousam.evaluation.reporting.table_files import as_plain, write_table_files
from gdinousam.files import write_json


@dataclass(frozen=True)
class Record:
    """What one command measured; each benchmark adds its numbers.

    command: what to type to measure it again. machine: facts about the device, by name. versions: by package.
    """

    command: str
    machine: Mapping[str, str]
    versions: Mapping[str, str]

    @property
    def machine_text(self) -> str:
        """The machine's facts in one line."""
        return listed(self.machine)

    def content(self) -> dict[str, Any]:
        """Everything as it is written to JSON."""
        return asdict(self)


def command_text(name: str, arguments: Sequence[str]) -> str:
    """What to type to run a benchmark again."""
    return f"python scripts/benchmark.py {shlex.join([name, *arguments])}"


def listed(facts: Mapping[str, str]) -> str:
    """Facts by name in one line."""
    return ", ".join(f"{name} {fact}" for name, fact in facts.items())


def add_output_options(parser: argparse.ArgumentParser, gets: str) -> None:
    """Add --out and --overwrite. gets: what the folder gets, for the help; its own JSON files are table 6's."""
    parser.add_argument(
        "--out", type=Path, default=DEFAULT_FOLDER, metavar="FOLDER", help=f"gets {gets} (default: %(default)s)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier measurement of this kind")


def record_path(folder: Path, stem: str, overwrite: bool) -> Path:
    """Where the record of a folder lies; InputError where there is one already that is not to be replaced."""
    path = folder / f"{stem}.json"
    refuse_earlier(path, overwrite)
    return path


def refuse_earlier(path: Path, overwrite: bool) -> None:
    """Raise InputError for a file or folder that exists and is not to be replaced."""
    if path.exists() and not overwrite:
        raise InputError(f"{path} exists; name another folder with --out or add --overwrite")


def publish(record: Record, tables: Mapping[str, Table], path: Path) -> None:
    """Write the record, and its tables beside it under the same stem; print the tables and what was written.

    tables: by name. path: of ``record_path``; the folder is made if missing, earlier files are replaced. Raises
    InputError where it cannot be written, after the tables were printed.
    """
    folder = path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(path, record.content())
    except OSError as error:
        raise InputError(f"cannot write to {folder} ({error.strerror}); name another folder with --out") from error
    finally:
        print("\n".join(map(as_plain, tables.values())))
    paths = [path, *write_table_files(tables, folder, path.stem)]
    print(f"{', '.join(one.name for one in paths)} in {folder}")
