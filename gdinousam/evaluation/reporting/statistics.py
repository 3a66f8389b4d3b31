"""How far a mean can be trusted, and whether two methods differ: bootstrap intervals and paired tests, from scipy.

What is resampled are units that are independent of one another: patients where they are known, else images. Several
values of one unit stay together, so many images of few patients do not look like much evidence.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from gdinousam.evaluation.scoring.rows import ScoreRow

LEVEL = 0.95
NUM_RESAMPLES = 2000  # the ends of an interval then move by about 2 % of its width from seed to seed
SEED = 0
_RESAMPLES_AT_ONCE = 100  # where a unit is drawn so many times, not place by place
CELLS_AT_ONCE = 2**22  # drawn numbers held in memory at a time, 32 MiB
DIGITS = 12  # differences are rounded to these before ranking: equal ones must tie whatever their last bit

Floats = npt.NDArray[np.float64]
Groups = Sequence[Hashable | None] | None  # for each value the unit it belongs to, None: one of its own


@dataclass(frozen=True)
class Interval:
    """A mean with its bootstrap interval, in the unit of the values.

    mean: plain mean of the values, nan of none. low, high: nan where there is nothing to resample.
    num_values: values behind the mean. num_groups: units that were resampled.
    """

    mean: float
    low: float
    high: float
    num_values: int
    num_groups: int


@dataclass(frozen=True)
class PairedTest:
    """Two methods on the same cases.

    difference: mean of first minus second with its interval, in the unit of the values.
    p_value: two-sided Wilcoxon signed-rank test over groups, in [0, 1]; nan without pairs.
    lowest_p: what it would be if all groups that differ did so in the same direction; it cannot be lower. nan where no
    group differs. num_differing: how many groups do.
    """

    difference: Interval
    p_value: float
    lowest_p: float = math.nan
    num_differing: int = 0


def resampling_unit(row: ScoreRow) -> tuple[str, str, str]:
    """What a row's score depends on and is resampled with; see ``unit_of``."""
    return unit_of(row.dataset, row.group, row.image_name)


def unit_of(dataset: str, group: str | None, image_name: str) -> tuple[str, str, str]:
    """The patient, volume or exam of an image, else the image.

    Numbers of patients and names of images are taken to be of one dataset.
    """
    return (dataset, "image", image_name) if group is None else (dataset, "group", group)


def bootstrap_interval(
    values: Sequence[float],
    groups: Groups = None,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = SEED,
    level: float = LEVEL,
) -> Interval:
    """Mean of values with a percentile bootstrap interval that resamples groups.

    groups: for each value the unit it belongs to, ``None``: a unit of its own; left out: every value is.
    The same call gives the same interval. Fewer than two units: low and high are nan. Equal values: an interval without
    width. Raises ValueError for a value that is not a finite number and for groups of another length than the values.
    """
    return macro_intervals([([values], groups)], 1, num_resamples, seed, level)[0]


def macro_intervals(
    datasets: Sequence[tuple[Sequence[Sequence[float]], Groups]],
    num_measures: int,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = SEED,
    level: float = LEVEL,
) -> list[Interval]:
    """For each of several measures the mean of the datasets' means; groups are resampled within each dataset.

    datasets: (measures, groups) of each: for each measure its values on the same cases, and the group of each case as
    in ``bootstrap_interval``. Datasets without cases are left out. One dataset: plain mean and interval.
    low and high are nan where a dataset has fewer than two units: what it adds to the doubt is not known.
    num_values and num_groups are totals.
    """
    parts = [_Grouped.of(values, groups) for values, groups in datasets if len(values[0])]
    num_values, num_groups = sum(part.num_values for part in parts), sum(part.num_groups for part in parts)
    means = np.mean([part.means for part in parts], axis=0) if parts else np.full(num_measures, math.nan)
    lows = highs = np.full(num_measures, math.nan)
    if parts and min(part.num_groups for part in parts) > 1:
        interval = stats.bootstrap(
            [np.arange(part.num_groups) for part in parts],
            lambda *drawn, axis: np.mean([part.means_of(at) for part, at in zip(parts, drawn, strict=True)], axis=0),
            n_resamples=num_resamples,
            batch=max(1, CELLS_AT_ONCE // num_groups),
            vectorized=True,
            axis=-1,
            confidence_level=level,
            method="percentile",
            random_state=np.random.default_rng(seed),
        ).confidence_interval
        lows, highs = interval.low, interval.high
    ends = zip(means, lows, highs, strict=True)
    return [Interval(float(mean), float(low), float(high), num_values, num_groups) for mean, low, high in ends]


def paired_test(
    first: Sequence[float],
    second: Sequence[float],
    groups: Groups = None,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = SEED,
    level: float = LEVEL,
) -> PairedTest:
    """Compare two methods by their values on the same cases, given in the same order.

    The interval is the paired bootstrap of the mean difference, groups resampled. The Wilcoxon test takes one
    difference per group, the mean of its pairs, because it supposes independent pairs. Differences of 0 are ranked with
    the others and then dropped (Pratt): two methods that both miss an object are evidence that they are alike.
    No difference anywhere: p 1. No pair: nan everywhere. Raises ValueError where the lengths differ or a value is not
    finite.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} values of the first method, {len(second)} of the second; pairs are needed")
    differences = np.subtract(first, second).tolist()
    interval = bootstrap_interval(differences, groups, num_resamples, seed, level)
    if not differences:
        return PairedTest(interval, math.nan)
    grouped = _Grouped.of([differences], groups)
    per_group = np.round(grouped.sums[0] / grouped.counts, DIGITS)
    if not per_group.any():
        return PairedTest(interval, 1.0)
    p_value, lowest_p = (
        float(stats.wilcoxon(values, zero_method="pratt").pvalue) for values in (per_group, np.abs(per_group))
    )
    return PairedTest(interval, p_value, lowest_p, int(np.count_nonzero(per_group)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's correction: p values of several comparisons, to be held against one level together.

    Returns them adjusted, in the order given: the smallest of m times m, the next times m - 1 and so on, never falling
    and at most 1. A nan is not a comparison and stays nan. Empty: empty. (Holm 1979; scipy has none.)
    """
    adjusted = [math.nan] * len(p_values)
    ranked = sorted((p, place) for place, p in enumerate(p_values) if not math.isnan(p))
    largest = 0.0
    for rank, (p, place) in enumerate(ranked):
        largest = max(largest, min(1.0, (len(ranked) - rank) * p))
        adjusted[place] = largest
    return adjusted


def draws_of_units(num_units: int) -> Iterator[Floats]:
    """How often each unit is drawn in every resample, (R, G) at a time; nothing where there are fewer than two units.

    For measures that are no means of values, see ``interval_of_draws``. The same number gives the same draws.
    """
    generator = np.random.default_rng(SEED)
    for start in range(0, NUM_RESAMPLES if num_units > 1 else 0, _RESAMPLES_AT_ONCE):
        number = min(_RESAMPLES_AT_ONCE, NUM_RESAMPLES - start)
        yield generator.multinomial(num_units, np.full(num_units, 1 / num_units), size=number).astype(np.float64)


def interval_of_draws(value: float, drawn: Floats, num_values: int, num_groups: int) -> Interval:
    """A value with the percentile interval of what it is in every resample, (R,); nan ends without draws.

    Resamples in which it is nan say nothing of it.
    """
    known = drawn[np.isfinite(drawn)]
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) if len(known) else (math.nan, math.nan)
    return Interval(value, float(low), float(high), num_values, num_groups)


@dataclass(frozen=True, eq=False)
class _Grouped:
    """Cases summed by group. means: (M,) of each measure; sums: (M, G) and counts: (G,), in order of appearance."""

    num_values: int
    means: Floats
    sums: Floats
    counts: Floats

    @staticmethod
    def of(values: Sequence[Sequence[float]], groups: Groups) -> _Grouped:
        array = np.asarray(values, dtype=np.float64)
        if not np.isfinite(array).all():
            raise ValueError("a value is nan or infinite; leave out what has no score before taking a mean")
        units = [None] * array.shape[1] if groups is None else groups
        if len(units) != array.shape[1]:
            raise ValueError(f"{array.shape[1]} values but {len(units)} groups")
        codes: dict[Hashable, int] = {}
        keys = [("alone", place) if unit is None else ("group", unit) for place, unit in enumerate(units)]
        code_of_case = [codes.setdefault(key, len(codes)) for key in keys]
        sums = np.asarray([np.bincount(code_of_case, weights=of_measure) for of_measure in array], dtype=np.float64)
        counts = np.bincount(code_of_case).astype(np.float64)
        return _Grouped(array.shape[1], array.mean(axis=1), sums, counts)

    @property
    def num_groups(self) -> int:
        return len(self.counts)

    def means_of(self, drawn: npt.NDArray[np.int64]) -> Floats:
        """Means of the measures over drawn groups: (..., G) places of groups -> (M, ...)."""
        draws = drawn.reshape(-1, self.num_groups)
        # How often each group was drawn says the same as the draws and serves all measures. einsum, not a matrix
        # product: its last digit does not depend on the number of threads.
        places = draws + self.num_groups * np.arange(len(draws))[:, None]
        times = np.bincount(places.ravel(), minlength=draws.size).reshape(draws.shape).astype(np.float64)
        means = np.einsum("rg,mg->mr", times, self.sums) / np.einsum("rg,g->r", times, self.counts)
        return np.asarray(means.reshape(-1, *drawn.shape[:-1]), dtype=np.float64)
