"""What a clock measured of a method: the seconds of its runs, and one method on one machine as a JSON file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from gdinousam.errors import InputError
from gdinousam.evaluation.timing.clock import Seconds
from gdinousam.files import write_json
from gdinousam.records import WeightsKind

DECODE, METHOD, DETECTOR, MASK_HEAD = "decode", "method", "detector", "mask head"


@dataclass(frozen=True)
class Timing:
    """The same work, done again and again.

    precision: number type of its matrix products. first_call: seconds by stage of the very first call, ``None`` where
    this was not it. runs: seconds by stage of each timed run.
    """

    precision: str
    first_call: Seconds | None
    runs: tuple[Seconds, ...]

    @property
    def stages(self) -> tuple[str, ...]:
        """All stages that a run has, in order of first appearance."""
        return tuple(dict.fromkeys(stage for run in self.runs for stage in run))

    @property
    def totals(self) -> list[float]:
        """Seconds of each run, all stages together."""
        return [sum(run.values()) for run in self.runs]

    def percentile(self, percent: float, stage: str | None = None) -> float:
        """A percentile of ``totals``, or of one stage over the runs that have it; 50: the median; nan without runs."""
        seconds = self.totals if stage is None else [run[stage] for run in self.runs if stage in run]
        return float(np.percentile(seconds, percent)) if seconds else float("nan")


@dataclass(frozen=True)
class Measurement(Timing):
    """Seconds per image of a method, and everything that they depend on.

    first_call: of the first batch. runs: of each timed batch, ``batches`` in the file. In both ``method`` holds its
    parts ``detector`` and ``mask head``; reading the files, ``decode``, is not in it.
    method: its name in tables. device: name of the GPU, or "CPU" with its kind and the threads used.
    detector_input: how images are resized for the detector. mask_head_side: side in pixels of the square that the mask
    head sees; both ``None`` for a compared method without them. batch_size: images per call. num_images: distinct
    images timed. num_warm_up: batches before the clock counted. peak_gpu_bytes: most memory that torch took on the GPU,
    ``None`` on a CPU. data_sha256, config_sha256: of the test CSV and of the resolved config. gdinousam, libraries:
    versions.
    weights: what they are, unknown in measurements of an earlier version.
    """

    first_call: Seconds
    runs: Annotated[tuple[Seconds, ...], Field(alias="batches")]
    method: str
    device: str
    detector_input: str | None
    mask_head_side: int | None
    batch_size: int
    num_images: int
    num_warm_up: int
    peak_gpu_bytes: int | None
    data_sha256: str
    config_sha256: str
    gdinousam: str
    libraries: Mapping[str, str]
    weights: WeightsKind = "unknown"

    @property
    def totals(self) -> list[float]:
        """Seconds per image of the method, batch by batch."""
        return [run[METHOD] for run in self.runs]


def measurement_path(folder: Path, method: str) -> Path:
    """Where a method's measurement is kept."""
    file_name = re.sub(r"[^\w.+-]", "_", method)
    return folder / f"{file_name}.json"


def write_measurement(measurement: Measurement, path: Path) -> None:
    """Write a measurement as JSON; the folder is made if missing, an earlier file replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, TypeAdapter(Measurement).dump_python(measurement, mode="json", by_alias=True))


def read_measurement(path: Path) -> Measurement:
    """Read what ``write_measurement`` wrote; InputError where the file is missing, cut off or holds something else."""
    unreadable = f"{path}: no measurement of this version, or cut off; time the method again"
    try:
        measurement = TypeAdapter(Measurement).validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; time the method with scripts/benchmark.py") from None
    except (ValidationError, UnicodeDecodeError) as error:
        raise InputError(unreadable) from error
    if not all(METHOD in seconds for seconds in (measurement.first_call, *measurement.runs)):
        raise InputError(unreadable)
    return measurement
