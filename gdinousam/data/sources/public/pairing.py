"""Listing the files of a release and holding each against its partner."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from gdinousam.data.contract.names import natural_key
from gdinousam.errors import InputError

NUM_SHOWN = 5  # missing files that a message names; it counts the rest


def release_files(folder: Path, pattern: str) -> list[Path]:
    """The files of a folder that fit a regular expression on the whole name, in natural order.

    pattern: letter case does not matter. Hidden files, which archives of some systems add, are left aside. A folder
    that does not exist has no files.
    """
    fits = re.compile(pattern, re.IGNORECASE)
    if not folder.is_dir():
        return []
    names = [path for path in folder.iterdir() if not path.name.startswith(".") and fits.fullmatch(path.name)]
    return sorted((path for path in names if path.is_file()), key=natural_key)


def require_files(files: Iterable[Path], root: Path, dataset: str) -> None:
    """Raise ``InputError`` that lists the files which are not there, relative to ``root``; fine without any."""
    missing = [path for path in files if not path.is_file()]
    if not missing:
        return
    named = ", ".join(path.relative_to(root).as_posix() for path in missing[:NUM_SHOWN])
    rest = f" and {len(missing) - NUM_SHOWN} more" if len(missing) > NUM_SHOWN else ""
    raise InputError(
        f"{root}: incomplete download of {dataset}, {len(missing)} files missing: {named}{rest}; fetch it again"
    )


def require_any(found: list[Path], expected: str, root: Path, dataset: str) -> list[Path]:
    """``found`` again; raises ``InputError`` that says what was looked for where it is empty."""
    if not found:
        raise InputError(f"{root}: incomplete download of {dataset}, no file {expected}; fetch it again")
    return found
