"""Whether a score says how likely the phrase is there: the reliability curve, and the expected calibration error.

Every strict query that the method was asked, absent phrases included, says two things: how sure the method was that the
phrase is there, and whether it is. Sure means the score of its best detection; where it found nothing, it said 0, also
where a box below the threshold would have had a score. Queries are sorted into ten bins of equal width. Of a method
whose scores are probabilities, the share of present phrases in a bin is the mean score there.
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
    draws_of_units,
    interval_of_draws,
    resampling_unit,
)
from gdinousam.evaluation.scoring.rows import ScoreRow

NUM_BINS = 10  # as usual for this error (Guo and others 2017)
_EDGES = np.arange(NUM_BINS) / NUM_BINS  # where the bins begin

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Bin:
    """The queries with a score in [low, high), the last bin with 1 too.

    num_queries: may be 0. confidence: mean score; present: share of them whose phrase is there, with its interval; all
    in [0, 1], nan of none.
    """

    low: float
    high: float
    num_queries: int
    confidence: float
    present: Interval


@dataclass(frozen=True)
class Calibration:
    """name: of the dataset, or what else the queries are. num_queries, num_absent: queries; those without the target.
    num_silent: those in which nothing was found, so that they count as 0.

    error: the expected calibration error in [0, 1], the mean over queries of |confidence - present| of their bin, with
    its bootstrap interval over patients or images; nan of none. confidence, present: means over the queries.
    num_scores: different scores of what was found; a method with one has no scores to calibrate.
    """

    name: str
    num_queries: int
    num_absent: int
    num_silent: int
    num_scores: int
    error: Interval
    confidence: float
    present: float
    bins: tuple[Bin, ...]


def calibration_of(rows: Sequence[ScoreRow], name: str = "all queries") -> Calibration:
    """The calibration of the strict rows among some; the others and those that are not supported are left out.

    The error of few queries is too large by chance, and so are both ends of its interval: compare like with like.
    Raises ValueError for a score outside [0, 1], see ``scores_are_shares``.
    """
    asked = [row for row in rows if row.protocol == "strict" and row.supported]
    scores = np.array([_confidence(row) for row in asked], dtype=np.float64)
    present = np.array([row.target_present for row in asked], dtype=np.float64)
    places = np.searchsorted(_EDGES, scores, side="right") - 1
    sums = _sums_by_unit(asked, places, scores, present)
    drawn = _resampled(sums)
    bins = tuple(_bin(place, sums[:, place].sum(axis=0), sums[:, place], drawn[:, place]) for place in range(NUM_BINS))
    return Calibration(
        name,
        len(asked),
        sum(not row.target_present for row in asked),
        sum(not row.found for row in asked),
        len({row.score for row in asked if row.found}),
        interval_of_draws(float(_errors(sums.sum(axis=0)[None])[0]), _errors(drawn), len(asked), len(sums)),
        float(scores.mean()) if asked else math.nan,
        float(present.mean()) if asked else math.nan,
        bins,
    )


def scores_are_shares(rows: Sequence[ScoreRow]) -> bool:
    """Whether all scores of strict rows lie in [0, 1]; other programs may give any number, which has no calibration."""
    return all(0 <= row.score <= 1 for row in rows if row.protocol == "strict" and row.supported and row.found)


def calibrations_by_dataset(rows: Sequence[ScoreRow]) -> list[Calibration]:
    """One for each dataset with a strict query that was asked, in the paper's order, then one for all."""
    asked = [row for row in rows if row.protocol == "strict" and row.supported]
    by_dataset: dict[str, list[ScoreRow]] = {name: [] for name in in_paper_order(row.dataset for row in asked)}
    for row in asked:
        by_dataset[row.dataset].append(row)
    of_datasets = [calibration_of(part, name) for name, part in by_dataset.items()] if len(by_dataset) > 1 else []
    return [*of_datasets, calibration_of(asked)]


def calibration_remarks(one: Calibration) -> list[str]:
    """What a reader has to know of a calibration; empty where all is well."""
    remarks = []
    if one.num_queries and not one.num_absent:
        remarks.append(
            "No phrase is absent from its image, so this only says how far scores stay below 1 where the target is "
            "there (the error is 100 % minus the mean score); whether a score tells present from absent is not known."
        )
    if one.num_queries > one.num_silent and one.num_scores == 1:
        remarks.append("All detections have one score, so the method does not say how sure it is.")
    return remarks


def _confidence(row: ScoreRow) -> float:
    if not row.found:
        return 0.0
    if not 0 <= row.score <= 1:
        raise ValueError(f"{row.dataset} {row.image_name} {row.phrase!r}: score {row.score} is not in [0, 1]")
    return row.score


def _sums_by_unit(rows: Sequence[ScoreRow], places: npt.NDArray[np.int_], scores: Floats, present: Floats) -> Floats:
    """(G, B, 3): of every resampled unit and bin the number of queries, the sum of scores, of present ones."""
    codes: dict[tuple[str, str, str], int] = {}
    units = np.array([codes.setdefault(resampling_unit(row), len(codes)) for row in rows], dtype=np.int64)
    cells = units * NUM_BINS + places
    summed = [
        np.bincount(cells, weights=values, minlength=len(codes) * NUM_BINS)
        for values in (np.ones_like(scores), scores, present)
    ]
    return np.stack(summed, axis=1).astype(np.float64).reshape(len(codes), NUM_BINS, 3)


def _resampled(sums: Floats) -> Floats:
    """(R, B, 3): the sums over units drawn with replacement; no draws where there are fewer than two units."""
    draws = [np.einsum("rg,gbk->rbk", times, sums) for times in draws_of_units(len(sums))]
    return np.concatenate([np.zeros((0, NUM_BINS, 3)), *draws])


def _errors(sums: Floats) -> Floats:
    """(R, B, 3) -> (R,): in every bin |sum of scores - number of present ones|, over the number of queries."""
    counts = sums[..., 0].sum(axis=1)
    gaps = np.abs(sums[..., 1] - sums[..., 2]).sum(axis=1)
    return np.divide(gaps, counts, out=np.full(len(sums), math.nan), where=counts > 0)


def _bin(place: int, total: Floats, by_unit: Floats, drawn: Floats) -> Bin:
    """total: (3,). by_unit: (G, 3), drawn: (R, 3) of this bin; draws without a query in it say nothing of its share."""
    number, score, present = total
    shares = drawn[drawn[:, 0] > 0]
    num_units = int((by_unit[:, 0] > 0).sum())
    share = float(present / number) if number else math.nan
    drawn_shares = shares[:, 2] / shares[:, 0] if num_units > 1 else np.zeros(0)
    return Bin(
        place / NUM_BINS,
        (place + 1) / NUM_BINS,
        int(number),
        float(score / number) if number else math.nan,
        interval_of_draws(share, drawn_shares, int(number), num_units),
    )
