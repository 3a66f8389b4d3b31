"""Programs that are timed in turns, so that a machine that slows down slows all alike."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from benchmarks.machine import seconds_kept_waiting
from gdinousam.evaluation.timing.clock import Seconds

logger = logging.getLogger(__name__)


@dataclass
class Turns:
    """Of one program. runs: seconds by stage of each. waits: seconds that others kept the threads of each waiting."""

    runs: list[Seconds] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)


def take_turns(run: Callable[[str, int], Seconds], counts: Mapping[str, int], work: str) -> dict[str, Turns]:
    """Run each program so many times, by turns from the first to the last and back.

    run: given the name of a program and the number of its run, from 0, runs it; returns seconds by stage. counts: runs
    of each, by name, in order. work: what a run is, for the log.
    """
    turns = {name: Turns() for name in counts}
    names = list(counts)
    for index in range(max(counts.values())):
        for name in names if index % 2 == 0 else reversed(names):
            if index >= counts[name]:
                continue
            waited = seconds_kept_waiting()
            seconds = run(name, index)
            turns[name].waits.append(seconds_kept_waiting() - waited)
            turns[name].runs.append(seconds)
            logger.info("%s, %s: %.2f s", name, work, sum(seconds.values()))
    return turns
