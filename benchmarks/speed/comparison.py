"""What a comparison of programs found: how long each took, how far their answers differ, and on which machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from gdinousam.errors import InputError
from gdinousam.files import write_json

OFFICIAL = "official"
RECORD_FILE = "comparison.json"
Seconds = Mapping[str, float]  # by stage; stages do not overlap


@dataclass(frozen=True)
class Timing:
    """One program at one kind of work.

    program: its name. work: what a run is, such as "4 prompts". num_images: images in a run. precision: of its matrix
    products. weights_bytes: its parameters and buffers. peak_bytes: the most memory that a run took above what the
    process held before it, ``None`` where it cannot be told. first_call: seconds by stage of the very first call of the
    program, where this was it. runs: seconds by stage of each timed run; run i of every program had the same inputs.
    waits: for each run the seconds that its threads were kept waiting for the processor by others, added up.
    """

    program: str
    work: str
    num_images: int
    precision: str
    weights_bytes: int
    peak_bytes: int | None
    first_call: Seconds | None
    runs: tuple[Seconds, ...]
    waits: tuple[float, ...]

    @property
    def waiting_share(self) -> float:
        """The largest part of a run that was waiting; nan without runs."""
        return max((wait / total for wait, total in zip(self.waits, self.totals, strict=True)), default=float("nan"))

    @property
    def totals(self) -> list[float]:
        """Seconds of each run, all stages together."""
        return [sum(run.values()) for run in self.runs]

    @property
    def stages(self) -> tuple[str, ...]:
        """All stages that a run has, in order of first appearance."""
        return tuple(dict.fromkeys(stage for run in self.runs for stage in run))

    def percentile(self, percent: float, stage: str | None = None) -> float:
        """A percentile of the seconds per run, of one stage or of all together; 50: the median; nan without runs."""
        seconds = self.totals if stage is None else [run.get(stage, 0.0) for run in self.runs]
        return float(np.percentile(seconds, percent)) if seconds else float("nan")

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
class Comparison:
    """Everything that one command measured.

    title: one line. command: what to type to measure it again. machine: facts about the device, by name. libraries:
    versions by package. remarks: sentences that belong to the numbers.
    """

    title: str
    command: str
    machine: Mapping[str, str]
    libraries: Mapping[str, str]
    timings: tuple[Timing, ...]
    agreements: tuple[Agreement, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def ratios(self) -> tuple[Ratio, ...]:
        """One for each timing that is not the official program's; none where the official program was not timed."""
        official = {timing.work: timing for timing in self.timings if timing.program == OFFICIAL}
        ours = [timing for timing in self.timings if timing.program != OFFICIAL and timing.work in official]
        return tuple(_ratio(official[timing.work], timing) for timing in ours)


def agreement_of(
    program: str, output: str, given: str, kind: Literal["difference", "agreement"], values: Sequence[float]
) -> Agreement:
    """Summarise one value per compared pair, at least one; the worst is the largest difference or least agreement."""
    worst = np.max(values) if kind == "difference" else np.min(values)
    return Agreement(program, output, given, kind, float(worst), float(np.mean(values)), len(values))


def write_record(comparison: Comparison, folder: Path, overwrite: bool = False) -> Path:
    """Write ``RECORD_FILE`` with everything and the ratios into a folder, made if missing.

    Raises InputError where it cannot be written, or is there already and not to be replaced.
    """
    path = record_path(folder, overwrite)
    content = asdict(comparison) | {"ratios": [asdict(ratio) for ratio in comparison.ratios]}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(path, content)
    except OSError as error:
        raise InputError(f"cannot write to {folder} ({error.strerror}); name another folder with --out") from error
    return path


def record_path(folder: Path, overwrite: bool = False) -> Path:
    """Where the record of a folder lies; InputError where there is one already that is not to be replaced."""
    path = folder / RECORD_FILE
    if path.exists() and not overwrite:
        raise InputError(f"{path} exists; name another folder with --out or add --overwrite")
    return path


def _ratio(official: Timing, ours: Timing) -> Ratio:
    ratios = [there / here for there, here in zip(official.totals, ours.totals, strict=False)]
    if not ratios:
        nothing = float("nan")
        return Ratio(ours.program, ours.work, nothing, nothing, nothing, 0)
    return Ratio(ours.program, ours.work, float(np.median(ratios)), min(ratios), max(ratios), len(ratios))
