"""The two ways of scoring, applied to the same detections.

strict: every (image, phrase) is a query. All detections of the phrase together are scored against all its instances
together, and a miss scores 0. A phrase that names nothing in the image is a query too: it has no Dice, it asks whether
the method kept silent.

paper: what the public test scripts do. Every image is one query, that of its last CSV row. One box is scored against
the image's whole mask, whatever its phrases, and an image without a box is left out of the mean. A method with a
detector of phrases chooses that box by the scripts' own rule (``gdinousam.models.detector.public_rule``); of any other
method it is the detection with the highest score.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.metrics import (
    NOT_SCORED,
    box_iou_xyxy,
    dice_of_counts,
    iou_of_counts,
    overlap_counts,
    surface_scores,
)
from gdinousam.evaluation.scoring.rows import ProtocolName, ScoredBox, ScoreRow
from gdinousam.records import BoxXYXY, Detection, ImageRecord, Instance, Mask, Query

# What a row of a query has that the method could not be asked: the truth, and nothing of a score.
_NOT_SUPPORTED: dict[str, Any] = {
    "supported": False,
    **dict.fromkeys(("dice", "iou", "surface_dice", "hausdorff_95", "surface_distance", "seconds"), math.nan),
}


def score_image(
    record: ImageRecord,
    detections: Sequence[Detection],
    truth: Mapping[str, Mask],
    seconds: float = math.nan,
    public_choice: Sequence[Detection] | None = None,
    unsupported: Collection[str] = (),
) -> list[ScoreRow]:
    """Score what a method found in one image, under both protocols.

    detections: those of all phrases of the image, in any order; empty where nothing was found. public_choice: what the
    paper protocol scores, best first, of which the first has a mask; ``None``: the detections of the last phrase.
    truth: for each phrase of the record the union of its instances' masks, (H, W) bool, all false where it is absent.
    seconds: what the method took for the image; nan where nobody measured it. It is shared out over the phrases that
    were asked. unsupported: phrases that the method cannot answer and was not asked; their rows are marked, without a
    score.
    Returns one strict row per phrase in the record's order, then one paper row if the image has an instance.
    Raises InputError where a detection has no mask or a score or box that is not a number, or a present phrase has an
    empty mask; ValueError where a detection answers a phrase that was not asked or its mask has another size than the
    truth.
    """
    _check(record, [*detections, *(public_choice or [])[:1]], truth, unsupported)
    rows = [_strict_row(Query(record, phrase), detections, truth[phrase]) for phrase in record.phrases]
    if record.instances:
        answer = _of_phrase(detections if public_choice is None else public_choice, record.last_phrase)
        rows.append(_paper_row(record, answer, truth))
    num_asked = sum(phrase not in unsupported for phrase in record.phrases)
    return [
        replace(row, **_NOT_SUPPORTED) if row.phrase in unsupported else replace(row, seconds=seconds / num_asked)
        for row in rows
    ]


def num_rows(record: ImageRecord) -> int:
    """How many rows ``score_image`` returns for an image."""
    return len(record.phrases) + bool(record.instances)


def _strict_row(query: Query, detections: Sequence[Detection], truth_hw: Mask) -> ScoreRow:
    of_phrase = _of_phrase(detections, query.phrase)
    scored = bool(query.instances)
    return _row("strict", query, query.instances, of_phrase, _union(of_phrase, truth_hw), truth_hw, scored)


def _paper_row(record: ImageRecord, answer: Sequence[Detection], truth: Mapping[str, Mask]) -> ScoreRow:
    """answer: of the last phrase, best first."""
    whole_hw = np.logical_or.reduce([truth[phrase] for phrase in record.phrases])
    prediction_hw = _union(answer[:1], whole_hw)
    query = Query(record, record.last_phrase)
    return _row("paper", query, record.instances, answer, prediction_hw, whole_hw, scored=bool(answer))


def _row(
    protocol: ProtocolName,
    query: Query,
    instances: Sequence[Instance],
    detections: Sequence[Detection],
    prediction_hw: Mask,
    truth_hw: Mask,
    scored: bool,
) -> ScoreRow:
    counts = overlap_counts(prediction_hw, truth_hw)
    surface = surface_scores(prediction_hw, truth_hw) if scored else NOT_SCORED
    record = query.image
    return ScoreRow(
        protocol=protocol,
        dataset=record.dataset,
        image_name=record.path.name,
        group=record.group,
        phrase=query.phrase,
        target_present=bool(instances),
        found=bool(detections),
        score=float(detections[0].score) if detections else math.nan,
        num_detections=len(detections),
        num_instances=len(instances),
        box_iou=_best_box_iou(detections[0].box_xyxy, instances) if detections and instances else math.nan,
        dice=dice_of_counts(*counts) if scored else math.nan,
        iou=iou_of_counts(*counts) if scored else math.nan,
        overlap_pixels=counts[0],
        predicted_pixels=counts[1],
        true_pixels=counts[2],
        image_width=record.width,
        image_height=record.height,
        surface_dice=surface.surface_dice,
        hausdorff_95=surface.hausdorff_95,
        surface_distance=surface.surface_distance,
        seconds=math.nan,
        detected_boxes=tuple(_scored_box(one) for one in detections),
        true_boxes=tuple(_plain_numbers(instance.box_xyxy) for instance in instances),
    )


def _scored_box(detection: Detection) -> ScoredBox:
    return (*_plain_numbers(detection.box_xyxy), float(detection.score))


def _plain_numbers(box_xyxy: BoxXYXY) -> BoxXYXY:
    """Python's floats, because a method may answer with numpy's, which are written in another way."""
    x0, y0, x1, y1 = box_xyxy
    return float(x0), float(y0), float(x1), float(y1)


def _of_phrase(detections: Sequence[Detection], phrase: str) -> list[Detection]:
    """The detections of a phrase, best first; equal scores keep the method's order."""
    return sorted((one for one in detections if one.phrase == phrase), key=lambda one: -one.score)


def _union(detections: Sequence[Detection], truth_hw: Mask) -> Mask:
    union_hw = np.zeros_like(truth_hw)
    for detection in detections:
        if detection.mask_hw is not None:  # _check has refused those without a mask
            union_hw |= detection.mask_hw
    return union_hw


def _best_box_iou(box_xyxy: BoxXYXY, instances: Sequence[Instance]) -> float:
    return max(box_iou_xyxy(box_xyxy, instance.box_xyxy) for instance in instances)


def _check(
    record: ImageRecord,
    detections: Sequence[Detection],
    truth: Mapping[str, Mask],
    unsupported: Collection[str],
) -> None:
    for phrase in record.phrases:
        if Query(record, phrase).instances and not truth[phrase].any():
            # Scoring it would make silence a perfect answer for an object that the boxes say is there.
            raise InputError(f"{record.path}: the mask of {phrase!r} is empty although it has a box; fix the mask")
    for detection in detections:
        if detection.phrase not in record.phrases or detection.phrase in unsupported:
            raise ValueError(f"{record.path}: a detection of {detection.phrase!r}, which was not asked for")
        if not all(map(math.isfinite, (*detection.box_xyxy, detection.score))):
            # A nan would sort anywhere and take its query out of every mean without a word.
            raise InputError(
                f"{record.path}: the method answered {detection.phrase!r} with score {detection.score} and box "
                f"{tuple(map(float, detection.box_xyxy))}, which are not all numbers; fix the method or its weights"
            )
        if detection.mask_hw is None:
            raise InputError(
                f"{record.path}: the method gave a box without a mask for {detection.phrase!r}; "
                "evaluate it together with a mask head"
            )
        expected_hw = truth[detection.phrase].shape
        if detection.mask_hw.shape != expected_hw:
            raise ValueError(
                f"{record.path}: a detected mask of size {detection.mask_hw.shape}, the image has {expected_hw} (H, W)"
            )
