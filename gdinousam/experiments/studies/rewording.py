"""Ask for a phrase of the data in other words: the same images, the same truth, another text for the detector.

All prompts for a phrase are asked of an image at once, so that it is encoded once for all of them, while each prompt is
still scored into a folder of its own, one after the other.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gdinousam.evaluation.scoring.methods import Untimed
from gdinousam.records import Answer, Detection, Image, ImageRecord, Mask, Need, PublicChooser


class AskedTogether:
    """A method with the prompts that are still to be asked of some images; remembers the answers to the later ones.

    segmenter: must answer each of several phrases as it answers it alone. Masks wait compressed, about a kilobyte each.
    """

    def __init__(self, segmenter: PublicChooser, prompts: Sequence[str]) -> None:
        self.segmenter = segmenter
        self._left = tuple(dict.fromkeys(prompts))
        self._waiting: dict[tuple[Path, str], _Waiting] = {}

    def ask(self, prompt: str, images: Sequence[Image], records: Sequence[ImageRecord]) -> list[Answer]:
        """What is found for one of the prompts, in the images of these records, and in those with an object also what
        the public scripts keep.
        """
        new = [row for row, record in enumerate(records) if (record.path, prompt) not in self._waiting]
        if new:
            publicly = [self._left if records[row].instances else () for row in new]
            answers = self.segmenter.segment_and_choose([images[row] for row in new], [self._left] * len(new), publicly)
            for row, answer in zip(new, answers, strict=True):
                for asked in self._left:
                    self._waiting[records[row].path, asked] = _Waiting.of(answer, asked)
        return [self._waiting.pop((record.path, prompt)).answer(prompt) for record in records]

    def finish(self, prompt: str) -> None:
        """Ask a prompt no more, once all of its images are scored."""
        self._left = tuple(asked for asked in self._left if asked != prompt)
        self._waiting = {key: answer for key, answer in self._waiting.items() if key[1] != prompt}


class Reworded(Untimed):
    """A method that is asked one prompt in the place of every phrase of an image; its answers carry the phrases."""

    def __init__(self, together: AskedTogether, prompt: str) -> None:
        self.together = together
        self.prompt = prompt

    @property
    def needs(self) -> frozenset[Need]:
        """What the method needs."""
        return self.together.segmenter.needs

    def segment_records(self, images: Sequence[Image], records: Sequence[ImageRecord]) -> list[list[Detection]]:
        """Segment the prompt in every image; see ``RecordSegmenter``. Several phrases of an image get one answer."""
        return [answer.detections for answer in self.segment_and_choose_records(images, records)]

    def segment_and_choose_records(self, images: Sequence[Image], records: Sequence[ImageRecord]) -> list[Answer]:
        """The same, and what the public test scripts keep; see ``RecordChooser``."""
        answers = self.together.ask(self.prompt, images, records)
        return [self._of_phrases(answer, record) for answer, record in zip(answers, records, strict=True)]

    def _of_phrases(self, answer: Answer, record: ImageRecord) -> Answer:
        found = [replace(one, phrase=phrase) for phrase in record.phrases for one in answer.detections]
        if self.prompt not in answer.public_choices:
            return Answer(found)
        kept = [replace(one, phrase=record.last_phrase) for one in answer.public_choices[self.prompt]]
        return Answer(found, {record.last_phrase: kept})


def only_phrases(records: Iterable[ImageRecord], phrases: Collection[str]) -> list[ImageRecord]:
    """The images that have a row of the phrases, present or absent, with everything else taken from their records.

    The paper protocol then scores against the instances of these phrases, not against all of the image. Where the last
    row is of another phrase, the last of these that is left takes its place.
    """
    reduced = []
    for record in records:
        kept = tuple(phrase for phrase in record.phrases if phrase in phrases)
        if kept:
            reduced.append(
                replace(
                    record,
                    instances=tuple(instance for instance in record.instances if instance.phrase in kept),
                    absent_phrases=tuple(phrase for phrase in record.absent_phrases if phrase in kept),
                    phrases=kept,
                    last_phrase=record.last_phrase if record.last_phrase in kept else kept[-1],
                )
            )
    return reduced


@dataclass(frozen=True, eq=False)
class _Waiting:
    """The answer to one prompt, compressed. kept: what the public scripts keep, ``None`` where they do not ask."""

    found: list[_Packed]
    kept: list[_Packed] | None

    @classmethod
    def of(cls, answer: Answer, prompt: str) -> _Waiting:
        kept = answer.public_choices.get(prompt)
        found = [_pack(one) for one in answer.detections if one.phrase == prompt]
        return cls(found, None if kept is None else [_pack(one) for one in kept])

    def answer(self, prompt: str) -> Answer:
        kept = {} if self.kept is None else {prompt: [one.unpacked() for one in self.kept]}
        return Answer([one.unpacked() for one in self.found], kept)


@dataclass(frozen=True, eq=False)
class _Packed:
    """A detection whose mask is compressed. bare: without its mask. size_hw: of the mask, ``None`` without one."""

    bare: Detection
    size_hw: tuple[int, int] | None
    bits: bytes

    def unpacked(self) -> Detection:
        if self.size_hw is None:
            return self.bare
        height, width = self.size_hw
        bits = np.frombuffer(zlib.decompress(self.bits), dtype=np.uint8)
        mask_hw: Mask = np.unpackbits(bits, count=height * width).reshape(height, width).astype(bool)
        return replace(self.bare, mask_hw=mask_hw)


def _pack(detection: Detection) -> _Packed:
    bare, mask_hw = replace(detection, mask_hw=None), detection.mask_hw
    if mask_hw is None:
        return _Packed(bare, None, b"")
    return _Packed(bare, (mask_hw.shape[0], mask_hw.shape[1]), zlib.compress(np.packbits(mask_hw).tobytes(), level=1))
