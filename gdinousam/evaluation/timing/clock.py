"""Seconds by stage: a clock, and methods that it watches.

GPUs work behind the program's back, so every reading of the clock waits for them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch

Seconds = Mapping[str, float]  # by stage
# Whose method counts as which stage: owner, name of the method, name of the stage.
Place = tuple[Any, str, str]
Answer = TypeVar("Answer")


class Clock:
    """Adds up the seconds of named stages. They may lie inside each other: time is the innermost stage's, so that
    stages add up. device: what is waited for at every reading.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._seconds: dict[str, float] = {}
        self._open: list[str] = []
        self._counted_until = 0.0

    @contextmanager
    def running(self, stage: str) -> Iterator[None]:
        """Count the time of the block as this stage's, but for what runs inside it as another."""
        self._count()
        self._open.append(stage)
        try:
            yield
        finally:
            self._count()
            self._open.pop()

    def take(self) -> dict[str, float]:
        """The seconds of each stage since the last call of this; empty where none has run."""
        taken, self._seconds = self._seconds, {}
        return taken

    def _count(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        now = time.perf_counter()
        if self._open:
            stage = self._open[-1]
            self._seconds[stage] = self._seconds.get(stage, 0.0) + now - self._counted_until
        self._counted_until = now


@contextmanager
def watched(places: Sequence[Place], clock: Clock) -> Iterator[None]:
    """Let a clock see methods while the block runs.

    They are replaced on the instances and put back, so that what is timed needs to know of no clock. A method that was
    replaced before, as a text encoder that remembers, is watched and put back as it was.
    """
    earlier = [(owner, name, vars(owner).get(name)) for owner, name, _ in places]
    for owner, name, stage in places:
        setattr(owner, name, _timed(getattr(owner, name), clock, stage))
    try:
        yield
    finally:
        for owner, name, replaced in reversed(earlier):
            if replaced is None:
                delattr(owner, name)
            else:
                setattr(owner, name, replaced)


def _timed(call: Callable[..., Answer], clock: Clock, stage: str) -> Callable[..., Answer]:
    def timed_call(*arguments: Any, **named: Any) -> Answer:
        with clock.running(stage):
            return call(*arguments, **named)

    return timed_call
