"""Words for sides: whole words only, letter case kept, and swapped twice a phrase is what it was."""

from __future__ import annotations

import pytest

from gdinousam.data.sides import SIDE_WORDS, Sides

SIDES = Sides(SIDE_WORDS)


@pytest.mark.parametrize(
    ("phrase", "mirrored"),
    [
        ("left kidney", "right kidney"),
        ("right lobe of the thyroid", "left lobe of the thyroid"),
        ("Left Kidney", "Right Kidney"),
        ("LEFT KIDNEY", "RIGHT KIDNEY"),
        ("cyst, left", "cyst, right"),
        ("left-sided cyst", "right-sided cyst"),
        ("kidney_left", "kidney_right"),
        ("from left to right", "from right to left"),
        ("ren sinister", "ren dexter"),
        ("arteria renalis dextra", "arteria renalis sinistra"),
        ("atrium sinistrum", "atrium dextrum"),
    ],
)
def test_sides_are_swapped_there_and_back(phrase: str, mirrored: str) -> None:
    assert SIDES.mirrored(phrase) == mirrored
    assert SIDES.mirrored(mirrored) == phrase


@pytest.mark.parametrize("phrase", ["liver", "leftover", "bright lesion", "upright", "sinistral", "", "left2"])
def test_phrases_that_name_no_side_stay(phrase: str) -> None:
    assert SIDES.mirrored(phrase) == phrase


def test_the_words_may_be_others_and_of_two_that_begin_alike_the_whole_one_counts() -> None:
    sides = Sides([("links", "rechts"), ("linke", "rechte"), ("li", "re"), ("left kidney", "right kidney")])
    assert sides.mirrored("Linke Niere, links (li)") == "Rechte Niere, rechts (re)"
    assert sides.mirrored("left kidney, left") == "right kidney, left"


def test_no_words_change_nothing() -> None:
    assert Sides([]).mirrored("left kidney") == "left kidney"


def test_phrases_are_mirrored_together_or_not_at_all() -> None:
    known = {"left kidney", "right kidney", "left atrium"}
    assert SIDES.mirrored_among(("left kidney", "liver"), known) == ("right kidney", "liver")
    assert SIDES.mirrored_among(("left kidney", "left atrium"), known) is None
    assert SIDES.mirrored_among(("liver",), ()) == ("liver",)
    assert SIDES.mirrored_among((), ()) == ()
