"""Choosing the operating point: the point of a grid with the best strict Dice, overall and for single phrases."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gdinousam.evaluation.reporting.statistics import DIGITS, Interval, bootstrap_interval, unit_of
from gdinousam.evaluation.reporting.summary import FEW
from gdinousam.evaluation.scoring.cases import Case, read_ahead
from gdinousam.evaluation.scoring.metrics import dice
from gdinousam.evaluation.scoring.strata import NUMBERS
from gdinousam.models.detector.box_choice import judged, num_let_in
from gdinousam.models.detector.operating_point import Point, PredictionSettings
from gdinousam.models.mask_heads.sam2 import MaskHead
from gdinousam.models.segmenter import TextSegmenter
from gdinousam.progress_bar import ProgressBar
from gdinousam.prompts import caption_form
from gdinousam.records import BoxXYXY, Detection, Hint, ImageRecord, Mask, Query

BATCH_SIZE = 8


@dataclass(frozen=True)
class QueryCurve:
    """One image and one phrase.

    unit: what is resampled with it, its patient or image. phrase: as in captions. num_instances: 0 where it is absent.
    scores: by threshold those of its boxes, falling, as many as may ever count. dice: by threshold the strict Dice of
    the first box, of the first two together, ..., in [0, 1]; of an absent phrase none.
    """

    unit: Hashable
    phrase: str
    num_instances: int
    scores: dict[float, tuple[float, ...]]
    dice: dict[float, tuple[float, ...]]

    def num_found(self, point: Point) -> int:
        """How many boxes count at a point, whose threshold is one of those of the curve."""
        return num_let_in(self.scores[point.box_threshold], point)

    def dice_at(self, point: Point) -> float:
        """The strict Dice at a point, 0 where nothing is found; of a phrase that is there."""
        num_found = self.num_found(point)
        return self.dice[point.box_threshold][num_found - 1] if num_found else 0.0


def query_curves(
    segmenter: TextSegmenter[MaskHead],
    records: Sequence[ImageRecord],
    thresholds: Sequence[float],
    max_detections: int,
    num_workers: int = 4,
) -> list[QueryCurve]:
    """The curves of every phrase of every record, in their order.

    The detector runs once per image and phrase, the mask head once per image and box. max_detections: boxes that may
    ever count. Raises InputError for an image or mask that cannot be read.
    """
    settings = segmenter.box_finder.prediction
    most = max_detections if settings.candidates == 1 else settings.candidates
    all_boxes = {"max_detections": most, "further_threshold": 0.0, "by_phrase": {}}
    choices = [settings.model_copy(update={"box_threshold": threshold} | all_boxes) for threshold in thresholds]
    batches = [range(start, min(start + BATCH_SIZE, len(records))) for start in range(0, len(records), BATCH_SIZE)]
    curves: list[QueryCurve] = []
    with ProgressBar(len(records), "validation") as bar:
        for cases in read_ahead(records, batches, num_workers):
            curves += _curves_of(segmenter, cases, choices)
            bar.update(len(cases))
    return curves


def _curves_of(
    segmenter: TextSegmenter[MaskHead], cases: Sequence[Case], choices: Sequence[PredictionSettings]
) -> Iterator[QueryCurve]:
    images = [case.image for case in cases]
    found = segmenter.box_finder.find_under(images, [case.record.phrases for case in cases], choices)
    is_judged = segmenter.box_finder.prediction.candidates > 1
    hints = [_to_segment(case.record, of_image, is_judged) for case, of_image in zip(cases, found, strict=True)]
    segmented = segmenter.mask_head.segment_hints(images, hints)
    for case, of_image, detections in zip(cases, found, segmented, strict=True):
        answers = {(one.phrase, one.box_xyxy): one for one in detections}
        for phrase in case.record.phrases:
            by_threshold = {
                choice.of(phrase).box_threshold: of_choice[phrase]
                for choice, of_choice in zip(choices, of_image, strict=True)
            }
            if is_judged:
                by_threshold = {
                    threshold: judged([answers[phrase, one.box_xyxy] for one in of_phrase], threshold)
                    for threshold, of_phrase in by_threshold.items()
                }
            masks = {box: one.mask_hw for (name, box), one in answers.items() if name == phrase}
            yield _curve(case, phrase, by_threshold, masks)


def _to_segment(record: ImageRecord, found: Sequence[dict[str, list[Detection]]], is_judged: bool) -> list[Hint]:
    """Each phrase with each of its boxes once, found under any settings; of an absent phrase none, whose Dice nobody
    asks for, unless boxes are judged by their masks.
    """
    present = {one.phrase for one in record.instances}
    wanted = [
        ((phrase, one.box_xyxy), one)
        for of_choice in found
        for phrase in record.phrases
        if is_judged or phrase in present
        for one in of_choice[phrase]
    ]
    # a box that is found under several settings is the same one
    return [Hint(*named, score=one.score, map_hw=one.map_hw) for named, one in dict(wanted).items()]


def _curve(
    case: Case, phrase: str, found: dict[float, list[Detection]], masks: dict[BoxXYXY, Mask | None]
) -> QueryCurve:
    record, num_instances = case.record, len(Query(case.record, phrase).instances)
    known: dict[tuple[BoxXYXY, ...], tuple[float, ...]] = {(): ()}  # most thresholds keep the same boxes
    dice_by_threshold = {}
    for threshold, detections in found.items():
        boxes = tuple(one.box_xyxy for one in detections) if num_instances else ()
        if boxes not in known:
            known[boxes] = _dice_of_first([masks[box] for box in boxes], case.truth[phrase])
        dice_by_threshold[threshold] = known[boxes]
    scores = {threshold: tuple(one.score for one in detections) for threshold, detections in found.items()}
    unit = unit_of(record.dataset, record.group, record.path.name)
    return QueryCurve(unit, caption_form(phrase), num_instances, scores, dice_by_threshold)


def _dice_of_first(masks: Sequence[Mask | None], truth_hw: Mask) -> tuple[float, ...]:
    union_hw = np.zeros_like(truth_hw)
    values = []
    for mask_hw in masks:
        assert mask_hw is not None  # a mask head gives every box one
        union_hw = union_hw | mask_hw
        values.append(dice(union_hw, truth_hw))
    return tuple(values)


# Scores of a small or untuned detector end far below those of a tuned one of full size.
THRESHOLDS = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5)
# Only where false positives are limited, which change fast from one threshold to the next.
FINER_THRESHOLDS = (0.325, 0.375, 0.425, 0.45, 0.475, 0.525, 0.55, 0.6, 0.7, 0.8, 0.9)
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


def thresholds_to_try(with_limit: bool = False) -> tuple[float, ...]:
    """Of the grid, rising. with_limit: on false positives."""
    return tuple(sorted((*THRESHOLDS, *(FINER_THRESHOLDS if with_limit else ()))))


def grid(with_limit: bool = False) -> list[Point]:
    """Every point to try. What a further box must reach is not below the threshold, and 1 where there is only one."""
    return [
        Point(box_threshold=threshold, max_detections=number, further_threshold=further)
        for threshold in thresholds_to_try(with_limit)
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


def false_positives(curves: Sequence[QueryCurve], point: Point) -> float:
    """Share of the queries without a target in which something is found; nan without any."""
    return 1 - specificity(curves, point)


def within(curves: Sequence[QueryCurve], points: Sequence[Point], max_false_positives: float | None) -> list[Point]:
    """The points that answer at most a share of the absent phrases; all of them for ``None``, and possibly none."""
    if max_false_positives is None:
        return list(points)
    limit = round(max_false_positives, DIGITS)
    return [one for one in points if round(false_positives(curves, one), DIGITS) <= limit]


def best_point(
    curves: Sequence[QueryCurve], points: Sequence[Point], max_false_positives: float | None = None
) -> Point:
    """The point of the best Dice among those within a limit, in [0, 1], on the share of absent phrases answered.

    Where no point is within it, that of the lowest share. Of equal ones that of the best specificity, then what answers
    least: the highest threshold, the fewest boxes, the highest threshold for further ones.
    """
    allowed = within(curves, points, max_false_positives)
    if not allowed:
        lowest = min(false_positives(curves, point) for point in points)
        allowed = [point for point in points if false_positives(curves, point) == lowest]

    def rank(point: Point) -> tuple[float, ...]:
        silent = specificity(curves, point)
        return (
            round(mean_dice(curves, point), DIGITS),
            0.0 if math.isnan(silent) else silent,
            point.box_threshold,
            -point.max_detections,
            point.further_threshold,
        )

    return max(allowed, key=rank)


def choose_for_phrases(
    curves: Sequence[QueryCurve], points: Sequence[Point], overall: Point, with_limit: bool = False
) -> list[PhraseChoice]:
    """Look for own values of every phrase that at least ``MIN_QUERIES`` queries with a target have; may be none.

    with_limit: own values may not answer the phrase more often than the overall ones where it is absent, so that all
    together keep what the overall ones keep; a phrase that is never absent has none.
    """
    choices = []
    for phrase in dict.fromkeys(curve.phrase for curve in curves):
        of_phrase = [curve for curve in curves if curve.phrase == phrase]
        if sum(curve.num_instances > 0 for curve in of_phrase) < MIN_QUERIES:
            continue
        limit = false_positives(of_phrase, overall) if with_limit else None
        if limit is not None and math.isnan(limit):
            continue
        point = best_point(of_phrase, points, limit)
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
