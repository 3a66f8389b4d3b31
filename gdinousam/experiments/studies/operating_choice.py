"""Choosing the operating point: the point of a grid with the best strict Dice, overall and for single phrases."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gdinousam.evaluation.reporting.statistics import DIGITS, Interval, bootstrap_interval
from gdinousam.evaluation.reporting.summary import FEW
from gdinousam.evaluation.scoring.strata import NUMBERS
from gdinousam.experiments.studies.operating_curves import QueryCurve
from gdinousam.models.detector.prediction_settings import Point

# Scores of a small or untuned detector end far below those of a tuned one of full size.
THRESHOLDS = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5)
NUMBERS_OF_BOXES = (1, 2, 3, 5, 10)
FURTHER_THRESHOLDS = (0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7)
MIN_QUERIES = FEW  # of a phrase that gets values of its own


@dataclass(frozen=True)
class Reached:
    """What is reached at one point. dice: over queries with a target; specificity: share of the absent that got no box;
    both in [0, 1], nan of none.
    """

    dice: Interval
    specificity: Interval


@dataclass(frozen=True)
class PhraseChoice:
    """What came of looking for own values of a phrase. point: the best for it alone. gain: of it over the overall
    values, on the queries of the phrase. is_taken: the interval of the gain lies above 0.
    """

    phrase: str
    point: Point
    gain: Interval
    is_taken: bool


def grid() -> list[Point]:
    """Every point to try. What a further box must reach is not below the threshold, and 1 where there is only one."""
    return [
        Point(box_threshold=threshold, max_detections=number, further_threshold=further)
        for threshold in THRESHOLDS
        for number in NUMBERS_OF_BOXES
        for further in (FURTHER_THRESHOLDS if number > 1 else (1.0,))
        if further >= threshold
    ]


def mean_dice(curves: Sequence[QueryCurve], point: Point) -> float:
    """Strict Dice over the queries with a target, in [0, 1]; nan without any."""
    values = [curve.dice_at(point) for curve in curves if curve.num_instances]
    return math.fsum(values) / len(values) if values else math.nan


def specificity(curves: Sequence[QueryCurve], point: Point) -> float:
    """Share of the queries without a target in which nothing is found; nan without any."""
    silent = [not curve.num_found(point) for curve in curves if not curve.num_instances]
    return sum(silent) / len(silent) if silent else math.nan


def best_point(curves: Sequence[QueryCurve], points: Sequence[Point]) -> Point:
    """The point of the best Dice.

    Of equal ones that of the best specificity, then what answers least: the highest threshold, the fewest boxes, the
    highest threshold for further ones.
    """

    def rank(point: Point) -> tuple[float, ...]:
        silent = specificity(curves, point)
        return (
            round(mean_dice(curves, point), DIGITS),
            0.0 if math.isnan(silent) else silent,
            point.box_threshold,
            -point.max_detections,
            point.further_threshold,
        )

    return max(points, key=rank)


def choose_for_phrases(curves: Sequence[QueryCurve], points: Sequence[Point], overall: Point) -> list[PhraseChoice]:
    """Look for own values of every phrase that at least ``MIN_QUERIES`` queries with a target have; may be none."""
    choices = []
    for phrase in dict.fromkeys(curve.phrase for curve in curves):
        of_phrase = [curve for curve in curves if curve.phrase == phrase]
        if sum(curve.num_instances > 0 for curve in of_phrase) < MIN_QUERIES:
            continue
        point = best_point(of_phrase, points)
        gain = gain_of(of_phrase, overall, point)
        choices.append(PhraseChoice(phrase, point, gain, gain.low > 0))
    return choices


def gain_of(curves: Sequence[QueryCurve], before: Point, after: Point) -> Interval:
    """Difference of Dice, after minus before, on the queries with a target, with its interval."""
    present = [curve for curve in curves if curve.num_instances]
    differences = [curve.dice_at(after) - curve.dice_at(before) for curve in present]
    return bootstrap_interval(differences, [curve.unit for curve in present])


def reached(curves: Sequence[QueryCurve], point: Point) -> Reached:
    """Dice and specificity at a point, with their intervals."""
    present = [curve for curve in curves if curve.num_instances]
    absent = [curve for curve in curves if not curve.num_instances]
    return Reached(
        bootstrap_interval([curve.dice_at(point) for curve in present], [curve.unit for curve in present]),
        bootstrap_interval([float(not curve.num_found(point)) for curve in absent], [curve.unit for curve in absent]),
    )


def by_number_of_targets(curves: Sequence[QueryCurve]) -> dict[str, list[QueryCurve]]:
    """The queries with one target, two, more; those there are."""
    members: dict[str, list[QueryCurve]] = {name: [] for name in NUMBERS}
    for curve in curves:
        if curve.num_instances:
            members[NUMBERS[min(curve.num_instances, len(NUMBERS)) - 1]].append(curve)
    return {name: of_number for name, of_number in members.items() if of_number}
