"""Scores quoted from the papers of methods that cannot be run, for lines of their own beside what stands in for them.

They are of other images and models than anything measured here: no interval, test, difference or mark goes with them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import yaml

from gdinousam.evaluation.reporting.paper_numbers import same_method


@dataclass(frozen=True)
class QuotedScore:
    """method: as its paper calls it. images: what the score is of. dice, iou: in percent, nan where not printed.
    source: the paper.
    """

    method: str
    images: str
    dice: float
    iou: float
    source: str

    @property
    def name(self) -> str:
        """The method in a table."""
        return f"{self.method} (quoted)"

    @property
    def note(self) -> str:
        """What has to be said of it below a table."""
        return (
            f"Quoted from {self.source}, not measured here: the authors' model on their own test images. It cannot be "
            "compared with any other line."
        )


def quoted_beside(methods: Iterable[str]) -> tuple[QuotedScore, ...]:
    """The quoted scores of what these methods stand in for; for most there are none.

    methods: names in tables. One that begins with the name of a quoted method stands in for it, whatever follows in
    brackets: "SAM-MedUS (approximation)".
    """
    methods = list(methods)
    return tuple(one for one in _quoted() if any(same_method(one.method, method) for method in methods))


@lru_cache
def _quoted() -> tuple[QuotedScore, ...]:
    text = resources.files("gdinousam.evaluation.reporting").joinpath("quoted_numbers.yaml").read_text(encoding="utf-8")
    return tuple(
        QuotedScore(of["method"], images, score["dice"], score.get("iou", math.nan), of["source"])
        for of in yaml.safe_load(text)
        for images, score in of["scores"].items()
    )
