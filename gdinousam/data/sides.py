"""Words for sides in phrases, and how a phrase reads once its image is mirrored."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

SIDE_WORDS = (("left", "right"), ("sinister", "dexter"), ("sinistra", "dextra"), ("sinistrum", "dextrum"))


class Sides:
    """Pairs of words that mirroring swaps.

    pairs: each word once, in any letter case. Only whole words count: "left" is one in "left kidney", "left-sided" and
    "kidney_left", and none in "leftover".
    """

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self._opposite = {one.lower(): other for pair in pairs for one, other in (pair, pair[::-1])}
        # the longest first, so that of words that begin alike the whole one is found
        words = sorted(map(re.escape, self._opposite), key=len, reverse=True)
        letter = r"[^\W_]"
        pattern = rf"(?<!{letter})(?:{'|'.join(words)})(?!{letter})"
        self._words = re.compile(pattern if words else r"(?!)", re.IGNORECASE)

    def mirrored(self, phrase: str) -> str:
        """The phrase with the words of its sides swapped, in the letter case of those that they replace."""
        return self._words.sub(lambda found: _in_case_of(found[0], self._opposite[found[0].lower()]), phrase)

    def mirrored_among(self, phrases: Sequence[str], known: Collection[str]) -> tuple[str, ...] | None:
        """All phrases of an image mirrored, or ``None`` where one of those that change is none of the known ones."""
        mirrored = tuple(map(self.mirrored, phrases))
        is_known = all(other in known or other == phrase for phrase, other in zip(phrases, mirrored, strict=True))
        return mirrored if is_known else None


def _in_case_of(word: str, other: str) -> str:
    if word.isupper():
        return other.upper()
    return other[0].upper() + other[1:] if word[0].isupper() else other
