"""Seconds per image of a method, stage by stage, on the images of a test file.

What is timed is the very object that an evaluation scores. Before the clock counts there is the first call, which is
reported apart because it pays for everything done once, and a warm-up. GPUs work behind the program's back, so every
reading of the clock waits for them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from typing import Any, TypeVar

import torch

from gdinousam.data.images import read_image
from gdinousam.errors import InputError
from gdinousam.models.segmenter import TextSegmenter
from gdinousam.progress_bar import ProgressBar
from gdinousam.records import ImageRecord, Segmenter

DECODE, METHOD, DETECTOR, MASK_HEAD = "decode", "method", "detector", "mask head"

Answer = TypeVar("Answer")
# Whose method counts as which stage: owner, name of the method, name of the stage.
Place = tuple[Any, str, str]


class Clock:
    """Adds up the seconds of named stages. device: what is waited for at every reading."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._seconds: dict[str, float] = {}

    @contextmanager
    def running(self, stage: str) -> Iterator[None]:
        """Count the time of the block as this stage's."""
        start = self._now()
        yield
        self._seconds[stage] = self._seconds.get(stage, 0.0) + self._now() - start

    def take(self) -> dict[str, float]:
        """The seconds of each stage since the last call of this; empty where none has run."""
        taken, self._seconds = self._seconds, {}
        return taken

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()


class StageClock(Clock):
    """A clock of stages that may lie inside each other: time is the innermost stage's, so that stages add up."""

    def __init__(self, device: torch.device) -> None:
        super().__init__(device)
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

    def _count(self) -> None:
        now = self._now()
        if self._open:
            stage = self._open[-1]
            self._seconds[stage] = self._seconds.get(stage, 0.0) + now - self._counted_until
        self._counted_until = now


def time_batches(
    segmenter: Segmenter,
    records: Sequence[ImageRecord],
    device: torch.device,
    batch_size: int,
    num_batches: int,
    num_warm_up: int,
) -> tuple[dict[str, float], list[dict[str, float]]]:
    """Time a method on full batches of images, taken in the order of the records, over again where they run out.

    One phrase is asked per image, that of its last CSV row, as in the paper. Returns the seconds per image and stage of
    the first call, and of each of num_batches batches after num_warm_up untimed ones: ``decode``, reading the files;
    ``method``, everything that the method does; and of a ``TextSegmenter`` also its parts ``detector`` and
    ``mask head``. Raises InputError without images or for one that cannot be read.
    """
    if not records:
        raise InputError("no images to time; give a test CSV with at least one row")
    stages = {DECODE, METHOD} | ({DETECTOR, MASK_HEAD} if isinstance(segmenter, TextSegmenter) else set())
    clock = Clock(device)
    endless = cycle(records)
    per_image = []
    with watched(_places(segmenter), clock):
        turns = range(1 + num_warm_up + num_batches)
        for _ in ProgressBar(len(turns), "timing", "turn").over(turns):
            batch = list(islice(endless, batch_size))
            with clock.running(DECODE):
                images = [read_image(record.path) for record in batch]
            with clock.running(METHOD):
                segmenter.segment(images, [(record.last_phrase,) for record in batch])
            seconds = clock.take()
            per_image.append({stage: seconds.get(stage, 0.0) / batch_size for stage in sorted(stages)})
    return per_image[0], per_image[1 + num_warm_up :]


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


def _places(segmenter: Segmenter) -> list[Place]:
    """The two stages of the paper's pipeline; of another method only the whole is seen."""
    if not isinstance(segmenter, TextSegmenter):
        return []
    return [(segmenter.box_finder, "find", DETECTOR), (segmenter.mask_head, "masks_in_boxes", MASK_HEAD)]


def _timed(call: Callable[..., Answer], clock: Clock, stage: str) -> Callable[..., Answer]:
    def timed_call(*arguments: Any, **named: Any) -> Answer:
        with clock.running(stage):
            return call(*arguments, **named)

    return timed_call
