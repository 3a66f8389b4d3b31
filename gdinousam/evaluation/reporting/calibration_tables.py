"""Calibration as tables: the error of every dataset, and the reliability curve of all queries bin by bin."""

from __future__ import annotations

from collections.abc import Sequence

from gdinousam.evaluation.reporting.calibration import (
    NUM_BINS,
    Bin,
    Calibration,
    calibration_remarks,
    calibrations_by_dataset,
    scores_are_shares,
)
from gdinousam.evaluation.reporting.table import (
    Cell,
    Column,
    Table,
    count_cell,
    interval_cell,
    number_cell,
    text_cell,
    text_column,
)
from gdinousam.evaluation.scoring.rows import ScoreRow

NO_SHARES = "Scores do not lie between 0 and 1, so there is no calibration of them."
_RULE = (
    f"Is the phrase there? The score of its best detection, 0 where nothing was found, in {NUM_BINS} bins of equal "
    "width, held against the share of queries whose phrase is there. ECE: mean over queries of the gap in their bin; "
    "of few queries it is too large by chance. Intervals: 95 % bootstrap over patients where known, else images."
)
_ERROR_COLUMNS = (
    text_column("dataset"),
    Column("n", ("num_queries",)),
    Column("absent", ("num_absent",)),
    Column("nothing found", ("num_silent",)),
    Column("ECE %", ("error_percent",)),
    Column("95 % interval", ("error_low_percent", "error_high_percent")),
    Column("mean score %", ("confidence_percent",)),
    Column("present %", ("present_percent",)),
)
_BIN_COLUMNS = (
    text_column("dataset"),
    Column("score from", ("score_from",)),
    Column("below", ("score_below",)),
    Column("n", ("num_queries",)),
    Column("mean score %", ("confidence_percent",)),
    Column("present %", ("present_percent",)),
    Column("95 % interval", ("present_low_percent", "present_high_percent")),
)


def calibration_tables(rows: Sequence[ScoreRow]) -> dict[str, Table]:
    """``calibration``: a line for each dataset and one for all queries; ``reliability``: the bins that hold a query.

    Empty where no strict query was asked, or where the scores have no calibration (``scores_are_shares``).
    """
    if not scores_are_shares(rows):
        return {}
    calibrations = calibrations_by_dataset(rows)
    if not calibrations[-1].num_queries:
        return {}
    remarks = (_RULE, *calibration_remarks(calibrations[-1]))
    lines = tuple(map(_error_line, calibrations))
    bins = tuple(_bin_line(one.name, part) for one in calibrations for part in one.bins if part.num_queries)
    return {
        "calibration": Table("Calibration", _ERROR_COLUMNS, lines, remarks, num_summaries=int(len(lines) > 1)),
        "reliability": Table("Reliability", _BIN_COLUMNS, bins),
    }


def _error_line(one: Calibration) -> tuple[Cell, ...]:
    return (
        text_cell(one.name),
        count_cell(one.num_queries),
        count_cell(one.num_absent),
        count_cell(one.num_silent),
        number_cell(100 * one.error.mean),
        interval_cell(100 * one.error.low, 100 * one.error.high),
        number_cell(100 * one.confidence),
        number_cell(100 * one.present),
    )


def _bin_line(name: str, one: Bin) -> tuple[Cell, ...]:
    return (
        text_cell(name),
        number_cell(one.low, 1),
        number_cell(one.high, 1),
        count_cell(one.num_queries),
        number_cell(100 * one.confidence),
        number_cell(100 * one.present.mean),
        interval_cell(100 * one.present.low, 100 * one.present.high),
    )
