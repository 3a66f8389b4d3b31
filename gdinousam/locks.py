"""One program at a time writes into a folder; another one is told who that is."""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from gdinousam.errors import InputError
from gdinousam.files import write_json

logger = logging.getLogger(__name__)

# Processes that read images outlive a killed program by at most so many seconds, and hold its lock.
ORPHAN_SECONDS = 10.0


@contextmanager
def locked(folder: Path, name: str, what: str, waits: bool = False) -> Iterator[None]:
    """Hold the lock of a name in a folder, which must exist, while the block runs.

    Two hidden files, of the lock and of who holds it, lie in the folder meanwhile and are removed at the end. The
    system frees the lock of a program that dies, however it dies; files that it left do no harm. what: what is locked,
    for the message. waits: for another program that holds the lock, which else is an InputError. A file system without
    locks is warned about and gone on with.
    """
    path, owner_path = (folder / f".{name}.{suffix}" for suffix in ("lock", "owner"))
    seconds = ORPHAN_SECONDS if _is_gone(_owner(owner_path)) else 0
    lock = FileLock(path, timeout=-1 if waits else seconds)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(f"{what} is in use by {_text(_owner(owner_path))}; wait for it, or name another one") from None
    except (NotImplementedError, OSError) as error:
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise
        logger.warning("%s: cannot be locked (%s); let no other program write there", folder, error)
    try:
        now = datetime.now().astimezone().isoformat(" ", "seconds")
        write_json(owner_path, {"pid": os.getpid(), "host": socket.gethostname(), "since": now})
        yield
    finally:
        for left in (owner_path, path):
            with suppress(OSError):
                left.unlink()
        lock.release()


def is_lock_file(path: Path) -> bool:
    """Whether a file is one that ``locked`` makes."""
    return path.name.startswith(".") and path.suffix in (".lock", ".owner")


def _owner(path: Path) -> dict[str, Any]:
    """What the holder wrote; empty where it has not yet, or wrote something else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _is_gone(owner: dict[str, Any]) -> bool:
    """Whether the holder ran on this machine and runs no more."""
    pid = owner.get("pid")
    if owner.get("host") != socket.gethostname() or not isinstance(pid, int) or os.name != "posix":
        return False
    try:
        os.kill(pid, 0)  # sends nothing
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def _text(owner: dict[str, Any]) -> str:
    if not owner:
        return "another program"
    return f"process {owner.get('pid')} on {owner.get('host')} since {owner.get('since')}"
