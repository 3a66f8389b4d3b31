"""Learning curves: Dice by the size of the training set, and the methods in pairs at every size.

Two doubts stand side by side and are never mixed: another choice of test patients (the intervals), and another choice
and order of training images (the spread over seeds).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import numpy.typing as npt

from gdinousam.errors import InputError
from gdinousam.evaluation.reporting.comparison import compare
from gdinousam.evaluation.reporting.comparison_tables import few_groups_notes
from gdinousam.evaluation.reporting.statistics import (
    DIGITS,
    Interval,
    PairedTest,
    bootstrap_interval,
    holm,
    paired_test,
    resampling_unit,
)
from gdinousam.evaluation.reporting.table import (
    Cell,
    Column,
    Table,
    count_cell,
    difference_cell,
    interval_cell,
    number_cell,
    probability_cell,
    spread_cell,
    text_cell,
    text_column,
)
from gdinousam.evaluation.scoring.notes import weights_remarks
from gdinousam.evaluation.scoring.results import Results
from gdinousam.evaluation.scoring.rows import ScoreRow

FEW_UNITS = 10  # test patients below which an interval over them says little, and tables say so
_UNTRAINED = "-"
_RULE = "Strict Dice in percent, a miss being 0. n: queries, an image with one phrase each, the same for every line."
_SEEDS = (
    "Over seeds: mean ± standard deviation, and lowest to highest, of the Dice of single runs. Each seed draws other "
    "training images and another order; at the largest size, which takes all, only another order."
)
_PATIENTS = (
    "Interval: 95 % bootstrap over test patients where they are known, else images, of the mean over seeds. It says "
    "nothing about other seeds, and the spread over seeds nothing about other patients."
)
_TESTS = (
    "Dice, first minus second, each the mean over seeds of a query; intervals and p (two-sided Wilcoxon signed-rank, "
    "one difference per group) over test patients where known, else images. p (Holm) is corrected for all lines. Seeds "
    "ahead: those of which the first has the higher mean Dice, trained on the same images."
)


@dataclass(frozen=True, eq=False)
class CurveRun:
    """One training and its evaluation.

    method: the line that it is a point of. num_units: training patients or images. num_images: training images.
    num_steps: optimizer steps. seconds: of training, without the time for saving.
    """

    method: str
    num_units: int
    num_images: int
    seed: int
    num_steps: int
    seconds: float
    results: Results


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """unit: what sizes count, in the plural. references: by name what is not trained here, zero-shot first.

    runs: every method has the same sizes, and at every size the same seeds. All results are of the same queries.
    """

    unit: str
    references: Mapping[str, Results]
    runs: Sequence[CurveRun]


@dataclass(frozen=True, eq=False)
class Point:
    """One method at one size. runs: one for each seed; none for what is not trained.

    dice_by_seed: (seeds, queries), in [0, 1]. rows: of each query, for its phrase and group.
    """

    method: str
    num_units: int
    runs: tuple[CurveRun, ...]
    dice_by_seed: npt.NDArray[np.float64]
    rows: tuple[ScoreRow, ...]

    @property
    def of_seeds(self) -> list[float]:
        """The mean Dice of each seed."""
        return [float(mean) for mean in self.dice_by_seed.mean(axis=1)]

    @property
    def of_queries(self) -> list[float]:
        """The mean over seeds of each query."""
        return [float(mean) for mean in self.dice_by_seed.mean(axis=0)]

    @property
    def units(self) -> list[tuple[str, str, str]]:
        """What is resampled of each query."""
        return [resampling_unit(row) for row in self.rows]

    @property
    def interval(self) -> Interval:
        """The mean over everything, with its interval over test patients."""
        return bootstrap_interval(self.of_queries, self.units)

    @property
    def deviation(self) -> float:
        """Standard deviation (n - 1) over seeds, nan of a single one."""
        return float(np.std(self.of_seeds, ddof=1)) if len(self.of_seeds) > 1 else math.nan


def points_of(curve: LearningCurve) -> list[Point]:
    """The references, then each method from its smallest size to its largest.

    Queries without a Dice somewhere are in none of them: those without a target, and those of phrases that some part of
    the training images lacks. Raises InputError where the results are of other queries, or no query is left.
    """
    everything = [*curve.references.values(), *(run.results for run in curve.runs)]
    # every result under a name of its own, so that they can be put side by side
    compared = compare([replace(one, method=str(place)) for place, one in enumerate(everything)])
    rows_of = list(compared.rows.values())
    kept = [place for place, rows in enumerate(zip(*rows_of, strict=True)) if not any(math.isnan(r.dice) for r in rows)]
    if not kept:
        raise InputError("no query with a target that all runs could answer; use test images with a target")
    rows = tuple(rows_of[0][place] for place in kept)
    dice = [[of_one[place].dice for place in kept] for of_one in rows_of]
    points = [
        Point(name, 0, (), np.asarray([of_one]), rows) for name, of_one in zip(curve.references, dice, strict=False)
    ]
    dice_of_run = dict(zip(curve.runs, dice[len(curve.references) :], strict=True))
    for method in dict.fromkeys(run.method for run in curve.runs):
        for size in sorted({run.num_units for run in curve.runs}):
            runs = tuple(run for run in curve.runs if (run.method, run.num_units) == (method, size))
            points.append(Point(method, size, runs, np.asarray([dice_of_run[run] for run in runs]), rows))
    return points


def curve_tables(curve: LearningCurve, remarks: Sequence[str] = ()) -> dict[str, Table]:
    """``sizes``: a line for each point; ``tests``: methods in pairs at every size; ``phrases``, where there are
    several: the Dice of each at every point; ``runs``: a line for each run.

    remarks: what they must say besides, such as how long everything was trained. Raises InputError as ``points_of``.
    """
    points = points_of(curve)
    weights = weights_remarks(next(iter(curve.references.values())).weights)
    about = (*remarks, *weights, *_left_out(curve, points[0]), *_few(points[0]))
    tables = {"sizes": _sizes_table(curve, points, about), "tests": _tests_table(curve, points, about)}
    if len({row.phrase for row in points[0].rows}) > 1:
        tables["phrases"] = _phrases_table(curve, points, about)
    return {**tables, "runs": _runs_table(curve, about)}


def _sizes_table(curve: LearningCurve, points: Sequence[Point], about: Sequence[str]) -> Table:
    columns = (
        text_column("method"),
        _unit_column(curve),
        *(
            []
            if curve.unit == "images"
            else [Column("training images", ("fewest training images", "most training images"))]
        ),
        Column("seeds", ("seeds",)),
        Column("n", ("n",)),
        Column("Dice %", ("Dice %", "std over seeds")),
        Column("over seeds", ("lowest seed", "highest seed")),
        Column("95 % interval", ("low", "high")),
    )
    lines = tuple(_size_line(point, with_images=curve.unit != "images") for point in points)
    return Table("Learning curve", columns, lines, (_RULE, _SEEDS, _PATIENTS, *about))


def _size_line(point: Point, with_images: bool) -> tuple[Cell, ...]:
    mean, of_seeds = point.interval, [100 * one for one in point.of_seeds]
    one_run = len(of_seeds) == 1
    return (
        text_cell(point.method),
        _units_cell(point),
        *([_images_cell(point)] if with_images else []),
        count_cell(len(point.runs)),
        count_cell(mean.num_values),
        replace(number_cell(100 * mean.mean), values=(100 * mean.mean, math.nan))
        if one_run
        else spread_cell(100 * mean.mean, 100 * point.deviation),
        interval_cell(math.nan, math.nan) if one_run else interval_cell(min(of_seeds), max(of_seeds)),
        interval_cell(100 * mean.low, 100 * mean.high),
    )


def _unit_column(curve: LearningCurve) -> Column:
    return Column(f"training {curve.unit}", (f"training {curve.unit}",))


def _units_cell(point: Point) -> Cell:
    return count_cell(point.num_units) if point.runs else Cell(_UNTRAINED, (0,))


def _images_cell(point: Point) -> Cell:
    """Patients have different numbers of images, so these differ from seed to seed."""
    if not point.runs:
        return Cell(_UNTRAINED, (0, 0))
    counts = [run.num_images for run in point.runs]
    fewest, most = min(counts), max(counts)
    return Cell(str(fewest) if fewest == most else f"{fewest} to {most}", (fewest, most))


def _pairs(points: Sequence[Point]) -> Iterator[tuple[int, Point, Point]]:
    """At every size the trained methods in pairs, then each of them with zero-shot."""
    zero_shot, trained = points[0], [point for point in points if point.runs]
    for size in dict.fromkeys(point.num_units for point in trained):
        of_size = [point for point in trained if point.num_units == size]
        yield from ((size, *pair) for pair in combinations(of_size, 2))
        yield from ((size, point, zero_shot) for point in of_size)


def _tests_table(curve: LearningCurve, points: Sequence[Point], about: Sequence[str]) -> Table:
    columns = (
        _unit_column(curve),
        text_column("first"),
        text_column("second"),
        Column("n", ("n",)),
        Column("test groups", ("test groups",)),
        Column("Dice difference %", ("Dice difference %",)),
        Column("95 % interval", ("difference low", "difference high")),
        Column("p", ("p",)),
        Column("p (Holm)", ("p Holm",)),
        Column("seeds ahead", ("seeds ahead", "seeds")),
    )
    pairs = list(_pairs(points))
    tests = [paired_test(first.of_queries, second.of_queries, first.units) for _, first, second in pairs]
    adjusted = holm([test.p_value for test in tests])
    lines = tuple(_test_line(*pair, test, p_holm) for pair, test, p_holm in zip(pairs, tests, adjusted, strict=True))
    return Table("Methods in pairs at every size", columns, lines, (_TESTS, *about))


def _test_line(size: int, first: Point, second: Point, test: PairedTest, p_holm: float) -> tuple[Cell, ...]:
    others = second.of_seeds if second.runs else second.of_seeds * len(first.of_seeds)
    # two that are alike must not differ by their last bit
    ahead = sum(round(one - other, DIGITS) > 0 for one, other in zip(first.of_seeds, others, strict=True))
    difference, num_seeds = test.difference, len(first.of_seeds)
    return (
        count_cell(size),
        text_cell(first.method),
        text_cell(second.method),
        count_cell(difference.num_values),
        count_cell(difference.num_groups),
        difference_cell(100 * difference.mean),
        interval_cell(100 * difference.low, 100 * difference.high),
        replace(probability_cell(test.p_value), notes=few_groups_notes(test)),
        probability_cell(p_holm),
        Cell(f"{ahead} of {num_seeds}", (ahead, num_seeds)),
    )


def _phrases_table(curve: LearningCurve, points: Sequence[Point], about: Sequence[str]) -> Table:
    rows = points[0].rows
    places: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault(row.phrase, []).append(place)
    columns = (
        text_column("method"),
        _unit_column(curve),
        *(Column(f"{phrase} (n {len(of_phrase)})", (phrase,)) for phrase, of_phrase in places.items()),
    )
    lines = tuple(
        (
            text_cell(point.method),
            _units_cell(point),
            *(number_cell(100 * float(point.dice_by_seed[:, of_phrase].mean())) for of_phrase in places.values()),
        )
        for point in points
    )
    return Table("Each phrase, mean Dice % over seeds", columns, lines, (_RULE, *about))


def _runs_table(curve: LearningCurve, about: Sequence[str]) -> Table:
    columns = (
        text_column("method"),
        _unit_column(curve),
        *([] if curve.unit == "images" else [Column("training images", ("training images",))]),
        Column("seed", ("seed",)),
        Column("steps", ("steps",)),
        Column("minutes", ("minutes",)),
        Column("Dice %", ("Dice %",)),
        Column("95 % interval", ("low", "high")),
    )
    rule = "A line for each run, with its own interval over test patients. Minutes: of training, on this machine."
    return Table("Single runs", columns, tuple(_run_line(run, curve.unit) for run in curve.runs), (rule, *about))


def _run_line(run: CurveRun, unit: str) -> tuple[Cell, ...]:
    rows = [row for row in run.results.rows if row.protocol == "strict" and not math.isnan(row.dice)]
    mean = bootstrap_interval([row.dice for row in rows], [resampling_unit(row) for row in rows])
    return (
        text_cell(run.method),
        count_cell(run.num_units),
        *([] if unit == "images" else [count_cell(run.num_images)]),
        count_cell(run.seed),
        count_cell(run.num_steps),
        number_cell(run.seconds / 60, decimals=1),
        number_cell(100 * mean.mean),
        interval_cell(100 * mean.low, 100 * mean.high),
    )


def _left_out(curve: LearningCurve, point: Point) -> list[str]:
    """Queries with a target that are in no mean of the curve."""
    first = next(iter(curve.references.values()))
    with_target = sum(row.protocol == "strict" and row.target_present for row in first.rows)
    num_left_out = with_target - len(point.rows)
    if not num_left_out:
        return []
    return [
        f"{num_left_out} queries are in none of these means, because some part of the training images lacks their "
        "phrase, so that a U-Net cannot be asked for it; single runs have what they could answer."
    ]


def _few(point: Point) -> list[str]:
    num_units = len(set(point.units))
    if num_units >= FEW_UNITS:
        return []
    return [f"The test images are of {num_units} patients or images only, so intervals over them say little."]
