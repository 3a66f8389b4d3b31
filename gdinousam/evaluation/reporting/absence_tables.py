"""False positives as tables: of every dataset with the ROC, and of every phrase shown with every phrase asked."""

from __future__ import annotations

from collections.abc import Sequence

from gdinousam.evaluation.reporting.absence import Pair, Presence, has_absent, pairs_of, presence_by_dataset
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

_RULE = (
    "A false positive is any answer to a phrase that is absent; false positives are 100 % minus the specificity. "
    "Images %: share of the images asked for an absent phrase in which at least one was answered, which grows with the "
    "number of phrases asked. Intervals: 95 % bootstrap over patients where known, else images."
)
_ROC = (
    "AUC: the probability that a phrase that is there has a higher score than one that is not, a tie counting as half. "
    "A box below the threshold has no score and counts as nothing found, the lowest of all; a lower "
    "prediction.box_threshold shows more of the curve."
)
_ONE_SCORE = "All detections have one score, so the curve has one point between its ends."
_PAIRS_RULE = "An image that shows several phrases counts for each of them."
_PRESENCE_COLUMNS = (
    text_column("dataset"),
    Column("present", ("num_present",)),
    Column("absent", ("num_absent",)),
    Column("answered", ("num_answered",)),
    Column("false positives %", ("false_positives_percent",)),
    Column("95 % interval", ("false_positives_low_percent", "false_positives_high_percent")),
    Column("images", ("num_images",)),
    Column("images %", ("images_percent",)),
    Column("95 % interval", ("images_low_percent", "images_high_percent")),
    Column("AUC", ("auc",)),
    Column("95 % interval", ("auc_low", "auc_high")),
)
_PAIR_COLUMNS = (
    text_column("shown"),
    text_column("asked"),
    Column("n", ("num_asked",)),
    Column("answered", ("num_answered",)),
    Column("false positives %", ("false_positives_percent",)),
    Column("95 % interval", ("false_positives_low_percent", "false_positives_high_percent")),
)


def absence_tables(rows: Sequence[ScoreRow]) -> dict[str, Table]:
    """``absent``: a line for each dataset and one for all queries; ``absent_pairs``: a line for each pair of phrases.

    Empty where no strict query with an absent phrase was asked.
    """
    if not has_absent(rows):
        return {}
    datasets = presence_by_dataset(rows)
    remarks = (_RULE, _ROC, *([_ONE_SCORE] if datasets[-1].num_scores == 1 else []))
    num_summaries = int(len(datasets) > 1)
    pairs = tuple(map(_pair_line, pairs_of(rows)))
    return {
        "absent": Table(
            "Absent phrases", _PRESENCE_COLUMNS, tuple(map(_presence_line, datasets)), remarks, num_summaries
        ),
        "absent_pairs": Table("What is shown and what is answered", _PAIR_COLUMNS, pairs, (_PAIRS_RULE,)),
    }


def _presence_line(one: Presence) -> tuple[Cell, ...]:
    return (
        text_cell(one.name),
        count_cell(one.num_present),
        count_cell(one.num_absent),
        count_cell(one.num_answered),
        number_cell(100 * one.false_positives.mean),
        interval_cell(100 * one.false_positives.low, 100 * one.false_positives.high),
        count_cell(one.images.num_values),
        number_cell(100 * one.images.mean),
        interval_cell(100 * one.images.low, 100 * one.images.high),
        number_cell(one.auc.mean, 3),
        interval_cell(one.auc.low, one.auc.high, 3),
    )


def _pair_line(one: Pair) -> tuple[Cell, ...]:
    return (
        text_cell(one.shown),
        text_cell(one.asked),
        count_cell(one.num_asked),
        count_cell(one.num_answered),
        number_cell(100 * one.rate.mean),
        interval_cell(100 * one.rate.low, 100 * one.rate.high),
    )
