"""How wide words become in LaTeX, estimated without LaTeX: the letters of Computer Modern, the default font.

Fonts that journals use (Times, Helvetica) are narrower, so what fits by this estimate fits there too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_POINTS_PER_EM = 10.0
# Widths in thousandths of an em of cmr10; the letters of a group are as wide as one another.
_GROUPS = {
    278: "ijl.,;:'![]|",
    306: "f",
    333: " -",
    392: "tsr()*",
    444: "cez`",
    500: '0123456789ago"$/_{}',
    528: "kvxy?",
    556: "bdhnpquS",
    653: "FLEPGJI",
    722: "wCTRB",
    778: "ADHKNOQUVXYZ+=<>&±~^\\@",
    833: "m%#",
    917: "M",
    1028: "W",
}
_WIDTH_OF = {letter: width for width, letters in _GROUPS.items() for letter in letters}
_OTHER = 778  # letters with accents, dashes and the like
_LONGEST_WORD = 24  # letters that stay together
_BOLD = 1.16  # cmbx10 beside cmr10


@dataclass(frozen=True)
class FontSize:
    """command: of LaTeX. points: height of the letters in a document of 10 points. scale: their widths, those of 10
    points being 1; small letters are wider than their height says.
    """

    command: str
    points: float
    scale: float


# In an article of 10 points; journals want 7 points or more.
SIZES = (FontSize(r"\small", 9, 0.925), FontSize(r"\footnotesize", 8, 0.85), FontSize(r"\scriptsize", 7, 0.797))


def text_width(text: str, size: FontSize, bold: bool = False) -> float:
    """Points that a line of text takes."""
    thousandths = sum(_WIDTH_OF.get(letter, _OTHER) for letter in text)
    return thousandths / 1000 * _POINTS_PER_EM * size.scale * (_BOLD if bold else 1)


def pieces(text: str) -> list[str]:
    """The parts of a text between which a line may be broken: behind spaces, hyphens and similar signs, and in words
    that are longer than any.
    """
    words = re.split(r"(?<=[\s\-+/_])(?=\S)", text)
    return [word[at : at + _LONGEST_WORD] for word in words for at in range(0, len(word), _LONGEST_WORD)]


def wrapped(text: str, width: float, size: FontSize) -> list[str]:
    """Lines of at most so many points, unless a single word is longer; one line at least."""
    lines = [""]
    for piece in pieces(text):
        if lines[-1] and text_width((lines[-1] + piece).rstrip(), size) > width:
            lines.append("")
        lines[-1] += piece
    return [line.rstrip() for line in lines]


def longest_piece(text: str, size: FontSize) -> float:
    """Points of the longest part that cannot be broken; 0 of no text."""
    return max((text_width(piece.rstrip(), size) for piece in pieces(text)), default=0.0)
