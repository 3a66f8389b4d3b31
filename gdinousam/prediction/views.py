"""The parts of a screen that show tissue, segmented one by one: what a scanner draws round them is not looked at.

A DICOM file may tell its regions: two-dimensional images, traces of motion and flow over time, scales. Each
two-dimensional one is a view. Two images side by side are two views, a box of colour flow within an image is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np
from pydantic import Field

from gdinousam.data.sources.medical.frames import Region
from gdinousam.errors import InputError
from gdinousam.inputs import as_phrases
from gdinousam.records import BoxXYXY, Detection, Image, Mask, PhraseSegmenter
from gdinousam.settings import Settings

SAME_VIEW = 0.5  # of the smaller region that lies within the other: together they are one view
COLOURED = 40  # of 255, between the channels of a pixel; the noise of JPEG is less
WORTH_A_NOTE = 0.005  # of the pixels
MOSTLY = 0.5  # of the pixels; colour Doppler covers less of the screen
PHOTO = "is a picture in colour; the models know ultrasound, which is grey for the most part"


class ViewSettings(Settings):
    """What of a picture is shown to the model."""

    by_regions: bool = Field(
        default=True,
        description="segment each two-dimensional region that a DICOM file tells on its own crop; false: the whole "
        "picture at once",
    )
    colour: Literal["grey", "keep"] = Field(
        default="grey",
        description="what becomes of coloured pixels, such as those of colour Doppler: grey shows the model their "
        "brightness, keep their colour; results are drawn over the colours in either case",
    )


@dataclass(frozen=True)
class Views:
    """boxes: (x0, y0, x1, y1) in whole pixels, left to right, then downwards; may be empty. notes: a sentence each."""

    boxes: tuple[BoxXYXY, ...]
    notes: tuple[str, ...]


def views_of(regions: Sequence[Region], width: int, height: int) -> Views:
    """The views of a picture: its two-dimensional regions, or the whole picture where the file does not tell them.

    No view where all regions are of another kind, such as a trace of motion over time.
    """
    whole = ((0, 0, width, height),)
    kinds = {region.kind for region in regions}
    if not regions:
        return Views(whole, ("the file tells no ultrasound regions: the whole picture is segmented",))
    if "2d" not in kinds and "unknown" in kinds:
        return Views(whole, ("the file does not tell what its regions show: the whole picture is segmented",))
    if "2d" not in kinds:
        return Views((), (f"nothing is segmented: the file tells only {' and '.join(sorted(kinds))} regions",))
    boxes: list[BoxXYXY] = []
    for region in regions:
        if region.kind == "2d":
            boxes = _with_box(boxes, region.box_xyxy)
    notes = []
    if len(boxes) > 1:
        notes.append(f"{len(boxes)} views, segmented one by one")
        if len({region.spacing_mm for region in regions if region.kind == "2d"}) > 1:
            notes.append("the views have different scales: lengths are in pixels")
    if traces := sorted(kinds - {"2d", "graphics", "unknown"}):
        notes.append(f"not segmented: {' and '.join(traces)} region")
    return Views(tuple(sorted(boxes)), tuple(notes))


def whole_view(image: Image) -> BoxXYXY:
    """The whole picture as its only view."""
    return 0, 0, image.shape[1], image.shape[0]


def _with_box(boxes: Sequence[BoxXYXY], box: BoxXYXY) -> list[BoxXYXY]:
    """The boxes and one more; those that lie within each other for the most part become one round both."""
    for place, other in enumerate(boxes):
        x0, y0, x1, y1 = max(box[0], other[0]), max(box[1], other[1]), min(box[2], other[2]), min(box[3], other[3])
        shared = max(0.0, x1 - x0) * max(0.0, y1 - y0)
        if shared >= SAME_VIEW * min(_area(box), _area(other)):
            hull = min(box[0], other[0]), min(box[1], other[1]), max(box[2], other[2]), max(box[3], other[3])
            return _with_box([*boxes[:place], *boxes[place + 1 :]], hull)
    return [*boxes, box]


def _area(box: BoxXYXY) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def segment_views(
    segmenter: PhraseSegmenter,
    images: Sequence[Image],
    views: Sequence[Sequence[BoxXYXY]],
    phrases: Sequence[Sequence[str]],
    settings: ViewSettings | None = None,
) -> list[list[Detection]]:
    """Segment the views of each picture on their own, and put the answers back into the whole picture.

    images, phrases: as for ``PhraseSegmenter.segment``. views: for each image its parts as of ``Picture.views``; an
    image without any gets no detection. Returns what ``segment`` returns, boxes and masks in the coordinates of the
    whole image, one phrase's answers of all views by falling score. A limit on their number holds for each view.
    """
    settings = settings or ViewSettings()
    if len(views) != len(images):
        raise InputError(f"{len(images)} images but views of {len(views)}; give the views of every image")
    rows = as_phrases(phrases, len(images))
    places: list[tuple[int, BoxXYXY]] = []
    crops: list[Image] = []
    for number, image in enumerate(images):
        whole = whole_view(image)
        shown = without_colour(image) if settings.colour == "grey" else image
        for box in views[number] if settings.by_regions else (whole,):
            places.append((number, box))
            crops.append(crop(shown, box))
    answers = segmenter.segment(crops, [rows[number] for number, _ in places]) if crops else []
    found: list[list[Detection]] = [[] for _ in images]
    for (number, box), answer in zip(places, answers, strict=True):
        size_hw = images[number].shape[0], images[number].shape[1]
        found[number] += [put_back(one, box, size_hw) for one in answer]
    return [_in_order(of_image, asked) for of_image, asked in zip(found, rows, strict=True)]


def crop(image: Image, view: BoxXYXY) -> Image:
    """The part of an image (H, W, 3) that a view is, (x0, y0, x1, y1), its rows one behind the other in memory."""
    x0, y0, x1, y1 = map(int, view)
    return np.ascontiguousarray(image[y0:y1, x0:x1])


def put_back(detection: Detection, view: BoxXYXY, size_hw: tuple[int, int]) -> Detection:
    """A detection of the crop that a view is, (x0, y0, x1, y1), in the coordinates of the whole image of (H, W)."""
    x0, y0, x1, y1 = map(int, view)
    if (x0, y0, x1, y1) == (0, 0, size_hw[1], size_hw[0]):
        return detection
    left, top, right, bottom = detection.box_xyxy
    mask_hw: Mask | None = None
    if detection.mask_hw is not None:
        mask_hw = np.zeros(size_hw, dtype=bool)
        mask_hw[y0:y1, x0:x1] = detection.mask_hw
    return replace(detection, box_xyxy=(left + x0, top + y0, right + x0, bottom + y0), mask_hw=mask_hw)


def _in_order(detections: Sequence[Detection], phrases: Sequence[str]) -> list[Detection]:
    place = {phrase: number for number, phrase in enumerate(phrases)}
    return sorted(detections, key=lambda one: (place[one.phrase], -one.score))


def is_coloured(image: Image) -> Mask:
    """(H, W) bool: the pixels whose channels differ clearly. image: (H, W, 3) uint8 RGB."""
    return np.asarray(np.ptp(image, axis=2) > COLOURED)


def without_colour(image: Image) -> Image:
    """The picture with the brightness of its coloured pixels in place of their colour (ITU-R BT.601); others stay."""
    coloured = is_coloured(image)
    if not coloured.any():
        return image
    grey = np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)
    return np.where(coloured[:, :, None], grey, image)


def colour_notes(image: Image, settings: ViewSettings | None = None) -> tuple[str, ...]:
    """A sentence on the coloured pixels of a picture, ``PHOTO`` where most are; none where hardly any is coloured."""
    share = float(is_coloured(image).mean())
    if share < WORTH_A_NOTE:
        return ()
    if share > MOSTLY:
        return (PHOTO,)
    shown = "as grey" if (settings or ViewSettings()).colour == "grey" else "in colour"
    return (f"colour Doppler or another colour: {share:.0%} of the pixels are coloured, shown to the model {shown}",)
