"""What a pipeline would score at every threshold and number of boxes, from one run of it over the images.

Boxes at a threshold come from the pipeline's own rule. Any further limit on them, on their number or their score,
keeps the first few; so the Dice of the first box, of the first two together and so on is all there is to know.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from gdinousam.evaluation.reporting.statistics import unit_of
from gdinousam.evaluation.scoring.cases import Case, read_ahead
from gdinousam.evaluation.scoring.metrics import dice
from gdinousam.models.detector.box_choice import num_let_in
from gdinousam.models.detector.prediction_settings import Point, PredictionSettings
from gdinousam.models.mask_heads.sam2 import MaskHead
from gdinousam.models.segmenter import TextSegmenter
from gdinousam.phrases import caption_form
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
    all_boxes = {"max_detections": max_detections, "further_threshold": 0.0, "by_phrase": {}}
    choices = [settings.model_copy(update={"box_threshold": threshold} | all_boxes) for threshold in thresholds]
    batches = [range(start, min(start + BATCH_SIZE, len(records))) for start in range(0, len(records), BATCH_SIZE)]
    curves: list[QueryCurve] = []
    with tqdm(total=len(records), unit="image", disable=None) as bar:
        for cases in read_ahead(records, batches, num_workers):
            curves += _curves_of(segmenter, cases, choices)
            bar.update(len(cases))
    return curves


def _curves_of(
    segmenter: TextSegmenter[MaskHead], cases: Sequence[Case], choices: Sequence[PredictionSettings]
) -> Iterator[QueryCurve]:
    images = [case.image for case in cases]
    found = segmenter.box_finder.find_under(images, [case.record.phrases for case in cases], choices)
    boxes = [
        list(dict.fromkeys(one.box_xyxy for of_choice in of_image for row in of_choice.values() for one in row))
        for of_image in found
    ]
    hints = [[Hint("", box) for box in of_image] for of_image in boxes]
    segmented = segmenter.mask_head.segment_hints(images, hints)
    for case, of_image, detections in zip(cases, found, segmented, strict=True):
        masks = {one.box_xyxy: one.mask_hw for one in detections if one.mask_hw is not None}
        for phrase in case.record.phrases:
            by_threshold = {
                choice.of(phrase).box_threshold: of_choice[phrase]
                for choice, of_choice in zip(choices, of_image, strict=True)
            }
            yield _curve(case, phrase, by_threshold, masks)


def _curve(case: Case, phrase: str, found: dict[float, list[Detection]], masks: dict[BoxXYXY, Mask]) -> QueryCurve:
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


def _dice_of_first(masks: Sequence[Mask], truth_hw: Mask) -> tuple[float, ...]:
    union_hw = np.zeros_like(truth_hw)
    values = []
    for mask_hw in masks:
        union_hw = union_hw | mask_hw
        values.append(dice(union_hw, truth_hw))
    return tuple(values)
