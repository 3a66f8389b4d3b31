"""The phrases of a caption: absent ones that the phrase book allows, alone or beside, and other words for each."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from gdinousam.data.caption_phrases import AbsentPhrases, AbsentPhraseSettings, CaptionPhrases, CaptionRules
from gdinousam.phrase_book import PhraseBook, read_phrase_book

TREE = {
    "alternatives": [["benign lesion", "malignant lesion"]],
    "frames": {"training": ["segment the {phrase}", "find the {phrase}"], "held_out": ["show me the {phrase}"]},
    "phrases": {
        "benign lesion": {"organ": "breast", "wordings": ["benign mass"], "held_out": ["benign lump"]},
        "malignant lesion": {"organ": "breast"},
        "liver lesion": {"organ": "liver", "wordings": ["hepatic lesion"]},
        "prostate": {"organ": "prostate"},
        "fetal head": {"organ": "fetal head"},
    },
}
OF_DATA = ("benign lesion", "malignant lesion", "liver lesion", "fetal head", "spleen")
NUM_DRAWS = 400


@pytest.fixture
def book(tmp_path: Path) -> PhraseBook:
    path = tmp_path / "book.yaml"
    path.write_text(yaml.safe_dump(TREE), encoding="utf-8")
    return read_phrase_book(path)


def absent(book: PhraseBook, **settings: object) -> AbsentPhrases:
    return AbsentPhrases(AbsentPhraseSettings.model_validate(settings), book, OF_DATA)


def captions(rules: CaptionRules, phrases: Sequence[str], of_objects: Sequence[str]) -> list[CaptionPhrases]:
    generator = random.Random(0)
    return [rules.choose(phrases, of_objects, generator) for _ in range(NUM_DRAWS)]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, {"malignant lesion", "liver lesion", "fetal head"}),
        ({"kinds": ["other organs"]}, {"liver lesion", "fetal head"}),
        ({"kinds": ["other findings"]}, {"malignant lesion"}),
        ({"whole_book": True}, {"malignant lesion", "liver lesion", "fetal head", "prostate"}),
    ],
)
def test_absent_phrases_are_those_of_the_run_that_the_book_allows(
    book: PhraseBook, settings: dict[str, object], expected: set[str]
) -> None:
    drawn = captions(CaptionRules(absent=absent(book, alone=0, **settings)), ["benign lesion"], ["benign lesion"])
    assert all(one.phrases[0] == "benign lesion" and one.places == (0,) and len(one.phrases) == 2 for one in drawn)
    counts = Counter(one.phrases[1] for one in drawn)
    assert set(counts) == expected
    assert min(counts.values()) > 0.7 * NUM_DRAWS / len(expected)  # all alike


def test_what_a_row_says_is_absent_stays_and_is_not_asked_again_in_other_words(book: PhraseBook) -> None:
    rules = CaptionRules(absent=absent(book, alone=0.5, beside=9))
    of_rows = ("benign lesion", "hepatic lesion")
    for one in captions(rules, of_rows, ["benign lesion"]):
        assert "hepatic lesion" in one.phrases and "liver lesion" not in one.phrases


def test_alone_is_the_share_of_captions_without_objects_and_their_number_goes_one_beyond_beside(
    book: PhraseBook,
) -> None:
    rules = CaptionRules(absent=absent(book, alone=0.25, beside=1, whole_book=True))
    drawn = captions(rules, ["fetal head"], ["fetal head", "fetal head"])
    alone = [one for one in drawn if "fetal head" not in one.phrases]
    assert 0.2 < len(alone) / NUM_DRAWS < 0.3
    assert all(one.places == () for one in alone) and {len(one.phrases) for one in alone} == {1, 2}
    others = [one for one in drawn if "fetal head" in one.phrases]
    assert all(one.places == (0, 0) and len(one.phrases) == 2 for one in others)


def test_without_anything_to_ask_the_objects_stay(book: PhraseBook) -> None:
    rules = CaptionRules(absent=absent(book, alone=1))
    assert set(captions(rules, ["spleen"], ["spleen"])) == {CaptionPhrases(("spleen",), (0,), (0,))}
    assert set(captions(rules, ["benign lesion"], [])) == {CaptionPhrases(("benign lesion",), (), ())}


def test_the_phrase_of_every_box_repeats_and_absent_ones_come_last(book: PhraseBook) -> None:
    rules = CaptionRules(phrase_per_box=True, absent=absent(book, alone=0.5, kinds=["other findings"]))
    assert set(captions(rules, ["benign lesion", "spleen"], ["benign lesion"] * 2)) == {
        CaptionPhrases(("benign lesion", "benign lesion", "spleen", "malignant lesion"), (0, 1), (0, 1)),
        CaptionPhrases(("spleen", "malignant lesion"), (), ()),
    }


@pytest.mark.parametrize("phrase_per_box", [False, True])
def test_of_several_phrases_one_is_asked_by_itself_with_its_objects(book: PhraseBook, phrase_per_box: bool) -> None:
    rules = CaptionRules(phrase_per_box, absent(book, alone=0, single=0.5, kinds=["other findings"]))
    drawn = captions(rules, ["spleen", "benign lesion"], ["benign lesion", "spleen", "benign lesion"])
    share = Counter(one.objects for one in drawn)
    assert set(share) == {(0, 1, 2), (0, 2), (1,)}
    assert 0.4 < share[0, 1, 2] / NUM_DRAWS < 0.6 and 0.4 < share[1,] / (share[1,] + share[0, 2]) < 0.6
    for one in drawn:
        named = [one.phrases[place] for place in one.places]
        assert named == [["benign lesion", "spleen", "benign lesion"][place] for place in one.objects]
        assert set(one.phrases) == {*named, "malignant lesion"}  # what is left out is not asked at all
    never = CaptionRules(phrase_per_box, absent(book, alone=0, single=0))
    assert {one.objects for one in captions(never, ["spleen", "cyst"], ["spleen", "cyst"])} == {(0, 1)}


def test_rewording_is_the_share_of_phrases_in_other_words_and_as_many_sentences_as_plain_words(
    book: PhraseBook,
) -> None:
    drawn = captions(CaptionRules(rewording=0.5, book=book), ["spleen", "benign lesion"], ["benign lesion"])
    assert all(one.places == (1,) for one in drawn)
    counts = Counter(one.phrases[1] for one in drawn)
    assert 0.4 < 1 - counts["benign lesion"] / NUM_DRAWS < 0.6
    assert set(counts) == {"benign lesion", *book.training_wordings("benign lesion")}
    assert 0.4 < counts["benign mass"] / (NUM_DRAWS - counts["benign lesion"]) < 0.6
    assert {one.phrases[0] for one in drawn} == {"spleen", "segment the spleen", "find the spleen"}
    never = captions(CaptionRules(rewording=0.0, book=book), ["benign lesion"], ["benign lesion"])
    assert {one.phrases for one in never} == {("benign lesion",)}


def test_equal_phrases_are_reworded_alike_and_different_ones_stay_different(book: PhraseBook) -> None:
    rules = CaptionRules(phrase_per_box=True, rewording=1.0, book=book)
    drawn = captions(rules, ["benign lesion", "Benign mass"], ["benign lesion", "benign lesion", "Benign mass"])
    for one in drawn:
        first, second, third = one.phrases
        assert first == second and first.lower() != third.lower()
    assert len(set(drawn)) > 5


def test_settings_that_ask_nothing_are_refused() -> None:
    with pytest.raises(ValidationError, match="both 0, which asks nothing; set the group to null"):
        AbsentPhraseSettings(beside=0, alone=0)
    with pytest.raises(ValidationError, match="kinds"):
        AbsentPhraseSettings.model_validate({"kinds": []})
