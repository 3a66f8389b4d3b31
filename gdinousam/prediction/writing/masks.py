"""The masks of a picture or clip as the writers of medical formats take them: frame by frame, objects by number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gdinousam.records import Detection, Mask

Objects = Mapping[int, str]  # number from 1 -> phrase; an object keeps its number through all frames
FrameMasks = Mapping[int, Mask]  # of one frame: number -> (H, W) bool; an object that is not there may be left out


def objects_of(detections: Sequence[Detection]) -> tuple[Objects, FrameMasks]:
    """The detections of one picture as objects, numbered in their order; those without a mask are left out."""
    masks = {number: one.mask_hw for number, one in enumerate(detections, start=1) if one.mask_hw is not None}
    return {number: detections[number - 1].phrase for number in masks}, masks
