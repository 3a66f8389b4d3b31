"""A method without weights, for tests of what lies round a method: it finds what is bright."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gdinousam.records import Detection, Image, Need


class Brightest:
    """A method that outlines whatever is brighter than half. score: ``None`` takes how much of the picture that is."""

    needs: frozenset[Need] = frozenset({"text"})

    def __init__(self, score: float | None = None) -> None:
        self.score = score
        self.seen: list[Image] = []

    def segment(self, images: Sequence[Image], phrases: Sequence[Sequence[str]]) -> list[list[Detection]]:
        self.seen += images
        return [
            [one for phrase in row for one in self._find(image, phrase)]
            for image, row in zip(images, phrases, strict=True)
        ]

    def _find(self, image: Image, phrase: str) -> list[Detection]:
        mask_hw = image[:, :, 0] > 127
        if not mask_hw.any():
            return []
        ys, xs = np.nonzero(mask_hw)
        box = float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1)
        score = float(mask_hw.mean()) if self.score is None else self.score
        return [Detection(phrase, box, score, mask_hw)]
