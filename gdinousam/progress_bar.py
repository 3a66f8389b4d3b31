"""How far a long piece of work is: a bar in a terminal, a line now and then in a log file."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TypeVar

from tqdm import tqdm

logger = logging.getLogger(__name__)

Item = TypeVar("Item")

BAR_DELAY = 2.0  # seconds that work may take before a bar appears
# Until the first line, and between lines at least and at most; in between, a tenth of the time so far.
LINE_SECONDS, MOST_LINE_SECONDS = 10.0, 600.0


class ProgressBar:
    """Counts what is done and tells it on stderr: as a bar in a terminal, elsewhere through the log.

    total: of the units to do, or ``None`` where nobody knows. what: name of the work. unit: one of what is counted;
    its plural takes an s. is_shown: false says nothing at all. clock: seconds that only rise.
    """

    def __init__(
        self,
        total: int | None,
        what: str,
        unit: str = "image",
        is_shown: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # disable=None: only in a terminal
        self._bar = tqdm(
            total=total,
            desc=what,
            unit=unit,
            delay=BAR_DELAY,
            dynamic_ncols=True,
            disable=None if is_shown else True,
        )
        self._tells_lines = is_shown and self._bar.disable
        self._total, self._what, self._unit, self._clock = total, what, unit, clock
        self._start, self._next_line = clock(), LINE_SECONDS
        self._num_done = 0

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def over(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items, each counted when the next one is asked for."""
        with self:
            for item in items:
                yield item
                self.update()

    def update(self, count: int = 1) -> None:
        """Count units as done."""
        self._bar.update(count)
        self._num_done += count
        seconds = self._clock() - self._start
        if self._tells_lines and seconds >= self._next_line and self._num_done != self._total:
            self._next_line = seconds + min(max(LINE_SECONDS, seconds / 10), MOST_LINE_SECONDS)
            logger.info(self._line(seconds))

    def describe(self, what: str) -> None:
        """Give the work another name."""
        self._what = what
        self._bar.set_description(what)

    def _line(self, seconds: float) -> str:
        """Such as "evaluating: 120 of 1,000 images, 3.4 images/s, 4 min left"."""
        of_total = "" if self._total is None else f" of {self._total:,}"
        parts = [f"{self._what}: {self._num_done:,}{of_total} {self._unit}s", self._speed(seconds)]
        if self._total is not None:
            parts.append(f"{_duration(seconds / self._num_done * (self._total - self._num_done))} left")
        return ", ".join(parts)

    def _speed(self, seconds: float) -> str:
        if self._num_done >= seconds:
            return f"{self._num_done / seconds:.1f} {self._unit}s/s"
        return f"{seconds / self._num_done:.1f} s per {self._unit}"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
