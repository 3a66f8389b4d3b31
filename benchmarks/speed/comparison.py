"""What a comparison of programs found: how long each took, how far their answers differ, and on which machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from benchmarks.record import Record
from gdinousam.evaluation.timing.measurement import Timing

OFFICIAL = "official"


@dataclass(frozen=True)
class ProgramTiming(Timing):
    """One program at one kind of work; run i of every program had the same inputs. Stages do not overlap.

    program: its name. work: what a run is, such as "4 prompts". num_images: images in a run. weights_bytes: its
    parameters and buffers. peak_bytes: the most memory that a run took above what the process held before it, ``None``
    where it cannot be told. waits: for each run the seconds that its threads were kept waiting for the processor by
    others, added up.
    """

    program: str
    work: str
    num_images: int
    weights_bytes: int
    peak_bytes: int | None
    waits: tuple[float, ...]

    @property
    def waiting_share(self) -> float:
        """The largest part of a run that was waiting; nan without runs."""
        return max((wait / total for wait, total in zip(self.waits, self.totals, strict=True)), default=float("nan"))

    @property
    def images_per_second(self) -> float:
        """From the median run; nan without runs."""
        return self.num_images / self.percentile(50)


@dataclass(frozen=True)
class Ratio:
    """Seconds of the official program divided by seconds of ``program``, for each pair of runs with the same inputs.

    median, lowest, highest: over the pairs; nan where there are none.
    """

    program: str
    work: str
    median: float
    lowest: float
    highest: float
    num_pairs: int


@dataclass(frozen=True)
class Agreement:
    """How far one output of a program is from the official one.

    output: its name and unit. given: what both were given, such as "the same box". kind: an absolute "difference", 0 at
    best, or an "agreement", 1 at best. worst, mean: over everything compared. num_compared: (image, prompt) pairs, or
    training steps.
    """

    program: str
    output: str
    given: str
    kind: Literal["difference", "agreement"]
    worst: float
    mean: float
    num_compared: int


@dataclass(frozen=True)
class Comparison(Record):
    """Everything that one command measured. title: one line. remarks: sentences that belong to the numbers."""

    title: str
    timings: tuple[ProgramTiming, ...]
    agreements: tuple[Agreement, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def ratios(self) -> tuple[Ratio, ...]:
        """One for each timing that is not the official program's; none where the official program was not timed."""
        official = {timing.work: timing for timing in self.timings if timing.program == OFFICIAL}
        ours = [timing for timing in self.timings if timing.program != OFFICIAL and timing.work in official]
        return tuple(_ratio(official[timing.work], timing) for timing in ours)

    def content(self) -> dict[str, Any]:
        """Everything and the ratios."""
        return super().content() | {"ratios": [asdict(ratio) for ratio in self.ratios]}


def agreement_of(
    program: str, output: str, given: str, kind: Literal["difference", "agreement"], values: Sequence[float]
) -> Agreement:
    """Summarise one value per compared pair, at least one; the worst is the largest difference or least agreement."""
    worst = np.max(values) if kind == "difference" else np.min(values)
    return Agreement(program, output, given, kind, float(worst), float(np.mean(values)), len(values))


def _ratio(official: ProgramTiming, ours: ProgramTiming) -> Ratio:
    ratios = [there / here for there, here in zip(official.totals, ours.totals, strict=False)]
    if not ratios:
        nothing = float("nan")
        return Ratio(ours.program, ours.work, nothing, nothing, nothing, 0)
    return Ratio(ours.program, ours.work, float(np.median(ratios)), min(ratios), max(ratios), len(ratios))
