"""The phrase book: wordings find their phrase, and what is absent follows from organs, regions and alternatives."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import yaml

from gdinousam.data.sources.phantoms import FAMILIES, phrases_of
from gdinousam.data.sources.public.registry import all_datasets
from gdinousam.errors import InputError
from gdinousam.phrase_book import PhraseBook, read_phrase_book, tell_assumed_organs

TREE = {
    "regions": {"neck": ["thyroid", "carotid artery"]},
    "alternatives": [["benign breast lesion", "malignant breast lesion"]],
    "frames": {"training": ["segment the {phrase}"], "held_out": ["show me the {phrase}"]},
    "phrases": {
        "benign breast lesion": {"organ": "breast", "wordings": ["benign breast mass"], "held_out": ["a lump"]},
        "malignant breast lesion": {"organ": "breast"},
        "breast tumor": {"organ": "breast"},
        "cyst": {"organ": "breast", "general": True},
        "thyroid nodule": {"organ": "thyroid"},
        "carotid artery": {"organ": "carotid artery"},
        "fetal head": {"organ": "fetal head"},
    },
}
EVERYTHING = tuple(TREE["phrases"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "book.yaml"


def book_of(path: Path, **changes: object) -> PhraseBook:
    path.write_text(yaml.safe_dump(TREE | changes), encoding="utf-8")
    return read_phrase_book(path)


@pytest.mark.parametrize(
    ("present", "organs", "findings"),
    [
        (["Benign breast mass"], ["thyroid nodule", "carotid artery", "fetal head"], ["malignant breast lesion"]),
        (["thyroid nodule"], ["benign breast lesion", "malignant breast lesion", "breast tumor", "fetal head"], []),
        (["breast tumor"], ["thyroid nodule", "carotid artery", "fetal head"], []),
        (["fetal head", "fetal foot"], [], []),
        (["fetal foot"], [], []),
        ([], [], []),
        (["benign breast lesion", "malignant breast lesion"], ["thyroid nodule", "carotid artery", "fetal head"], []),
    ],
)
def test_what_is_absent(path: Path, present: list[str], organs: list[str], findings: list[str]) -> None:
    book = book_of(path)
    assert list(book.absent(present, EVERYTHING, ["other organs"])) == organs
    assert list(book.absent(present, EVERYTHING, ["other findings"])) == findings
    both = [one for one in EVERYTHING if one in {*organs, *findings}]
    assert list(book.absent(present, [*EVERYTHING, "fetal foot"], ["other findings", "other organs"])) == both


def test_wordings(path: Path) -> None:
    book = book_of(path)
    assert book.training_wordings("Benign Breast Lesion.") == (
        "benign breast mass",
        "segment the Benign Breast Lesion.",
        "segment the benign breast mass",
    )
    assert book.held_out_wordings("benign breast lesion") == (
        "a lump",
        "show me the benign breast lesion",
        "show me the a lump",
    )
    assert book.training_wordings("spleen") == ("segment the spleen",)
    assert book.are_same("a lump", "benign breast mass") and book.are_same("Spleen", "spleen")
    assert not book.are_same("a lump", "breast tumor") and not book.are_same("spleen", "liver")


def test_choices_in_wordings(path: Path) -> None:
    entry = {
        "organ": "fetal head",
        "wordings": ["skull", "fetal (head|skull)", "(head|skull) of the (fetus|baby)", "head (of a fetus)"],
        "held_out": ["skull of the baby"],
    }
    book = book_of(path, phrases=TREE["phrases"] | {"fetal head": entry})
    assert book.training_words("fetal head") == (
        "skull",
        "head (of a fetus)",  # brackets without a bar are part of the words
        "fetal skull",
        "head of the fetus",
        "head of the baby",
        "skull of the fetus",
    )
    assert book.held_out_wordings("fetal head")[0] == "skull of the baby"
    assert book.are_same("head of the baby", "fetal head")
    assert {"fetus", "of", "segment", "mass"} <= book.training_vocabulary
    assert not {"Fetus", "show", "fetus)", "lump"} & book.training_vocabulary


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"phrases": {}}, "phrases: Dictionary should have at least 1 item"),
        ({"phrases": {"a": {"organ": "x", "wordings": ["b"]}, "b": {"organ": "x"}}}, "'b' stands for 'a' and for 'b'"),
        ({"phrases": {"a": {"organ": "x", "wordings": ["A."]}}}, "a: 'a' stands there twice"),
        ({"phrases": {"a": {}}}, "phrases.a.organ: Field required"),
        ({"phrases": {"a": {"organ": "x", "words": []}}}, "phrases.a.words: Extra inputs are not permitted"),
        ({"phrases": {"...": {"organ": "x"}}}, "no letter or digit"),
        ({"alternatives": [["cyst", "spleen"]]}, "alternatives: 'spleen' is not one of the phrases"),
        ({"regions": {"a": ["x"], "b": ["x"]}}, "regions: 'x' stands in two"),
        ({"regions": {"neck": ["Thyroid"]}}, "regions: 'Thyroid' is the organ of no phrase"),
        ({"frames": {"training": ["segment it"]}}, "frames: 'segment it' must hold {phrase} once"),
        ({"frames": {"training": ["a {phrase}"], "held_out": ["A {phrase}."]}}, "is held out and shown in training"),
    ],
)
def test_what_is_refused(path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as error:
        book_of(path, **changes)
    assert str(error.value).startswith(f"{path}: ") and message in str(error.value)


def test_general_phrases_are_named_with_the_organ_that_the_book_takes_them_for(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    book = book_of(path)
    with caplog.at_level(logging.INFO):
        tell_assumed_organs(["fetal head", "spleen"], book)
        assert not caplog.messages
        tell_assumed_organs(["fetal head", "Cyst"], book)
    (told,) = caplog.messages
    assert "Cyst (breast)" in told and "fetal head" not in told


def test_a_missing_file(path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_phrase_book(path)


def test_the_book_of_the_package_knows_the_phrases_of_the_package() -> None:
    book = read_phrase_book()
    ours = [phrase for family in FAMILIES for phrase in phrases_of(family)]
    theirs = [phrase for dataset in all_datasets() for phrase in dataset.facts.phrases.values()]
    for phrase in (*ours, *theirs):
        assert book.entry(phrase) is not None, phrase
        assert book.training_wordings(phrase) and book.held_out_wordings(phrase)
        assert not set(book.training_wordings(phrase)) & set(book.held_out_wordings(phrase))
