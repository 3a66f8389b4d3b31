"""The paper's table 6, seconds per image, from measurements of ours with the printed numbers beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import stats

from gdinousam.errors import InputError
from gdinousam.evaluation.reporting.best import FEWEST_GROUPS
from gdinousam.evaluation.reporting.paper_numbers import method_in_paper, paper_seconds, place_in_paper
from gdinousam.evaluation.reporting.statistics import LEVEL, NUM_RESAMPLES, SEED
from gdinousam.evaluation.reporting.table import (
    Cell,
    Table,
    count_cell,
    number_cell,
    number_columns,
    text_cell,
    text_column,
)
from gdinousam.evaluation.scoring.notes import (
    beside_paper,
    may_be_best,
    method_name,
    weights_remarks,
    withheld_remarks,
)
from gdinousam.evaluation.timing.measurement import (
    DECODE,
    DETECTOR,
    MASK_HEAD,
    METHOD,
    Measurement,
    read_measurement,
)

DECIMALS = 3
_STAGES = (DECODE, DETECTOR, MASK_HEAD)
IDLE_SECONDS = 1e-4  # no mask head answers faster than this
_IDLE = "In most batches nothing was found, so the mask head had nothing to do."
_REMARKS = (
    "Seconds per image: median and 90th percentile over batches, one phrase per image. The method is everything from "
    "the decoded image to its masks; reading the file (decode) is not in it. The columns of stages are medians.",
    "First call: the first batch after loading, which pays for everything that is done once.",
)
_PAPER = "Paper: table 6, means of ten runs on an NVIDIA Titan V."
FASTEST = (
    "Marked as the fastest is only a median that is below every other one beyond doubt: the 95 % bootstrap interval of "
    f"the difference of the two medians lies above 0, with {FEWEST_GROUPS} batches of each at least."
)


def read_measurements(folder: Path) -> list[Measurement]:
    """All measurements in a folder, by name of the file.

    Raises InputError where there is none, one cannot be read, or two are of methods of one name.
    """
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise InputError(f"{folder}: no measurement in it; time a method with scripts/benchmark.py --out {folder}")
    by_name: dict[str, Path] = {}
    measurements = []
    for path in paths:
        measurements.append(read_measurement(path))
        name = measurements[-1].method
        if name in by_name:
            raise InputError(f"{by_name[name]} and {path}: two measurements of {name!r}; remove or rename one")
        by_name[name] = path
    return measurements


def seconds_table(measurements: Sequence[Measurement]) -> Table:
    """One line per method, in the order of the paper's table and then as given.

    The fastest is marked where all were measured on one device with one precision and batch size and weights of one
    kind, and its lead is more than chance (``FASTEST``). The paper's column is left out where its numbers may stand
    beside none of the methods.
    """
    printed = list(paper_seconds())
    places = {one.method: place_in_paper(one.method) for one in measurements}
    ordered = sorted(measurements, key=lambda one: len(printed) if (at := places[one.method]) is None else at)
    alike = len({(one.device, one.precision, one.batch_size, one.weights) for one in ordered}) == 1
    with_paper = any(beside_paper(one.weights) for one in ordered)
    fastest = _fastest(ordered) if alike else None
    columns = (
        text_column("method"),
        *number_columns("median s", "90th percentile s"),
        *(number_columns("paper s") if with_paper else ()),
        *number_columns("first call s", *(f"{stage} s" for stage in _STAGES), "n batches", "batch"),
        text_column("precision"),
        text_column("device"),
    )
    lines = tuple(_line(one, one is fastest, with_paper) for one in ordered)
    weights_of = {method_name(one.method, one.weights): one.weights for one in ordered}
    remarks = [*_REMARKS, *([_PAPER] if with_paper else []), *withheld_remarks(weights_of)]
    if not alike:
        remarks.append(
            "Measured on different devices, in different ways or with weights of different kinds, so the lines cannot "
            "be compared."
        )
    elif len(ordered) > 1:
        remarks.append(FASTEST)
    here = {method_in_paper(one.method) for one in ordered if beside_paper(one.weights)}
    missing = [name for name in printed if name not in here]
    if missing:
        remarks.append(f"In table 6 of the paper, but not measured here: {', '.join(missing)}.")
    return Table("Seconds per image, as table 6 of the paper", columns, lines, tuple(remarks))


def _line(one: Measurement, best: bool, with_paper: bool) -> tuple[Cell, ...]:
    idle = one.percentile(50, MASK_HEAD) < IDLE_SECONDS
    side = one.mask_head_side
    sizes = [] if side is None else [f"Detector at {one.detector_input}, mask head at {side} x {side}."]
    notes = (*weights_remarks(one.weights), *sizes, *([_IDLE] if idle else []))
    return (
        text_cell(method_name(one.method, one.weights), notes),
        number_cell(one.percentile(50), DECIMALS, best),
        number_cell(one.percentile(90), DECIMALS),
        *((number_cell(_printed(one)),) if with_paper else ()),
        number_cell(one.first_call[METHOD], DECIMALS),
        *(number_cell(one.percentile(50, stage), DECIMALS) for stage in _STAGES),
        count_cell(len(one.runs)),
        count_cell(one.batch_size),
        text_cell(one.precision),
        text_cell(one.device),
    )


def _printed(one: Measurement) -> float:
    """The paper's seconds of a method; nan where it has none, and beside weights that are not the published ones."""
    name = method_in_paper(one.method)
    return math.nan if name is None or not beside_paper(one.weights) else paper_seconds()[name]


def _fastest(measurements: Sequence[Measurement]) -> Measurement | None:
    """The one with the lowest median, if it is ahead of every other as ``FASTEST`` says."""
    candidates = [one for one in measurements if may_be_best(one.weights, is_reference=False)]
    if len(candidates) < 2:
        return None
    first, *others = sorted(candidates, key=lambda one: one.percentile(50))
    return first if all(_is_faster(first, other) for other in others) else None


def _is_faster(first: Measurement, second: Measurement) -> bool:
    seconds = [first.totals, second.totals]
    if min(map(len, seconds)) < FEWEST_GROUPS:
        return False
    interval = stats.bootstrap(
        seconds,
        lambda fast, slow, axis: np.median(slow, axis=axis) - np.median(fast, axis=axis),
        n_resamples=NUM_RESAMPLES,
        confidence_level=LEVEL,
        method="percentile",
        random_state=np.random.default_rng(SEED),
    ).confidence_interval
    return bool(interval.low > 0)
