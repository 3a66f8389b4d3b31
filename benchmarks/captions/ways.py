"""The ways to ask, measured alike: detector seconds in turns, Dice and false positives at a point of each."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy import stats

from benchmarks.speed.turns import take_turns
from gdinousam.data.images import read_record_image
from gdinousam.evaluation.reporting.statistics import Interval
from gdinousam.evaluation.timing.clock import Clock, Seconds
from gdinousam.evaluation.timing.measurement import DETECTOR, Timing
from gdinousam.experiments.studies.operating_choice import (
    THRESHOLDS,
    QueryCurve,
    grid,
    mean_dice,
    query_curves,
    reached,
    specificity,
)
from gdinousam.models.bundled import SMALL
from gdinousam.models.detector.box_finder import BoxFinder
from gdinousam.models.detector.operating_point import Point, PredictionSettings
from gdinousam.models.loading import trained_resize
from gdinousam.models.mask_heads.sam2 import MaskHead
from gdinousam.models.segmenter import TextSegmenter
from gdinousam.records import ImageRecord

# One or two of each organ that the bundled model knows. They leave room for the longest phrase in its 64 tokens.
BESIDE = (
    "benign breast lesion",
    "ovarian teratoma",
    "normal ovary",
    "fetal head",
    "benign liver lesion",
    "thyroid nodule",
    "kidney cortex",
    "prostate",
)
_MAX_BOXES = 2  # per phrase, as at the operating point of small-v1
# From which score of a token a box counts though it fits a phrase beside better: of 0, 0.15, 0.2, 0.25 and the default
# of 0.3 the highest that cost small-v1 less than 0.1 points of Dice on 150 validation images of public data.
TEXT_THRESHOLD_BESIDE = 0.15
_DICE_GIVEN_UP = 0.01  # for fewer false positives, in choosing a point
_POINTS = [point for point in grid() if point.max_detections <= _MAX_BOXES]


@dataclass(frozen=True)
class Way(Timing):
    """One way to ask so many phrases of an image, and what came of it.

    runs: of the detector, of one image each. point: chosen on validation images, its values by name. dice: strict, of
    the phrases that are there; false_positives: share of the absent phrases that get a box; both in [0, 1]. area: under
    the ROC curve, by the score of the best box, in [0, 1].
    """

    name: str
    num_phrases: int
    point: Mapping[str, float]
    dice: Interval
    false_positives: Interval
    area: float


def ways_to_ask(beside: Sequence[str]) -> dict[str, PredictionSettings]:
    """The settings of each way, by name; with nothing to stand beside only two."""
    each = PredictionSettings(batch_size=8)
    ways = {"one each": each, "one for all": each.model_copy(update={"joint_caption": True})}
    if beside:
        changes = {"beside": tuple(beside), "text_threshold": TEXT_THRESHOLD_BESIDE}
        ways |= {f"{name}, beside": one.model_copy(update=changes) for name, one in ways.items()}
    return ways


def segmenters(
    loaded: TextSegmenter[MaskHead], ways: Mapping[str, PredictionSettings]
) -> dict[str, TextSegmenter[MaskHead]]:
    """The bundled model asked in each way. loaded: the model."""
    detector, resize = loaded.box_finder.detector, trained_resize(SMALL)
    return {
        name: TextSegmenter(BoxFinder(detector, resize, settings), loaded.mask_head) for name, settings in ways.items()
    }


def detector_turns(
    asking: Mapping[str, TextSegmenter[MaskHead]], asked: Sequence[ImageRecord], num_runs: int
) -> dict[str, tuple[Seconds, ...]]:
    """Seconds of the detector for one image, ``num_runs`` of each way, the ways in turns.

    On a CPU those that the processor worked, all threads together: other programs change them little. asked: records of
    which the first ``num_runs`` are taken, over and over if they are fewer.
    """
    records = asked[:num_runs]
    images = [read_record_image(record) for record in records]
    device = next(iter(asking.values())).box_finder.detector.device
    clock = Clock(device)

    def run(name: str, index: int) -> Seconds:
        place, before = index % len(images), time.process_time()
        with clock.running(DETECTOR):
            asking[name].box_finder.find([images[place]], [records[place].phrases])
        seconds = clock.take()
        return {DETECTOR: time.process_time() - before} if device.type == "cpu" else seconds

    for name in asking:
        run(name, 0)  # not counted: the first fills caches
    turns = take_turns(run, dict.fromkeys(asking, num_runs), f"{len(records[0].phrases)} phrases")
    return {name: tuple(one.runs) for name, one in turns.items()}


def curves_of(segmenter: TextSegmenter[MaskHead], asked: Sequence[ImageRecord]) -> list[QueryCurve]:
    """What the way finds of every phrase of the records under every threshold."""
    return query_curves(segmenter, asked, THRESHOLDS, _MAX_BOXES, num_workers=1)


def quiet_point(curves: Sequence[QueryCurve]) -> Point:
    """Of the points whose Dice is at most 0.01 below the best, the one with the fewest false positives."""
    dice = {point: mean_dice(curves, point) for point in _POINTS}
    enough = max(dice.values()) - _DICE_GIVEN_UP
    points = [point for point in _POINTS if dice[point] >= enough]
    return max(points, key=lambda point: (specificity(curves, point), dice[point]))


def scores_at(curves: Sequence[QueryCurve], point: Point) -> tuple[Interval, Interval, float]:
    """Dice, false positives and area at a point; see ``Way``."""
    found = reached(curves, point)
    silent = found.specificity
    loud = Interval(1 - silent.mean, 1 - silent.high, 1 - silent.low, silent.num_values, silent.num_groups)
    return found.dice, loud, area_under_roc(curves)


def area_under_roc(curves: Sequence[QueryCurve]) -> float:
    """How often the best box of a phrase that is there scores more than that of an absent one, ties as halves."""
    best = [max(curve.scores[THRESHOLDS[0]], default=0.0) for curve in curves]
    present = [score for score, curve in zip(best, curves, strict=True) if curve.num_instances]
    absent = [score for score, curve in zip(best, curves, strict=True) if not curve.num_instances]
    wins = stats.mannwhitneyu(present, absent).statistic
    return float(wins / (len(present) * len(absent)))
