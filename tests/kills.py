"""Kills a program at each of its file operations, for tests of what is there afterwards and whether it can go on.

The program runs in a forked child, which need not import anything again. It is killed before an operation, which is
also after the one before, or, where a file is opened to be written, within the write: the system ends a program that
writes beyond its limit, so that a file of a few bytes is left, whoever wrote it.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

FEW_BYTES = 7  # of a file that is cut off
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
# where the path and the descriptor of the folder that it starts from stand among the arguments of an audit event
_PLACES = {
    "os.rename": (0, 2),
    "os.remove": (0, 1),
    "os.rmdir": (0, 1),
    "os.mkdir": (0, 2),
    "os.link": (1, 3),
    "os.symlink": (1, 2),
    "os.truncate": (0, None),
    "open": (0, None),
}

Work = Callable[[], object]
Seen = Callable[[int, str, Path, int], None]  # number of the operation from 1, what it is, path, flags of an opening


@dataclass(frozen=True)
class KillPoint:
    """number: of the file operation, from 1. what: it does, for messages. within: the write, not before it."""

    number: int
    what: str
    within: bool


def each_kill(work: Work, folder: Path, begin: Work, most: int | None = None) -> Iterator[KillPoint]:
    """Yield after each kill of the work; the folder is then as the kill left it.

    folder: whose file operations count. begin: fills it, or leaves it away, before each kill. most: so many kills at
    most, evenly from first to last.
    """
    _fresh(folder, begin)
    points = kill_points(work, folder)
    assert points, "the work changes no file"
    step = 1 if most is None else max(1, len(points) // most)
    for point in [*points[::step], points[-1]]:
        _fresh(folder, begin)
        kill(work, folder, point)
        yield point


def kill_points(work: Work, folder: Path) -> list[KillPoint]:
    """Do the work in a child, to its end, and return where it can be killed."""
    points: list[KillPoint] = []

    def see(number: int, event: str, path: Path, flags: int) -> None:
        what = f"{event} {path.relative_to(folder)}"
        points.append(KillPoint(number, what, within=False))
        if event == "open":
            points.append(KillPoint(number, what, within=True))

    told = _in_child(work, folder, see, lambda: [vars(point) for point in points])
    return [KillPoint(**point) for point in told]


def kill(work: Work, folder: Path, point: KillPoint) -> None:
    """Do the work in a child that is killed at a point of it."""

    def see(number: int, event: str, path: Path, flags: int) -> None:
        if number == point.number and not point.within:
            os.kill(os.getpid(), signal.SIGKILL)
        elif number == point.number:
            written = path.stat().st_size if flags & os.O_APPEND and path.exists() else 0
            resource.setrlimit(resource.RLIMIT_FSIZE, (written + FEW_BYTES, resource.RLIM_INFINITY))

    _in_child(work, folder, see, lambda: [], may_be_killed=True)


def done(work: Work) -> Any:
    """Do the work in a child and return what it returns, which JSON must hold; AssertionError where it fails."""
    found: list[Any] = []
    return _in_child(lambda: found.append(work()), None, lambda *_: None, lambda: found[0])


@contextmanager
def paused(work: Work, folder: Path, name: str) -> Iterator[int]:
    """Do the work in a child that waits before it first touches a file of a name, or of a hidden one for it.

    Yields its process id; the child is killed when the block ends. AssertionError where it never comes there.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:

        def see(number: int, event: str, path: Path, flags: int) -> None:
            if path.name in (name, f".{name}.new"):
                os.write(writing, b"here")
                signal.pause()

        _be_child(work, folder, see, lambda: None, writing)
    os.close(writing)
    try:
        said = os.read(reading, 4)
        assert said == b"here", said + os.read(reading, 9999)
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(reading)


def _fresh(folder: Path, begin: Work) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    begin()


def _in_child(work: Work, folder: Path | None, see: Seen, answer: Work, may_be_killed: bool = False) -> Any:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        _be_child(work, folder, see, answer, writing)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        text = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if may_be_killed and code in (-signal.SIGKILL, -signal.SIGXFSZ):
        return None
    assert code == 0, text
    return json.loads(text)


def _be_child(work: Work, folder: Path | None, see: Seen, answer: Work, writing: int) -> None:
    """Work, write the answer or what went wrong into the pipe, and end; never returns."""
    code, text = 1, ""
    try:
        torch.set_num_threads(1)  # the threads of the parent are not there any more
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if folder is not None:
            sys.addaudithook(_Watch(folder, see))
        work()
        code, text = 0, json.dumps(answer())
    except BaseException:
        text = traceback.format_exc()
    finally:
        with os.fdopen(writing, "w", encoding="utf-8") as pipe:
            pipe.write(text)
        os._exit(code)


class _Watch:
    """An audit hook that numbers what changes files below a folder."""

    def __init__(self, folder: Path, see: Seen) -> None:
        self._folder, self._see, self._number = folder, see, 0

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        places = _PLACES.get(event)
        if places is None or isinstance(arguments[0], int):
            return
        flags = int(arguments[2]) if event == "open" else 0
        if event == "open" and not flags & _WRITING:
            return
        path = _absolute(arguments[places[0]], None if places[1] is None else arguments[places[1]])
        if path.is_relative_to(self._folder):
            self._number += 1
            self._see(self._number, event, path, flags)


def _absolute(path: Any, descriptor: int | None) -> Path:
    start = Path.cwd() if descriptor in (None, -1) else Path(f"/proc/self/fd/{descriptor}").readlink()
    return start / os.fsdecode(path)
