"""Ask for a phrase of the data in other words: the same images, the same truth, another text for the detector.

All prompts for a phrase are asked of an image at once, so that it is encoded once for all of them, while each prompt is
still scored into a folder of its own, one after the other.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gdinousam.evaluation.methods import Untimed
from gdinousam.records import Detection, Image, ImageRecord, Mask, Need, Query, Segmenter


class AskedTogether:
    """A method with the prompts that are still to be asked for one phrase; remembers the answers to the later ones.

    segmenter: must answer each of several phrases as it answers it alone. Masks wait compressed, about a kilobyte each.
    """

    def __init__(self, segmenter: Segmenter, prompts: Sequence[str]) -> None:
        self.segmenter = segmenter
        self._left = list(dict.fromkeys(prompts))
        self._waiting: dict[tuple[Path, str], list[_Packed]] = {}

    def ask(self, prompt: str, images: Sequence[Image], records: Sequence[ImageRecord]) -> list[list[Detection]]:
        """What is found for one of the prompts, in the images of these records."""
        new = [row for row, record in enumerate(records) if (record.path, prompt) not in self._waiting]
        if new:
            found = self.segmenter.segment([images[row] for row in new], [tuple(self._left)] * len(new))
            for row, detections in zip(new, found, strict=True):
                for asked in self._left:
                    of_prompt = [_pack(one) for one in detections if one.phrase == asked]
                    self._waiting[records[row].path, asked] = of_prompt
        return [[one.unpacked() for one in self._waiting.pop((record.path, prompt))] for record in records]

    def finish(self, prompt: str) -> None:
        """Ask a prompt no more, once all of its images are scored."""
        self._left.remove(prompt)
        self._waiting = {key: packed for key, packed in self._waiting.items() if key[1] != prompt}


class Reworded(Untimed):
    """A method that is asked one prompt in the place of each image's only phrase; its answers carry the phrase."""

    def __init__(self, together: AskedTogether, prompt: str) -> None:
        self.together = together
        self.prompt = prompt

    @property
    def needs(self) -> frozenset[Need]:
        """What the method needs."""
        return self.together.segmenter.needs

    def segment_records(self, images: Sequence[Image], records: Sequence[ImageRecord]) -> list[list[Detection]]:
        """Segment the prompt in every image; see ``RecordSegmenter``.

        records: each with one phrase, as ``only_phrase`` leaves it; ValueError where there are more or none.
        """
        phrases = [phrase for record in records for (phrase,) in [record.phrases]]
        found = self.together.ask(self.prompt, images, records)
        return [
            [replace(one, phrase=phrase) for one in of_image] for of_image, phrase in zip(found, phrases, strict=True)
        ]


def only_phrase(records: Iterable[ImageRecord], phrase: str) -> list[ImageRecord]:
    """The images that have a row of the phrase, present or absent, with everything else taken from their records.

    The paper protocol then scores against the instances of this phrase, not against all of the image.
    """
    return [
        replace(
            record,
            instances=Query(record, phrase).instances,
            absent_phrases=tuple(one for one in record.absent_phrases if one == phrase),
            phrases=(phrase,),
            last_phrase=phrase,
        )
        for record in records
        if phrase in record.phrases
    ]


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
