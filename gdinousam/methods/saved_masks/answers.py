"""What was saved for an image, and what a place that keeps it must tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gdinousam.identity import visible
from gdinousam.records import BoxXYXY, ImageRecord, Mask

SizeHW = tuple[int, int]  # (height, width) in pixels

NUM_NAMED = 5  # of the wrong masks that a message names; it counts the rest


@dataclass(frozen=True, eq=False)
class SavedAnswer:
    """One object as it was saved.

    mask_hw: (H, W) bool, of the size that was saved; may be empty. score: any finite number, the higher the surer.
    box_xyxy: (x0, y0, x1, y1) in pixels of the mask, ``None`` where none was saved.
    """

    phrase: str
    mask_hw: Mask
    score: float = 1.0
    box_xyxy: BoxXYXY | None = None


class SavedAnswers(Protocol):
    """Where saved answers lie.

    path: the folder or file. num_wanted: masks that the test file asks for, missing: which of them are not there;
    unknown: what is there and not asked for; wrong: further problems, each a text that nothing allows; all by name.
    empty_is_answer: whether an empty mask is an answer here unless the settings say otherwise. remarks: what a reader
    of the scores must know. wanted: how masks are to be named, for messages.
    """

    path: Path
    num_wanted: int
    missing: list[str]
    unknown: list[str]
    wrong: list[str]
    empty_is_answer: bool
    remarks: list[str]
    wanted: str

    def sizes(self, record: ImageRecord) -> Mapping[str, SizeHW]:
        """The size of each mask that an image has, by the name of the mask; may be empty."""
        ...

    def read(self, record: ImageRecord) -> list[SavedAnswer]:
        """What was saved for an image, by phrase; InputError for a mask that cannot be read."""
        ...


def listed(names: Sequence[str], what: str) -> str:
    """A count with the first few names; empty where there are none."""
    if not names:
        return ""
    more = f" and {len(names) - NUM_NAMED} more" if len(names) > NUM_NAMED else ""
    return f"{len(names)} {what}: {', '.join(map(visible, names[:NUM_NAMED]))}{more}"
