"""The one thread that runs models: requests wait for it in line, and those that are alike go through together.

One thread, because two that multiply matrices at once take each other's processors, and a GPU runs one after the other
in any case.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

Given = TypeVar("Given")
Answer = TypeVar("Answer")


@dataclass(frozen=True, eq=False)
class _Job:
    """run: takes what several jobs of one group were given, and returns as many answers. group: ``None``: alone."""

    run: Callable[[Sequence[Any]], Sequence[Any]]
    given: Any
    group: Hashable | None
    future: Future[Any] = field(default_factory=Future)


class Worker:
    """Runs jobs in the order in which they come, in a thread of its own.

    together: most jobs of one group that run at once. wait_s: seconds that the first of them waits for others.
    """

    def __init__(self, together: int = 1, wait_s: float = 0.0) -> None:
        self._together, self._wait_s = together, wait_s
        self._waiting: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._is_open = True
        self._thread = threading.Thread(target=self._work, name="models", daemon=True)
        self._thread.start()

    def submit(
        self, run: Callable[[Sequence[Given]], Sequence[Answer]], given: Given, group: Hashable | None = None
    ) -> Future[Answer]:
        """Put a job at the end of the line.

        run: gets what the jobs of a batch were given and returns an answer for each; jobs of one group must have the
        same. An error of a batch is that of the jobs that fail on their own. The future can be cancelled until its job
        runs; that of a worker that is closed is cancelled at once.
        """
        job = _Job(run, given, group)
        with self._changed:
            if self._is_open:
                self._waiting.append(job)
                self._changed.notify()
            else:
                job.future.cancel()
        return job.future

    def close(self) -> None:
        """End the thread after the job that runs; those that wait are cancelled."""
        with self._changed:
            self._is_open = False
            for job in self._waiting:
                job.future.cancel()
            self._waiting.clear()
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while batch := self._next():
            running = [job for job in batch if job.future.set_running_or_notify_cancel()]
            if running:
                _run(running)

    def _next(self) -> list[_Job]:
        """The next jobs to run together; none once the worker is closed."""
        with self._changed:
            while not self._waiting and self._is_open:
                self._changed.wait()
            if not self._waiting:
                return []
            batch = [self._waiting.popleft()]
            most = 1 if batch[0].group is None else self._together
            end = time.monotonic() + self._wait_s
            while len(batch) < most and self._is_open:
                batch += self._taken(batch[0].group, most - len(batch))
                left = end - time.monotonic()
                if len(batch) == most or left <= 0:
                    break
                self._changed.wait(left)
            return batch

    def _taken(self, group: Hashable, most: int) -> list[_Job]:
        """Take the first jobs of a group out of the line; the others keep their order."""
        taken = [job for job in self._waiting if job.group == group][:most]
        for job in taken:
            self._waiting.remove(job)
        return taken


def _run(jobs: Sequence[_Job]) -> None:
    """Run jobs together; where that fails, each on its own, so that one does not spoil the others."""
    try:
        answers = jobs[0].run([job.given for job in jobs])
    except Exception as error:
        if len(jobs) == 1:
            jobs[0].future.set_exception(error)
            return
        for job in jobs:
            _run([job])
        return
    for job, answer in zip(jobs, answers, strict=True):
        job.future.set_result(answer)
