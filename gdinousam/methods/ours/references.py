"""The mask head without a detector: with the whole image as its box."""

from __future__ import annotations

from collections.abc import Sequence

from gdinousam.inputs import as_images, as_phrases
from gdinousam.records import Detection, Hint, HintedSegmenter, Image, Need


class WholeImageSegmenter:
    """A mask head with the whole image as its box, whatever the phrase; it finds every phrase everywhere."""

    needs: frozenset[Need] = frozenset()

    def __init__(self, mask_head: HintedSegmenter) -> None:
        self.mask_head = mask_head

    def segment(self, images: Sequence[Image], phrases: Sequence[Sequence[str]]) -> list[list[Detection]]:
        """Give every phrase the mask of the whole image's box; see ``gdinousam.records.PhraseSegmenter``."""
        images = as_images(images)
        hints = [
            [Hint(phrase, (0.0, 0.0, float(image.shape[1]), float(image.shape[0]))) for phrase in asked]
            for image, asked in zip(images, as_phrases(phrases, len(images)), strict=True)
        ]
        return self.mask_head.segment_hints(images, hints)
