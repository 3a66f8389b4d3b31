"""Which absent phrases an image is asked for beside its own."""

import logging
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.absent import AbsentSettings, absent_remark, with_absent
from gdinousam.phrase_book import Entry, PhraseBook
from gdinousam.records import ImageRecord, Instance

BOOK = PhraseBook(
    [
        Entry("cyst", "breast", is_general=True),
        Entry("benign breast lesion", "breast", wordings=("benign breast mass",)),
        Entry("malignant breast lesion", "breast"),
        Entry("thyroid nodule", "thyroid", wordings=("nodule of the thyroid",)),
        Entry("carotid artery", "carotid artery"),
        Entry("kidney cortex", "kidney"),
    ],
    {"thyroid": "neck", "carotid artery": "neck"},
    [["benign breast lesion", "malignant breast lesion"]],
)
OF_FILE = ("thyroid nodule", "benign breast lesion", "malignant breast lesion", "carotid artery", "kidney cortex")


def record(name: str, *present: str, absent: tuple[str, ...] = (), dataset: str = "busi") -> ImageRecord:
    phrases = (*present, *absent)
    return ImageRecord(
        path=Path(name),
        width=40,
        height=30,
        dataset=dataset,
        instances=tuple(Instance(phrase, (1.0, 2.0, 3.0, 4.0)) for phrase in present),
        absent_phrases=absent,
        phrases=phrases,
        last_phrase=phrases[-1],
    )


def asked(one: ImageRecord, **settings: Any) -> tuple[str, ...]:
    """What the image is asked for besides."""
    (new,) = with_absent([one], AbsentSettings(**settings), BOOK, OF_FILE)
    assert new.phrases[: len(one.phrases)] == one.phrases and new.last_phrase == one.last_phrase
    assert new.instances == one.instances
    added = new.phrases[len(one.phrases) :]
    assert new.absent_phrases == (*one.absent_phrases, *added)
    return added


def test_without_a_wish_only_the_rows_are_asked() -> None:
    records = (record("a.png", "thyroid nodule"), record("b.png", "kidney cortex", absent=("cyst",)))
    assert with_absent(records, AbsentSettings(), BOOK, OF_FILE) == records


@pytest.mark.parametrize(
    ("kinds", "added"),
    [
        ("other organs", ("carotid artery", "kidney cortex", "thyroid nodule")),
        ("other findings", ("malignant breast lesion",)),
        (["other findings"], ("malignant breast lesion",)),
        (
            ["listed", "other organs", "other findings"],
            ("carotid artery", "kidney cortex", "malignant breast lesion", "thyroid nodule"),
        ),
    ],
)
def test_other_organs_and_other_findings(kinds: object, added: tuple[str, ...]) -> None:
    assert asked(record("a.png", "benign breast lesion"), absent_phrases=kinds) == added


def test_an_organ_that_the_image_may_show_as_well_is_not_asked() -> None:
    neck = record("a.png", "thyroid nodule")
    assert "carotid artery" not in asked(neck, absent_phrases="other organs")


def test_what_the_rows_ask_already_is_not_asked_again_in_any_words() -> None:
    one = record("a.png", "benign breast lesion", absent=("nodule of the thyroid",))
    assert asked(one, absent_phrases="other organs") == ("carotid artery", "kidney cortex")


def test_a_list_replaces_the_phrases_of_the_file_and_takes_its_spelling() -> None:
    one = record("a.png", "benign breast lesion")
    assert asked(one, absent_phrases="other organs", absent_from=["Kidney Cortex.", "nodule of the thyroid"]) == (
        "kidney cortex",
        "nodule of the thyroid",
    )


def test_a_draw_follows_the_image_and_neither_its_place_nor_the_order_of_the_phrases() -> None:
    records = [record(f"{number}.png", "benign breast lesion") for number in range(20)]
    settings = AbsentSettings(absent_phrases="other organs", absent_per_image=1)
    drawn = with_absent(records, settings, BOOK, OF_FILE)
    assert all(len(one.absent_phrases) == 1 for one in drawn)
    assert len({one.absent_phrases for one in drawn}) > 1
    backwards = with_absent(records[::-1], settings, BOOK, OF_FILE[::-1])
    assert backwards[::-1] == drawn


def test_phrases_that_the_book_does_not_know_are_named_once(caplog: pytest.LogCaptureFixture) -> None:
    records = [record("a.png", "benign breast lesion"), record("b.png", "spleen")]
    with caplog.at_level(logging.INFO):
        first, second = with_absent(
            records, AbsentSettings(absent_phrases="other organs"), BOOK, ("spleen", "kidney cortex", "spleen")
        )
    assert first.absent_phrases == ("kidney cortex",) and second.absent_phrases == ()
    assert [text for text in caplog.messages if "spleen" in text] == [
        "not in the phrase book, so neither asked as absent nor told apart: spleen"
    ]


def test_nothing_to_ask_is_refused() -> None:
    settings = AbsentSettings(absent_phrases="other organs")
    with pytest.raises(InputError, match="no image can be asked for other organs among spleen; name other phrases in"):
        with_absent([record("a.png", "spleen")], settings, BOOK, ("spleen",))


def test_a_phrase_that_cannot_be_asked_is_refused() -> None:
    settings = AbsentSettings(absent_phrases="other organs", absent_from=("...",))
    with pytest.raises(InputError, match="absent_from"):
        with_absent([record("a.png", "benign breast lesion")], settings, BOOK, OF_FILE)


@pytest.mark.parametrize("setting", [{"absent_from": ["cyst"]}, {"absent_per_image": 2}])
def test_a_setting_without_effect_is_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="has no effect"):
        AbsentSettings(**setting)


def test_tables_say_what_was_asked_and_from_which_book(tmp_path: Path) -> None:
    assert absent_remark(AbsentSettings(), None) == ""
    settings = AbsentSettings(absent_phrases=("other findings", "other organs"), absent_per_image=3)
    start = "Absent phrases: those of the rows and other organs and other findings, at most 3 per image (phrase book "
    assert absent_remark(settings, None).startswith(start)
    (tmp_path / "book.yaml").write_text("phrases: {cyst: {organ: breast}}\n", encoding="utf-8")
    assert absent_remark(settings, tmp_path / "book.yaml") != absent_remark(settings, None)
