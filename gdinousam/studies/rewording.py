"""Ask for a phrase of the data in other words: the same images, the same truth, another text for the detector."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from gdinousam.records import Detection, Image, ImageRecord, Need, Query, Segmenter


class Reworded:
    """A method that is asked one prompt in the place of each image's only phrase; its answers carry the phrase."""

    def __init__(self, segmenter: Segmenter, prompt: str) -> None:
        self.segmenter = segmenter
        self.prompt = prompt

    @property
    def needs(self) -> frozenset[Need]:
        """What the method needs."""
        return self.segmenter.needs

    def segment(self, images: Sequence[Image], phrases: Sequence[Sequence[str]]) -> list[list[Detection]]:
        """Segment the prompt in every image.

        phrases: one for each image, as ``only_phrase`` leaves it; ValueError where there are more or none.
        """
        found = self.segmenter.segment(images, [[self.prompt] for _ in images])
        return [
            [replace(one, phrase=phrase) for one in of_image]
            for of_image, (phrase,) in zip(found, phrases, strict=True)
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
