"""What the detector says of a key frame: what counts as new, and what is enough to find again what is followed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from gdinousam.errors import InputError
from gdinousam.models.detector.box_finder import BoxFinder
from gdinousam.models.detector.operating_point import Point, PredictionSettings
from gdinousam.models.mask_heads.one_image import OneImage
from gdinousam.models.mask_heads.sam2 import MaskHead
from gdinousam.models.segmenter import TextSegmenter
from gdinousam.records import BoxXYXY, Detection, Image, Mask, PhraseSegmenter


@dataclass(frozen=True, eq=False)
class Candidate:
    """Something that the detector may have found.

    detection: its mask may come later. is_certain: whether it counts on its own; otherwise only where an object of that
    phrase is followed already.
    """

    detection: Detection
    is_certain: bool


class Asker(Protocol):
    """Asks one method for the phrases of a clip, and its mask head for masks where it has one."""

    def begin(self, image: Image) -> None:
        """Go on to the next frame, (H, W, 3) uint8 RGB."""
        ...

    def ask(self) -> list[Candidate]:
        """What is found in the frame, by phrase as asked, then by falling score; may be none."""
        ...

    def with_masks(self, detections: Sequence[Detection]) -> list[Detection]:
        """Some of the detections of the last ``ask``, each with its mask."""
        ...

    def masks(self, boxes_xyxy: Sequence[BoxXYXY]) -> list[Mask] | None:
        """What lies in boxes of the frame, (H, W) bool for each; ``None`` from a method without a mask head."""
        ...


def asker_of(segmenter: PhraseSegmenter, phrases: Sequence[str], keep_share: float, least_score: float) -> Asker:
    """The asker that fits a method. keep_share: see ``ClipSettings``; only our own pipeline knows thresholds.

    least_score: of what is certain; of what is not, ``keep_share`` of it.
    """
    if isinstance(segmenter, TextSegmenter) and isinstance(segmenter.mask_head, MaskHead):
        return _TwoThresholds(segmenter.box_finder, OneImage(segmenter.mask_head), phrases, keep_share, least_score)
    return _AsItIs(segmenter, phrases, least_score)


class _TwoThresholds:
    """Reads one run of the detector by its thresholds and by lower ones."""

    def __init__(
        self, box_finder: BoxFinder, mask_head: OneImage, phrases: Sequence[str], keep_share: float, least_score: float
    ) -> None:
        self._box_finder, self._mask_head, self._phrases = box_finder, mask_head, list(phrases)
        self._least, self._least_kept = least_score, keep_share * least_score
        self._choices = box_finder.prediction, _lowered(box_finder.prediction, keep_share)

    def begin(self, image: Image) -> None:
        self._image = image
        self._mask_head.begin(image)

    def ask(self) -> list[Candidate]:
        certain, all_found = self._box_finder.find_under([self._image], [self._phrases], self._choices)[0]
        return [
            Candidate(one, one.score >= self._least and any(one.box_xyxy == sure.box_xyxy for sure in certain[phrase]))
            for phrase, found in all_found.items()
            for one in found
            if one.score >= self._least_kept
        ]

    def with_masks(self, detections: Sequence[Detection]) -> list[Detection]:
        masks = self._mask_head.masks([one.box_xyxy for one in detections], [one.map_hw for one in detections])
        # the map, of all phrases together, has done what it is for
        return [replace(one, mask_hw=mask, map_hw=None) for one, mask in zip(detections, masks, strict=True)]

    def masks(self, boxes_xyxy: Sequence[BoxXYXY]) -> list[Mask]:
        return self._mask_head.masks(boxes_xyxy)


class _AsItIs:
    """Takes what a method says."""

    def __init__(self, segmenter: PhraseSegmenter, phrases: Sequence[str], least_score: float) -> None:
        self._least = least_score
        self._segmenter, self._phrases = segmenter, list(phrases)

    def begin(self, image: Image) -> None:
        self._image = image

    def ask(self) -> list[Candidate]:
        found = self._segmenter.segment([self._image], [self._phrases])[0]
        if any(one.mask_hw is None for one in found):
            raise InputError("the method gives boxes without masks; add a mask head to follow objects through a clip")
        return [Candidate(one, is_certain=True) for one in found if one.score >= self._least]

    def with_masks(self, detections: Sequence[Detection]) -> list[Detection]:
        return list(detections)

    def masks(self, boxes_xyxy: Sequence[BoxXYXY]) -> None:
        return None


def _lowered(usual: PredictionSettings, share: float) -> PredictionSettings:
    """The same settings with thresholds for every phrase that are a share of theirs."""

    def lower(point: Point) -> dict[str, float]:
        return {"box_threshold": share * point.box_threshold, "further_threshold": share * point.further_threshold}

    by_phrase = {phrase: point.model_copy(update=lower(point)) for phrase, point in usual.by_phrase.items()}
    return usual.model_copy(update={**lower(usual.overall), "by_phrase": by_phrase})
