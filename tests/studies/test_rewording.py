"""Asking in other words changes the text that the method reads and nothing else."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from gdinousam.records import Detection, Image, ImageRecord, Instance, Need
from gdinousam.studies.rewording import Reworded, only_phrase

IMAGE = np.zeros((4, 5, 3), np.uint8)
STONE, CYST = Instance("stone", (0, 0, 2, 2)), Instance("cyst", (1, 1, 2, 2))


class Listener:
    """Finds whatever it is asked for and remembers it."""

    needs: frozenset[Need] = frozenset({"text"})

    def __init__(self) -> None:
        self.heard: list[list[str]] = []

    def segment(self, images: Sequence[Image], phrases: Sequence[Sequence[str]]) -> list[list[Detection]]:
        self.heard += [list(row) for row in phrases]
        return [[Detection(phrase, (0, 0, 1, 1), 0.5) for phrase in row] for row in phrases]


def test_the_method_hears_the_prompt_and_the_answer_carries_the_phrase() -> None:
    listener = Listener()
    reworded = Reworded(listener, "a hard thing")
    found = reworded.segment([IMAGE, IMAGE], [["stone"], ["kidney stone"]])
    assert listener.heard == [["a hard thing"], ["a hard thing"]]
    assert [[one.phrase for one in row] for row in found] == [["stone"], ["kidney stone"]]
    assert reworded.needs == {"text"}


def test_an_image_asked_for_two_phrases_is_refused() -> None:
    with pytest.raises(ValueError):
        Reworded(Listener(), "a hard thing").segment([IMAGE], [["stone", "cyst"]])


def test_only_what_belongs_to_the_phrase_is_left_of_a_record() -> None:
    both = ImageRecord(Path("1.png"), 5, 4, "A", "g", (STONE, CYST, STONE), (), ("stone", "cyst"), "cyst")
    absent = ImageRecord(
        Path("2.png"), 5, 4, "A", None, (CYST,), ("liver", "stone"), ("cyst", "liver", "stone"), "liver"
    )
    other = ImageRecord(Path("3.png"), 5, 4, "A", None, (CYST,), (), ("cyst",), "cyst")
    assert only_phrase([both, absent, other], "stone") == [
        ImageRecord(Path("1.png"), 5, 4, "A", "g", (STONE, STONE), (), ("stone",), "stone"),
        ImageRecord(Path("2.png"), 5, 4, "A", None, (), ("stone",), ("stone",), "stone"),
    ]
    assert only_phrase([other], "stone") == []
