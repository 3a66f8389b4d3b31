"""What the detector says of a key frame: what counts as new, and what is enough to find again what is followed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gdinousam.errors import InputError
from gdinousam.models.detector.operating_point import Point, PredictionSettings
from gdinousam.models.segmenter import TextSegmenter
from gdinousam.records import Click, Detection, Hint, Image, PhraseSegmenter


@dataclass(frozen=True, eq=False)
class Candidate:
    """Something that the detector may have found.

    detection: its mask may come later. is_certain: whether it counts on its own; otherwise only where an object of that
    phrase is followed already.
    """

    detection: Detection
    is_certain: bool


class Asker(Protocol):
    """Asks one method for the phrases of a clip."""

    def ask(self, image: Image) -> list[Candidate]:
        """What is found in a frame, (H, W, 3) uint8 RGB, by phrase as asked, then by falling score; may be none."""
        ...

    def with_masks(self, image: Image, detections: Sequence[Detection]) -> list[Detection]:
        """Some of the detections of the last ``ask``, each with its mask."""
        ...


def asker_of(segmenter: PhraseSegmenter, phrases: Sequence[str], keep_share: float) -> Asker:
    """The asker that fits a method. keep_share: see ``ClipSettings``; only our own pipeline knows thresholds."""
    if isinstance(segmenter, TextSegmenter):
        return _TwoThresholds(segmenter, phrases, keep_share)
    return _AsItIs(segmenter, phrases)


class _TwoThresholds:
    """Reads one run of the detector by its thresholds and by lower ones."""

    def __init__(self, segmenter: TextSegmenter, phrases: Sequence[str], keep_share: float) -> None:
        self._segmenter, self._phrases = segmenter, list(phrases)
        usual = segmenter.box_finder.prediction
        self._choices = usual, _lowered(usual, keep_share)

    def ask(self, image: Image) -> list[Candidate]:
        certain, all_found = self._segmenter.box_finder.find_under([image], [self._phrases], self._choices)[0]
        return [
            Candidate(one, any(one.box_xyxy == sure.box_xyxy for sure in certain[phrase]))
            for phrase, found in all_found.items()
            for one in found
        ]

    def with_masks(self, image: Image, detections: Sequence[Detection]) -> list[Detection]:
        hints = [Hint(one.phrase, one.box_xyxy, (Click.centre_of(one.box_xyxy),), one.score) for one in detections]
        return list(self._segmenter.mask_head.segment_hints([image], [hints])[0])


class _AsItIs:
    """Takes what a method says."""

    def __init__(self, segmenter: PhraseSegmenter, phrases: Sequence[str]) -> None:
        self._segmenter, self._phrases = segmenter, list(phrases)

    def ask(self, image: Image) -> list[Candidate]:
        found = self._segmenter.segment([image], [self._phrases])[0]
        if any(one.mask_hw is None for one in found):
            raise InputError("the method gives boxes without masks; add a mask head to follow objects through a clip")
        return [Candidate(one, is_certain=True) for one in found]

    def with_masks(self, image: Image, detections: Sequence[Detection]) -> list[Detection]:
        return list(detections)


def _lowered(usual: PredictionSettings, share: float) -> PredictionSettings:
    """The same settings with thresholds for every phrase that are a share of theirs."""

    def lower(point: Point) -> dict[str, float]:
        return {"box_threshold": share * point.box_threshold, "further_threshold": share * point.further_threshold}

    by_phrase = {phrase: point.model_copy(update=lower(point)) for phrase, point in usual.by_phrase.items()}
    return usual.model_copy(update={**lower(usual.overall), "by_phrase": by_phrase})
