"""What has been found out about many files, remembered until one of them changes.

Looking through 13,000 images takes minutes, and a run that is started ten times looks through the same ones. What is
kept is small and lies in the user's cache folder; where that cannot be written, nothing is remembered and all is
looked through each time.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gdinousam
from gdinousam.files import replaced_file

logger = logging.getLogger(__name__)

Json = dict[str, Any]

_CHECKSUM = "sha256"  # beside an answer in its file
_MOST_KEPT = 200  # answers, the latest; each is far smaller than its name
_DECODERS = ("pillow", "numpy")


def cache_folder() -> Path | None:
    """Where answers are kept: ``gdinousam`` in the user's cache folder; ``None`` where the user has none."""
    named = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(named) if named else Path.home() / ".cache") / "gdinousam" / "checks"
    except RuntimeError:  # a user number without an account
        return None


def remembered(
    question: Mapping[str, Any], files: Iterable[Path], folders: Iterable[Path], answer: Callable[[], Json]
) -> tuple[Json, bool]:
    """The answer to a question about files, and whether it was remembered.

    question: what is asked, in values that JSON holds. files: whose content it depends on. folders: all files right in
    them count by name, size and times of change; what lies deeper does not. answer: finds it out; what it raises is
    not remembered. This package's code that reads data counts too, so that an older answer does not outlive it.
    """
    folder = cache_folder()
    if folder is None:
        return answer(), False
    try:
        path = folder / f"{_digest(question, files, folders)}.json"
    except OSError:  # a file or folder is not there, of which the answer tells better
        return answer(), False
    known = _read(path)
    if known is not None:
        return known, True
    found = answer()
    _keep(path, found)
    return found, False


def _digest(question: Mapping[str, Any], files: Iterable[Path], folders: Iterable[Path]) -> str:
    digest = hashlib.sha256(json.dumps([question, _code()], sort_keys=True).encode())
    for file in files:
        digest.update(f"\n{file.resolve()} ".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    for folder in folders:
        digest.update(f"\n{folder.resolve()}".encode())
        with os.scandir(folder) as entries:
            states = sorted((os.fsencode(entry.name), entry.stat()) for entry in entries if entry.is_file())
        for name, state in states:
            # the time of the last change of any kind as well: copying programs set the other one as they like
            digest.update(b"\n" + name + f" {state.st_size} {state.st_mtime_ns} {state.st_ctime_ns}".encode())
    return digest.hexdigest()


@cache
def _code() -> list[str]:
    """What says whether the code that reads data is the same: its own text and the versions of what decodes images."""
    sources = sorted(Path(__file__).parents[1].rglob("*.py"))
    text = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    return [gdinousam.__version__, text, *(version(name) for name in _DECODERS)]


def _read(path: Path) -> Json | None:
    """A kept answer; ``None`` where there is none, or where it is not as it was kept."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    checksum = content.pop(_CHECKSUM, None)
    return content if checksum == _checksum(content) else None


def _checksum(found: Json) -> str:
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()


def _keep(path: Path, found: Json) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced_file(path, durable=False) as new:
            new.write_text(json.dumps(found | {_CHECKSUM: _checksum(found)}), encoding="utf-8")
        kept = sorted(path.parent.glob("*.json"), key=lambda one: one.stat().st_mtime_ns, reverse=True)
        for old in kept[_MOST_KEPT:]:
            old.unlink(missing_ok=True)
    except OSError as error:
        logger.info(
            "%s cannot be written (%s), so files are looked through at every start", path.parent, error.strerror
        )
