"""Damaged copies of valid files, the same ones every time, and the check that a reader reads or refuses them."""

from __future__ import annotations

import copy
import random
import signal
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gdinousam.errors import InputError

FEW_OR_MANY = (25, pytest.param(500, marks=[pytest.mark.slow, pytest.mark.exhaustive]))  # damaged copies of each file
SECONDS = 20  # that a reader may take for one small file, on a busy machine
HEAD = 200  # bytes in which most formats keep sizes and offsets

# What stands in the place of a value of JSON: nothing, other kinds, and numbers that nothing can be made of.
OTHER_VALUES: tuple[Any, ...] = (
    *(None, "x", "", "\ud800", True, -1, 0, 0.5, 9 * 10**18, 1e308, float("nan")),
    *([], {}, [[1]], {"a": None}),
)


class _Hangs(BaseException):
    """Raised by the alarm; no reader may take it for damage."""


@contextmanager
def _limited() -> Iterator[None]:
    def stop(number: int, frame: object) -> None:
        raise _Hangs(f"took more than {SECONDS} seconds")

    earlier = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, earlier)


def refusal(read: Callable[[], object]) -> str | None:
    """The one line that a reader refuses a file with, ``None`` where it reads it; everything else is an error."""
    with _limited():
        try:
            read()
        except InputError as error:
            assert "\n" not in str(error), str(error)
            return str(error)
    return None


def damaged(content: bytes, count: int, seed: int) -> Iterator[bytes]:
    """So many damaged copies: cut off, with bytes changed in the head or anywhere, with a part zeroed or doubled."""
    chance = random.Random(seed)
    for number in range(count):
        changed = bytearray(content)
        place = chance.randrange(len(content))
        if number % 5 == 0:
            del changed[place:]
        elif number % 5 == 1:
            for _ in range(chance.randint(1, 4)):
                changed[chance.randrange(min(len(changed), HEAD))] = chance.randrange(256)
        elif number % 5 == 2:
            for _ in range(chance.randint(1, 20)):
                changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
        elif number % 5 == 3:
            length = min(chance.randint(1, 64), len(changed) - place)
            changed[place : place + length] = bytes(length)
        else:
            changed[place:place] = changed[place : place + chance.randint(1, 200)]
        yield bytes(changed)


def num_refused(path: Path, read: Callable[[Path], object], count: int) -> int:
    """How many damaged copies of a file a reader refuses by its name; it must read the file itself, and all others.

    path: of the valid file, in whose place the copies are put.
    """
    content = path.read_bytes()
    assert refusal(lambda: read(path)) is None
    refused = 0
    for copy_of_it in damaged(content, count, seed=zlib.crc32(path.name.encode())):
        path.write_bytes(copy_of_it)
        said = refusal(lambda: read(path))
        assert said is None or path.name in said, said
        refused += said is not None
    path.write_bytes(content)
    return refused


def changed_json(tree: Any) -> Iterator[tuple[str, Any]]:
    """Every copy of a JSON value with one thing in it dropped or replaced, behind a name for it."""
    for path in _places(tree):
        *above, last = path
        for value in (..., *OTHER_VALUES):
            changed = copy.deepcopy(tree)
            parent = changed
            for step in above:
                parent = parent[step]
            if value is ...:
                del parent[last]
            else:
                parent[last] = value
            yield f"{'.'.join(map(str, path))} = {value}", changed


def _places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    entries = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in entries:
        yield (*path, key)
        yield from _places(value, (*path, key))
