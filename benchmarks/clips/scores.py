"""How well a phrase is followed through a clip whose truth is known in every frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from gdinousam.evaluation.scoring.metrics import dice, iou
from gdinousam.records import Mask

IN_VIEW = 0.25  # of the largest area that a target has in the clip; with less it is neither in view nor absent
TOUCHED = 0.1  # IoU with the truth from which an answer is about the target


@dataclass(frozen=True)
class ClipScores:
    """What is measured of one phrase in one clip; nan where there is no frame to measure it on.

    dice: mean over the frames with the target in view; a frame without an answer counts as 0. flicker: mean IoU of the
    truths of neighbouring frames, the target in view in both, minus that of the answers: 0 where answers are as steady
    as the target, 1 where they never agree, below 0 where they lag behind. Two frames without an answer are steady.
    lost: share of the frames with the target in view whose answer is empty or overlaps it by less than ``TOUCHED``.
    false: share of the frames without the target that have an answer. switches: how often the number changes under
    which a target is followed, all targets of the phrase together.
    """

    dice: float
    flicker: float
    lost: float
    false: float
    switches: int


def score(truths: Sequence[Sequence[Mask]], answers: Sequence[Sequence[tuple[int, Mask]]]) -> ClipScores:
    """Score one phrase.

    truths: for each frame the (H, W) mask of every target, always in the same order, empty where it is out of view.
    answers: for each frame the number and (H, W) mask of every object that was found.
    """
    true = [np.logical_or.reduce(list(masks)) for masks in truths]
    found = [
        np.logical_or.reduce([np.zeros_like(truth), *(mask for _, mask in objects)])
        for truth, objects in zip(true, answers, strict=True)
    ]
    largest = max(int(mask.sum()) for mask in true)
    in_view = [bool(mask.any()) and mask.sum() >= IN_VIEW * largest for mask in true]
    seen = [frame for frame, is_seen in enumerate(in_view) if is_seen]
    absent = [frame for frame, mask in enumerate(true) if not mask.any()]
    pairs = [frame for frame in seen if frame + 1 < len(true) and in_view[frame + 1]]
    return ClipScores(
        dice=_mean([dice(found[frame], true[frame]) for frame in seen]),
        flicker=_mean([iou(true[frame], true[frame + 1]) - iou(found[frame], found[frame + 1]) for frame in pairs]),
        lost=_mean([iou(found[frame], true[frame]) < TOUCHED for frame in seen]),
        false=_mean([bool(found[frame].any()) for frame in absent]),
        switches=sum(_switches([masks[place] for masks in truths], answers) for place in range(len(truths[0]))),
    )


def _switches(target: Sequence[Mask], answers: Sequence[Sequence[tuple[int, Mask]]]) -> int:
    """How often one target gets another number than it had when it was found last."""
    numbers = []
    for truth, objects in zip(target, answers, strict=True):
        overlaps = {number: iou(mask, truth) for number, mask in objects if truth.any()}
        best = max(overlaps, key=lambda number: overlaps[number], default=None)
        if best is not None and overlaps[best] >= TOUCHED:
            numbers.append(best)
    return sum(before != after for before, after in pairwise(numbers))


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan
