"""What counts as one name, and how messages show a difference that cannot be seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdinousam.identity import difference, identity, phrase_identity, phrases_in, same_name, spellings, visible

DECOMPOSED = "be\u0301nin"  # an accent of its own, as macOS stores names
COMPOSED = "b\u00e9nin"


@pytest.mark.parametrize(
    "text",
    [
        "Breast Cyst",
        " breast  cyst ",
        "breast\u00a0cyst",
        "breast cyst.",
        "breast cyst . .",
        "\ufeffbreast\u200b cyst\n",
    ],
)
def test_letter_case_spaces_full_stops_and_shapeless_characters_make_no_other_name(text):
    assert identity(text) == "breast cyst" == phrase_identity(text)


def test_both_unicode_forms_of_an_accent_are_one_name():
    assert identity(DECOMPOSED) == identity(COMPOSED) == COMPOSED


def test_a_full_stop_inside_parts_words_of_a_phrase_only():
    assert identity("a.jpg") == "a.jpg"
    assert phrase_identity("cyst.or mass?") == "cyst or mass"


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("benign cyst. solid mass.", ("benign cyst", "solid mass")),
        ("cyst . mass .", ("cyst", "mass")),
        ("cyst. mass", ("cyst", "mass")),
        ("cyst.. mass.", ("cyst", "mass")),
        ("cyst.", ("cyst.",)),
        ("a 2.5 cm cyst", ("a 2.5 cm cyst",)),
        ("", ("",)),
    ],
)
def test_full_stops_before_a_space_part_phrases(text, phrases):
    assert phrases_in(text) == phrases


def test_other_words_are_other_names():
    assert len({identity(text) for text in ("cyst", "cysts", "c yst", "zyst")}) == 4


@given(st.text(max_size=12))
def test_an_identity_is_its_own_identity(text):
    assert identity(identity(text)) == identity(text)
    assert phrase_identity(phrase_identity(text)) == phrase_identity(text)


def test_the_first_spelling_stands_for_all():
    assert spellings(["Cyst", "liver", "cyst.", "cyst"]) == {
        "Cyst": "Cyst",
        "liver": "liver",
        "cyst.": "Cyst",
        "cyst": "Cyst",
    }
    assert spellings([]) == {}


def test_same_name_prefers_the_text_itself():
    assert same_name("cyst", ["Cyst", "cyst"]) == "cyst"
    assert same_name("cyst", ["liver", "Cyst "]) == "Cyst "
    assert same_name("cyst", ["liver"]) is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a.jpg", "a.jpg"),
        ("a.jpg ", "'a.jpg '"),
        ("a  b", "'a  b'"),
        ("a\u00a0b", "'a\\u00a0b'"),
        ("\u200ba", "'\\u200ba'"),
        ("a\tb", "'a\\tb'"),
        (DECOMPOSED, "'be\\u0301nin'"),
        (COMPOSED, COMPOSED),
        ("เต้านม", "เต้านม"),  # its vowel signs have no other form
    ],
)
def test_what_cannot_be_seen_is_shown_by_its_code_point(text, shown):
    assert visible(text) == shown


@pytest.mark.parametrize(
    ("text", "other", "named"),
    [
        ("a.jpg ", "a.jpg", "spaces"),
        ("A.jpg", "a.jpg", "letter case"),
        (DECOMPOSED, COMPOSED, "Unicode form"),
        ("cyst.", "cyst", "a full stop at the end"),
        ("\ufeffcyst", "cyst", "characters without a shape"),
        ("A b", "a\u00a0b", "letter case and spaces"),
        ("same", "same", ""),
    ],
)
def test_a_difference_is_named(text, other, named):
    assert difference(text, other) == named
