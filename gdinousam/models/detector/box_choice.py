"""Which boxes of the detector count as found for each phrase of a caption: what the ``strict`` protocol scores.

The rule of the paper's public test scripts, which differs in all that decides, is in ``public_rule``.
Shapes: Q query boxes, T text tokens, P phrases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torchvision.ops import batched_nms, clip_boxes_to_image

from gdinousam.errors import InputError
from gdinousam.models.detector.detector import LayerPrediction
from gdinousam.models.detector.operating_point import Point, PredictionSettings
from gdinousam.models.detector.phrase_maps import PhraseMaps
from gdinousam.preprocessing import boxes_xyxy_pixels
from gdinousam.prompts import phrase_scores, strongest_token
from gdinousam.records import Detection


def choose_boxes(
    prediction: LayerPrediction,
    phrase_tokens: torch.Tensor,
    phrases: tuple[str, ...],
    size_hw: tuple[int, int],
    settings: PredictionSettings,
    maps: PhraseMaps | None = None,
) -> dict[str, list[Detection]]:
    """Thresholds, suppression within each phrase and the best few of each; best first, without masks.

    prediction: of one image, logits (Q, T), ``-inf`` on padding, boxes (Q, 4). phrase_tokens: (P, T) bool. size_hw: of
    the image, at whose border boxes are cut. settings: ``filled``. maps: of the phrases, where ``settings.maps``
    lets them have a say: in the scores, but not in which phrase a box belongs to. A phrase that is not found has an
    empty list.
    """
    points = [settings.of(phrase) for phrase in phrases]
    probabilities = prediction.logits.sigmoid()
    scores, strongest = phrase_scores(probabilities, phrase_tokens), strongest_token(probabilities, phrase_tokens)
    best_phrase = scores == scores.amax(dim=1, keepdim=True)
    claimed = best_phrase | (strongest > settings.text_threshold)
    if settings.maps is not None and maps is not None:
        agreement = maps.overlaps**settings.maps.agreement
        scores, strongest = scores * agreement, strongest * agreement
    if settings.calibration is not None:
        scores, strongest = settings.calibration.of(scores), settings.calibration.of(strongest)
    kept = claimed & (strongest >= strongest.new_tensor([point.box_threshold for point in points]))  # (Q, P)
    queries, indices = kept.nonzero(as_tuple=True)
    boxes_xyxy = boxes_xyxy_pixels(prediction.boxes_cxcywh_norm[queries], size_hw)
    boxes_xyxy = clip_boxes_to_image(boxes_xyxy, size_hw)
    pair_scores = scores[queries, indices]
    order = batched_nms(boxes_xyxy, pair_scores, indices, settings.nms_threshold)  # by falling score
    weighted = _of_masks(maps, settings, len(phrases))
    found: dict[str, list[Detection]] = {phrase: [] for phrase in phrases}
    for index, score, box in zip(
        indices[order].tolist(), pair_scores[order].tolist(), boxes_xyxy[order].tolist(), strict=True
    ):
        x0, y0, x1, y1 = box
        if x1 > x0 and y1 > y0:
            found[phrases[index]].append(Detection(phrases[index], (x0, y0, x1, y1), score, map_hw=weighted[index]))
    return {phrase: best_few(found[phrase], point) for phrase, point in zip(phrases, points, strict=True)}


def _of_masks(
    maps: PhraseMaps | None, settings: PredictionSettings, num_phrases: int
) -> Sequence[npt.NDArray[np.float32] | None]:
    """For each phrase what its map adds to the logits of its masks."""
    if maps is None or settings.maps is None or not settings.maps.mask_weight:
        return [None] * num_phrases
    return list((maps.logits * settings.maps.mask_weight).numpy())


def judged(detections: Sequence[Detection], box_threshold: float) -> list[Detection]:
    """The segmented boxes of a phrase with their score times the overlap that the mask head expects, the best first.

    Those below the threshold are left out. Raises InputError for boxes of a mask head that expects nothing.
    """
    if any(one.quality is None for one in detections):
        raise InputError("prediction.candidates: this mask head does not say how good its masks are; set it to 1")
    with_quality = [replace(one, score=one.score * (one.quality or 0.0)) for one in detections]
    kept = [one for one in with_quality if one.score >= box_threshold]
    return sorted(kept, key=lambda one: -one.score)


def best_few(detections: list[Detection], point: Point) -> list[Detection]:
    """The detections of a phrase, best first, that the point lets in: as many from the first on, which may be none."""
    return detections[: num_let_in([one.score for one in detections], point)]


def num_let_in(scores: Sequence[float], point: Point) -> int:
    """How many of the boxes above the threshold count. scores: theirs, falling."""
    further = scores[1 : point.max_detections]
    return min(1, len(scores)) + sum(score >= point.further_threshold for score in further)
