"""What was saved for an image, and what a place that keeps it must tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.cases import Case
from gdinousam.identity import visible
from gdinousam.records import BoxXYXY, ImageRecord, Instance, Mask

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


Number = TypeVar("Number", bound=np.generic)


def resize_nearest(pixels: npt.NDArray[Number], size_hw: SizeHW) -> npt.NDArray[Number]:
    """(H, W) or (H, W, C) pixels of any type at another size; each new pixel is the old one that its centre lies in."""
    old_hw = pixels.shape[:2]
    if old_hw == size_hw:
        return pixels
    rows, columns = ((2 * np.arange(new) + 1) * old // (2 * new) for old, new in zip(old_hw, size_hw, strict=True))
    return pixels[rows[:, None], columns[None, :]]


def scale_box(box_xyxy: BoxXYXY, old_hw: SizeHW, new_hw: SizeHW) -> BoxXYXY:
    """A box in pixels of a picture of the old size as one in pixels of the same picture at the new size."""
    down, across = (new / old for old, new in zip(old_hw, new_hw, strict=True))
    x0, y0, x1, y1 = box_xyxy
    return x0 * across, y0 * down, x1 * across, y1 * down


def case_of_size(case: Case, size_hw: SizeHW) -> Case:
    """A case with image, truth and the boxes of the truth at another size; itself where it has that size.

    Raises InputError where an object of the truth has no pixel left.
    """
    record = case.record
    old_hw = (record.height, record.width)
    if old_hw == size_hw:
        return case
    height, width = size_hw
    truth = {phrase: resize_nearest(mask_hw, size_hw) for phrase, mask_hw in case.truth.items()}
    for phrase, mask_hw in truth.items():
        if case.truth[phrase].any() and not mask_hw.any():
            raise InputError(
                f"{record.path}: {phrase!r} has no pixel left at the {width} x {height} of the prediction; resize the "
                "predictions instead, with saved_masks.resize=prediction"
            )
    instances = tuple(_resized(instance, old_hw, size_hw) for instance in record.instances)
    resized = replace(record, width=width, height=height, instances=instances)
    return Case(case.number, resized, resize_nearest(case.image, size_hw), truth)


def _resized(instance: Instance, old_hw: SizeHW, new_hw: SizeHW) -> Instance:
    x0, y0, x1, y1 = scale_box(instance.box_xyxy, old_hw, new_hw)
    return replace(instance, box_xywh=(x0, y0, x1 - x0, y1 - y0))
