"""When two texts name the same thing: phrases, datasets, groups and file names.

People write one name in several ways ("Cyst", "cyst ", "cyst."), and some differences cannot be seen at all: a
no-break space, an accent stored as a letter of its own. Whoever compares names compares their identities, and whoever
shows two names that differ shows them with ``visible``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache

# "." and "?" end a phrase for Grounding DINO wherever they stand, so inside a phrase they are spaces.
_ENDS_A_PHRASE = re.compile(r"[.?]")
_UNSEEN = ("Cc", "Cf", "Zs", "Zl", "Zp")  # Unicode: control and format characters, spaces, line separators
_REMEMBERED = 2**16  # names; training asks for the same ones with every image


def phrases_in(text: str) -> tuple[str, ...]:
    """The phrases of a text in the way of Grounding DINO, ``cyst. solid mass.``: full stops before a space part them.

    A text of one phrase, or none, is returned as it is, in a tuple.
    """
    parts = tuple(" ".join(part.split()).strip(" .") for part in re.split(r"\.(?=\s|$)", text))
    found = tuple(part for part in parts if part)
    return found if len(found) > 1 else (text,)


@lru_cache(maxsize=_REMEMBERED)
def identity(text: str) -> str:
    """What a name is compared by: lower case, Unicode form NFC, single plain spaces, no full stop at the end.

    Characters without a shape (zero-width space, byte order mark, soft hyphen) count for nothing. The identity of an
    identity is itself.
    """
    for simplify in _SIMPLIFICATIONS.values():
        text = simplify(text)
    return text


@lru_cache(maxsize=_REMEMBERED)
def phrase_identity(phrase: str) -> str:
    """The same for a phrase, in which full stops and question marks are spaces wherever they stand."""
    return identity(_ENDS_A_PHRASE.sub(" ", phrase))


def spellings(texts: Iterable[str], of_phrases: bool = False) -> dict[str, str]:
    """For each distinct text, in order, the first one that names the same; of_phrases: compare as phrases."""
    compare = phrase_identity if of_phrases else identity
    first: dict[str, str] = {}
    return {text: first.setdefault(compare(text), text) for text in dict.fromkeys(texts)}


def same_name(text: str, others: Iterable[str], of_phrases: bool = False) -> str | None:
    """The text itself where it is among the others, else the first that names the same, else ``None``."""
    others = list(others)
    if text in others:
        return text
    compare = phrase_identity if of_phrases else identity
    wanted = compare(text)
    return next((other for other in others if compare(other) == wanted), None)


def has_no_text(text: str) -> bool:
    """Whether there is something in a text that is not a character: what Python makes of bytes that are not UTF-8, and
    halves of pairs as JSON and YAML can write them. No file of text can hold it.
    """
    return any("\ud800" <= character <= "\udfff" for character in text)


def visible(text: str) -> str:
    """The text as a message shows it: as it is, or in quotes with code points for what would not be seen.

    Not seen are spaces at an end or two in a row, spaces other than the plain one, control and format characters, and
    accents that are characters of their own where one with its letter exists.
    """
    unseen = _UNSEEN if unicodedata.is_normalized("NFC", text) else (*_UNSEEN, "Mn")
    shown = "".join(
        _code_point(character) if unicodedata.category(character) in unseen and character != " " else character
        for character in text
    )
    return text if shown == text == " ".join(text.split()) else f"'{shown}'"


def difference(text: str, other: str) -> str:
    """How two texts of one identity differ, such as ``spaces and letter case``; empty for equal texts."""
    return " and ".join(
        kind for kind in _SIMPLIFICATIONS if _without_others(text, kind) != _without_others(other, kind)
    )


def _without_others(text: str, kind: str) -> str:
    """The text with every kind of difference taken out but one."""
    for other, simplify in _SIMPLIFICATIONS.items():
        text = text if other == kind else simplify(text)
    return text


def _without_format_characters(text: str) -> str:
    return "".join(character for character in text if unicodedata.category(character) != "Cf")


def _compose(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _single_spaces(text: str) -> str:
    return " ".join(text.split())


def _without_last_stop(text: str) -> str:
    return re.sub(r"(\s*\.)+(?=\s*$)", "", text)


# in the order in which they make an identity
_SIMPLIFICATIONS: dict[str, Callable[[str], str]] = {
    "characters without a shape": _without_format_characters,
    "letter case": str.lower,
    "Unicode form": _compose,
    "a full stop at the end": _without_last_stop,
    "spaces": _single_spaces,
}


def _code_point(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii") if ord(character) < 0x80 else f"\\u{ord(character):04x}"
