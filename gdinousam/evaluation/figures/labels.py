"""Words in figures: names in little room, and what has to be said below."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable

from gdinousam.evaluation.reporting.comparison import Compared
from gdinousam.evaluation.reporting.method_names import weights_remarks
from gdinousam.evaluation.scoring.notes import said_once

_ELLIPSIS = "…"


def name_lines(name: str, letters: int, max_lines: int) -> list[str]:
    """A name in at most so many lines of so many letters, with an ellipsis where it does not fit.

    max_lines: at least 2. What stands in brackets at the end, that weights are random say, is never cut off.
    """
    lines = textwrap.wrap(name, letters) or ["-"]
    if len(lines) <= max_lines:
        return lines
    whole = re.fullmatch(r"(.*\S)\s*(\([^()]*\))", name)
    if whole is None:
        return textwrap.wrap(name, letters, max_lines=max_lines, placeholder=_ELLIPSIS)
    ending = textwrap.wrap(whole[2], letters)
    room = max(1, max_lines - len(ending))
    front = textwrap.wrap(whole[1], letters)
    if len(front) > room:
        front = [*front[: room - 1], front[room - 1][: letters - 1] + _ELLIPSIS]
    return [*front, *ending]


def weights_notes(compared: Compared) -> list[str]:
    """What a figure of these methods says of their weights; of a single method without its name."""
    remarks_of = {method: weights_remarks(compared.weights_of(method)) for method in compared.rows}
    if len(remarks_of) == 1:
        return [remark for remarks in remarks_of.values() for remark in remarks]
    return said_once(remarks_of)


def wrapped_notes(notes: Iterable[str], letters: int) -> list[str]:
    """The lines of all notes, each note beginning a new one."""
    return [line for note in notes for line in textwrap.wrap(note, letters)]
