"""Files that are whole or not there: written beside their place, and moved to it when the disk holds them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

NEW_SUFFIX = ".new"  # of the hidden file beside its place


@contextmanager
def replaced_file(path: Path, durable: bool = True) -> Iterator[Path]:
    """Yield the name of a file to write; at the end it takes the place of ``path``, or vanishes on an error.

    Whenever the program is killed, ``path`` is the earlier file or the new one. durable: so it is when the machine
    loses its power, which takes milliseconds per file. Where ``path`` is a link its target is replaced; what is no
    file, such as ``/dev/stdout``, is written as it is. An OSError names ``path``.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    path = path.resolve()
    new = path.with_name(f".{path.name}{NEW_SUFFIX}")
    with suppress(OSError):  # of a program that was killed
        new.unlink()
    try:
        yield new
        if durable:
            _sync(new)
        new.replace(path)
        if durable:
            sync_folder(path.parent)
    except BaseException as error:
        with suppress(OSError):
            new.unlink()
        if isinstance(error, OSError) and error.filename in (None, new, str(new)):
            error.filename, error.filename2 = str(path), None
        raise


@contextmanager
def csv_file(path: Path) -> Iterator[TextIO]:
    """Yield a text file for ``csv.writer``; see ``replaced_file``."""
    with replaced_file(path) as new, new.open("w", newline="", encoding="utf-8") as file:
        yield file


def write_text(path: Path, text: str) -> None:
    """Write a text file as UTF-8; see ``replaced_file``."""
    with replaced_file(path) as new:
        new.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write an object as an indented JSON file; see ``replaced_file``."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def sync_tree(folder: Path) -> None:
    """Return when the disk holds every file below a folder."""
    for parent, _, names in os.walk(folder):
        for name in names:
            _sync(Path(parent, name))
        sync_folder(Path(parent))


def sync_folder(folder: Path) -> None:
    """Return when the disk holds the names in a folder, where the system and file system can say so."""
    if os.name == "posix":  # elsewhere a folder cannot be opened
        with suppress(OSError):  # some network and FUSE file systems refuse
            _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
