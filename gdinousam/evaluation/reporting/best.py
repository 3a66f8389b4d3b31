"""Which of several methods may be marked as the best: one that is ahead of every other by more than chance.

Two means that differ in a last digit say nothing, so a mark wants a lead that the paired bootstrap does not take for 0.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Literal, TypeVar

import numpy as np

from gdinousam.evaluation.reporting.statistics import Interval, macro_intervals, resampling_unit
from gdinousam.evaluation.scoring.rows import ScoreRow

Score = Literal["dice", "iou"]
Name = TypeVar("Name", bound=Hashable)

# With fewer patients or images even a lead on all of them comes about by chance in more than 5 of 100 cases (sign test,
# two-sided: 2 / 2**5), whatever the bootstrap of so few says.
FEWEST_GROUPS = 6
RULE = (
    "Marked as the best is only a mean that is ahead of every other one beyond doubt: the 95 % paired bootstrap "
    f"interval of its lead, on the queries that both are scored on, lies above 0, with {FEWEST_GROUPS} patients or "
    "images at least."
)
NO_CANDIDATES = "References and random weights are not candidates for the best."


def best_method(rows: Mapping[Name, Sequence[ScoreRow]], score: Score) -> Name | None:
    """The method with the highest mean, if it leads every other beyond doubt as ``RULE`` says; else ``None``.

    rows: of each candidate, all of one protocol and with every query once. Means are over the datasets' means, so that
    datasets weigh the same. Who has no score is not a candidate; ``None`` also for fewer than two.
    """
    means = {name: mean for name, of_method in rows.items() if not math.isnan(mean := _mean(of_method, score))}
    if len(means) < 2:
        return None
    first, *others = sorted(means, key=lambda name: -means[name])
    return first if all(_is_ahead(lead(rows[first], rows[other], score)) for other in others) else None


def lead(first: Sequence[ScoreRow], second: Sequence[ScoreRow], score: Score) -> Interval:
    """How far the first method is ahead on the queries that both are scored on, with its 95 % bootstrap interval.

    Mean over the datasets' mean differences, in [-1, 1]; patients where known, else images are resampled within each
    dataset. low and high are nan where a dataset has a single one; all is nan without common queries.
    """
    score_of = {_key(row): getattr(row, score) for row in second}
    differences: dict[str, list[float]] = {}
    units: dict[str, list[Hashable]] = {}
    for row in first:
        difference = getattr(row, score) - score_of.get(_key(row), math.nan)
        if not math.isnan(difference):
            differences.setdefault(row.dataset, []).append(difference)
            units.setdefault(row.dataset, []).append(resampling_unit(row))
    return macro_intervals([([of_dataset], units[name]) for name, of_dataset in differences.items()], 1)[0]


def _is_ahead(interval: Interval) -> bool:
    return interval.num_groups >= FEWEST_GROUPS and interval.low > 0


def _mean(rows: Sequence[ScoreRow], score: Score) -> float:
    """The mean of the datasets' means; nan where nothing is scored."""
    by_dataset: dict[str, list[float]] = {}
    for row in rows:
        if not math.isnan(value := getattr(row, score)):
            by_dataset.setdefault(row.dataset, []).append(value)
    return float(np.mean([np.mean(of_dataset) for of_dataset in by_dataset.values()])) if by_dataset else math.nan


def _key(row: ScoreRow) -> tuple[str, str, str]:
    return row.dataset, row.image_name, row.phrase
