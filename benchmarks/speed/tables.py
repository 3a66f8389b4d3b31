"""The tables of a comparison: seconds and ratios, stages, agreement of the answers."""

from __future__ import annotations

import math
from collections.abc import Iterable

from benchmarks.record import listed
from benchmarks.speed.comparison import Agreement, Comparison, ProgramTiming, Ratio
from gdinousam.evaluation.reporting.table import (
    NOTHING,
    Cell,
    Column,
    Table,
    count_cell,
    number_cell,
    number_columns,
    text_cell,
    text_column,
)

DECIMALS = 3
_MIB = 2**20
_SECONDS_REMARKS = (
    "Seconds per run: median and 90th percentile. The first call pays for everything that is done once; it and the "
    "warm-up are not in the other columns.",
    "Peak: the most memory of a run above what the process held before it; the weights are not in it.",
)
_RATIO_REMARK = (
    "Ratio: seconds of the official program divided by seconds of this one, for each pair of runs with the same "
    "inputs, which took turns in one process; median, lowest and highest of the pairs."
)
TRUSTED_WAITING_SHARE = 0.05
_STAGES_REMARK = "Seconds per run, medians; what runs inside another stage counts as the inner one, so stages add up."
_AGREEMENT_REMARK = (
    "Against the official program's answer. A difference is absolute and 0 at best, an agreement 1 at best; worst and "
    "mean are over the (image, prompt) pairs compared, of which each gives its largest difference."
)


def comparison_tables(comparison: Comparison) -> dict[str, Table]:
    """By name: ``seconds``, ``stages`` and, where answers were compared, ``agreement``."""
    tables = {"seconds": _seconds_table(comparison), "stages": _stages_table(comparison.timings)}
    if comparison.agreements:
        tables["agreement"] = _agreement_table(comparison.agreements)
    return tables


def _seconds_table(comparison: Comparison) -> Table:
    ratios = {(ratio.program, ratio.work): ratio for ratio in comparison.ratios}
    columns = (
        text_column("work"),
        text_column("program"),
        *number_columns("n", "median s", "90th percentile s", "images/s", "first call s"),
        Column("ratio", ("ratio median", "ratio lowest", "ratio highest", "ratio n pairs")),
        *number_columns("peak MiB", "weights MiB"),
    )
    lines = [
        (
            text_cell(timing.work),
            text_cell(timing.program),
            count_cell(len(timing.runs)),
            number_cell(timing.percentile(50), DECIMALS),
            number_cell(timing.percentile(90), DECIMALS),
            number_cell(timing.images_per_second, DECIMALS),
            number_cell(math.nan if timing.first_call is None else sum(timing.first_call.values()), DECIMALS),
            _ratio_cell(ratios.get((timing.program, timing.work))),
            number_cell(math.nan if timing.peak_bytes is None else timing.peak_bytes / _MIB, 0),
            number_cell(timing.weights_bytes / _MIB, 0),
        )
        for timing in comparison.timings
    ]
    remarks = (
        *_SECONDS_REMARKS,
        *((_RATIO_REMARK,) if ratios else ()),
        *_disturbances(comparison.timings),
        *comparison.remarks,
        f"Machine: {comparison.machine_text}.",
        f"Versions: {listed(comparison.versions)}.",
        f"Measured with: {comparison.command}",
    )
    return Table(comparison.title, columns, tuple(lines), remarks)


def _disturbances(timings: Iterable[ProgramTiming]) -> list[str]:
    """A warning where others had the processor while something was timed."""
    disturbed = [timing for timing in timings if timing.waiting_share > TRUSTED_WAITING_SHARE]
    if not disturbed:
        return []
    parts = [f"{timing.program} at {timing.work} {timing.waiting_share:.0%}" for timing in disturbed]
    return [
        "NOT TO BE TRUSTED: other programs had the processor while runs waited for it, in the worst run of "
        f"{'; '.join(parts)} of its time. Measure again on an idle machine."
    ]


def _ratio_cell(ratio: Ratio | None) -> Cell:
    if ratio is None or not ratio.num_pairs:
        return Cell(NOTHING, (math.nan, math.nan, math.nan, 0))
    text = f"{ratio.median:.2f} ({ratio.lowest:.2f} to {ratio.highest:.2f}, n = {ratio.num_pairs})"
    return Cell(text, (ratio.median, ratio.lowest, ratio.highest, ratio.num_pairs))


def _stages_table(timings: tuple[ProgramTiming, ...]) -> Table:
    stages = tuple(dict.fromkeys(stage for timing in timings for stage in timing.stages))
    columns = (text_column("work"), text_column("program"), *number_columns(*stages))
    lines = [
        (
            text_cell(timing.work),
            text_cell(timing.program),
            *(number_cell(timing.percentile(50, stage), DECIMALS) for stage in stages),
        )
        for timing in timings
    ]
    return Table("Where the seconds go", columns, tuple(lines), (_STAGES_REMARK,))


def _agreement_table(agreements: tuple[Agreement, ...]) -> Table:
    columns = (
        *(text_column(title) for title in ("program", "given", "output", "kind")),
        *number_columns("worst", "mean", "n"),
    )
    lines = [
        (
            *(text_cell(text) for text in (one.program, one.given, one.output, one.kind)),
            *(_few_digits_cell(value) for value in (one.worst, one.mean)),
            count_cell(one.num_compared),
        )
        for one in agreements
    ]
    return Table("How far the answers are from the official ones", columns, tuple(lines), (_AGREEMENT_REMARK,))


def _few_digits_cell(value: float) -> Cell:
    return Cell(f"{value:.4g}", (value,))
