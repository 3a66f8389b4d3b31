"""Masks of another size than their image: bringing pixels, boxes and whole cases to one size, by the nearest pixel."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.cases import Case
from gdinousam.methods.saved_masks.answers import SizeHW
from gdinousam.records import BoxXYXY, Instance

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
