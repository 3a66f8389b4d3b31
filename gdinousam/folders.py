"""Output folders: new for every run, never half written."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gdinousam.errors import InputError

CONFIG_COPY = "config.yaml"


def new_output_folder(folder: Path, key: str, overwrite: bool = False) -> Path:
    """Make an empty folder for results and return it.

    key: the setting that names it, for messages. overwrite: replace an earlier run there; only a folder that holds
    a run of ours is ever removed. Raises InputError where the folder is in use or cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        if not overwrite:
            raise InputError(f"{key}: {folder} holds an earlier run; name another folder or add --overwrite")
        if not (folder / CONFIG_COPY).is_file():
            raise InputError(f"{key}: {folder} is no run of ours (no {CONFIG_COPY} in it); name another folder")
        shutil.rmtree(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(f"{key}: cannot write to {folder} ({error.strerror}); name another folder") from error
    return folder


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder to fill; it takes the place of ``folder`` at the end, or vanishes on an error."""
    new = begin_replacement(folder)
    try:
        yield new
        finish_replacement(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def begin_replacement(folder: Path) -> Path:
    """Make and return the empty folder that ``finish_replacement`` puts in the place of ``folder``."""
    new = _beside(folder, "new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    return new


def finish_replacement(folder: Path) -> None:
    """Put the new content in place. Between the two renames the earlier content is what ``surviving_folder`` finds."""
    old = _beside(folder, "old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    _beside(folder, "new").rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def surviving_folder(folder: Path) -> Path:
    """The folder, or its earlier content where the program was killed while replacing it."""
    old = _beside(folder, "old")
    return old if old.exists() and not folder.exists() else folder


def _beside(folder: Path, suffix: str) -> Path:
    return folder.with_name(f"{folder.name}.{suffix}")
