"""Whether a method keeps silent about what is not there: false positives, and the ROC of "is the phrase there".

Everything comes from the strict rows of queries that the method was asked. A query whose phrase is absent and that got
any detection is a false positive. For the ROC a query has the score of its best detection; where nothing was found it
ranks below every score, also where a box below the threshold would have had one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gdinousam.evaluation.reporting.paper_numbers import in_paper_order
from gdinousam.evaluation.reporting.statistics import (
    Interval,
    bootstrap_interval,
    draws_of_units,
    interval_of_draws,
    resampling_unit,
)
from gdinousam.evaluation.reporting.summary import POOLED
from gdinousam.evaluation.scoring.rows import ScoreRow

NOTHING_SHOWN = "(nothing outlined)"

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Pair:
    """Images that show one phrase, asked for another that is absent.

    shown: a phrase that has a box in them, or ``NOTHING_SHOWN``. asked: the absent phrase. num_answered: queries with a
    detection. rate: their share in [0, 1], with its bootstrap interval over patients or images.
    """

    shown: str
    asked: str
    num_answered: int
    rate: Interval

    @property
    def num_asked(self) -> int:
        """Queries, at least 1."""
        return self.rate.num_values


@dataclass(frozen=True)
class Presence:
    """How well a method tells present from absent in some queries; shares in [0, 1], intervals as everywhere.

    name: of the dataset, or what else the queries are. num_present, num_absent: queries. false_positives: share of the
    absent queries that were answered. images: share of the images asked for an absent phrase in which one was answered.
    auc: area under the ROC, the probability that a present query has a higher score than an absent one, a tie counting
    as half; nan where there are not both. num_scores: different scores of what was found.
    """

    name: str
    num_present: int
    num_absent: int
    num_answered: int
    false_positives: Interval
    images: Interval
    auc: Interval
    num_scores: int


@dataclass(frozen=True, eq=False)
class Roc:
    """Points of the curve from (0, 0), one for each different score, falling, then one for "nothing found", (1, 1).

    false_positive_rates, true_positive_rates: (S + 2,) in [0, 1]; the last stretch stands for all queries in which
    nothing was found. Empty where there are not both present and absent queries.
    """

    false_positive_rates: Floats
    true_positive_rates: Floats


def asked_rows(rows: Sequence[ScoreRow]) -> list[ScoreRow]:
    """The strict rows that the method was asked."""
    return [row for row in rows if row.protocol == "strict" and row.supported]


def has_absent(rows: Sequence[ScoreRow]) -> bool:
    """Whether any of the queries that were asked has an absent phrase."""
    return any(not row.target_present for row in asked_rows(rows))


def pairs_of(rows: Sequence[ScoreRow]) -> list[Pair]:
    """Every phrase shown with every absent phrase that its images were asked for; empty without absent queries.

    Both in order of first appearance. An image that shows several phrases counts for each of them.
    """
    shown_in: dict[tuple[str, str], dict[str, None]] = {}
    for row in rows:
        if row.protocol == "strict" and row.target_present:
            shown_in.setdefault((row.dataset, row.image_name), {})[row.phrase] = None
    queries: dict[str, dict[str, list[ScoreRow]]] = {phrase: {} for shown in shown_in.values() for phrase in shown}
    for row in asked_rows(rows):
        if not row.target_present:
            for phrase in shown_in.get((row.dataset, row.image_name), {NOTHING_SHOWN: None}):
                queries.setdefault(phrase, {}).setdefault(row.phrase, []).append(row)
    return [
        Pair(shown, asked, sum(row.found for row in of_pair), _share_answered(of_pair))
        for shown, by_asked in queries.items()
        for asked, of_pair in by_asked.items()
    ]


def presence_by_dataset(rows: Sequence[ScoreRow]) -> list[Presence]:
    """One for each dataset with a query that was asked, in the paper's order, then one for all if there are several."""
    asked = asked_rows(rows)
    by_dataset: dict[str, list[ScoreRow]] = {name: [] for name in in_paper_order(row.dataset for row in asked)}
    for row in asked:
        by_dataset[row.dataset].append(row)
    of_datasets = [presence_of(part, name) for name, part in by_dataset.items()]
    return of_datasets if len(of_datasets) == 1 else [*of_datasets, presence_of(asked, POOLED)]


def presence_of(rows: Sequence[ScoreRow], name: str = POOLED) -> Presence:
    """The numbers of all rows together; those that were not asked are left out, and nan is a mean of nothing."""
    asked = asked_rows(rows)
    absent = [row for row in asked if not row.target_present]
    answered: dict[tuple[str, str], tuple[bool, tuple[str, str, str]]] = {}
    for row in absent:
        key = row.dataset, row.image_name
        answered[key] = answered.get(key, (False,))[0] or row.found, resampling_unit(row)
    return Presence(
        name,
        len(asked) - len(absent),
        len(absent),
        sum(row.found for row in absent),
        _share_answered(absent),
        bootstrap_interval([float(any_found) for any_found, _ in answered.values()], [u for _, u in answered.values()]),
        _auc(asked),
        len({row.score for row in asked if row.found}),
    )


def roc_of(rows: Sequence[ScoreRow]) -> Roc:
    """The curve of all rows that were asked."""
    ranked = _Ranked.of(asked_rows(rows))
    if not ranked.has_both:
        return Roc(np.zeros(0), np.zeros(0))
    absent, present = ranked.by_rank(np.ones(ranked.num_units))
    rates = [np.concatenate([[0.0], np.cumsum(part) / part.sum()]) for part in (absent, present)]
    return Roc(*rates)


def _share_answered(absent: Sequence[ScoreRow]) -> Interval:
    return bootstrap_interval([float(row.found) for row in absent], [resampling_unit(row) for row in absent])


def _auc(asked: Sequence[ScoreRow]) -> Interval:
    ranked = _Ranked.of(asked)
    if not ranked.has_both:
        return interval_of_draws(math.nan, np.zeros(0), len(asked), ranked.num_units)
    drawn = [_area(*ranked.by_rank(times)) for draws in draws_of_units(ranked.num_units) for times in draws]
    value = _area(*ranked.by_rank(np.ones(ranked.num_units)))
    return interval_of_draws(value, np.asarray(drawn, dtype=np.float64), len(asked), ranked.num_units)


def _area(absent: Floats, present: Floats) -> float:
    """Of numbers of queries by falling rank, by trapezoids; nan where there is none of a kind."""
    pairs = absent.sum() * present.sum()
    above = np.cumsum(present) - present / 2  # present ones with a higher score, and half of the ties
    return float((above * absent).sum() / pairs) if pairs else math.nan


@dataclass(frozen=True, eq=False)
class _Ranked:
    """Queries by the rank of their score, 0 the highest; the last is "nothing found", whether or not that happened.

    absent, present: (N,) place of the unit that each query is resampled with, and (N,) its rank.
    """

    absent: tuple[Integers, Integers]
    present: tuple[Integers, Integers]
    num_units: int
    num_ranks: int

    @staticmethod
    def of(asked: Sequence[ScoreRow]) -> _Ranked:
        codes: dict[tuple[str, str, str], int] = {}
        units = np.array([codes.setdefault(resampling_unit(row), len(codes)) for row in asked], dtype=np.int64)
        scores = np.array([row.score if row.found else -math.inf for row in asked], dtype=np.float64)
        falling = np.unique(np.append(scores, -math.inf))[::-1]
        ranks = np.searchsorted(-falling, -scores).astype(np.int64)
        there = np.array([row.target_present for row in asked], dtype=np.bool_)
        return _Ranked((units[~there], ranks[~there]), (units[there], ranks[there]), len(codes), len(falling))

    @property
    def has_both(self) -> bool:
        return len(self.absent[0]) > 0 and len(self.present[0]) > 0

    def by_rank(self, times: Floats) -> tuple[Floats, Floats]:
        """Numbers of absent and of present queries, (S,) each. times: (G,) how often each unit counts."""
        absent, present = (
            np.bincount(ranks, weights=times[units], minlength=self.num_ranks).astype(np.float64)
            for units, ranks in (self.absent, self.present)
        )
        return absent, present
