"""The annotations of one COCO image as objects of the contract: a phrase, a box, and a mask where there is one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gdinousam.data.contract.check_rows import BOX_SLACK
from gdinousam.data.masks import tight_box_xywh
from gdinousam.data.sources.coco.reading import CocoAnnotation, CocoImage
from gdinousam.data.sources.coco.segmentation import decode_segmentation
from gdinousam.errors import InputError
from gdinousam.records import BoxXYWH, Mask

# what was changed
BOX_CUT = "boxes cut to the image"
BOX_FROM_MASK = "boxes taken from the mask, where none with an area was given"
MASK_EMPTY = "masks without a pixel, of which the box was kept"
CROWD = "crowd regions, taken as one object each"
CHANGES = (BOX_CUT, BOX_FROM_MASK, MASK_EMPTY, CROWD)
# what was left out
NO_AREA = "annotations with neither a pixel nor a box with an area"
REPEATED = "annotations that repeat another"


@dataclass(frozen=True, eq=False)
class CocoInstance:
    """One object. box_xywh: inside the image, in pixels. mask_hw: (H, W) bool, not empty, or ``None``."""

    phrase: str
    box_xywh: BoxXYWH
    mask_hw: Mask | None


def read_instances(
    image: CocoImage, size_hw: tuple[int, int], phrase_of: Mapping[str, str]
) -> tuple[list[CocoInstance], Counter[str]]:
    """Decode the annotations of an image, in order.

    size_hw: (height, width) of the image file. phrase_of: the phrase of each category. A box is the given one; it is
    cut where it leaves the image, and taken from the mask where it is missing or has no area. Returns the objects,
    none without annotations, and how often each of the remarks above applies. Raises ``InputError`` naming image and
    annotation for a segmentation that cannot be decoded.
    """
    found: list[CocoInstance] = []
    remarks: Counter[str] = Counter()
    seen: set[tuple[object, ...]] = set()
    for annotation in image.annotations:
        mask_hw = _mask(annotation, image, size_hw)
        box_xywh = _box(annotation, mask_hw, size_hw, remarks)
        if box_xywh is None:
            remarks[NO_AREA] += 1
            continue
        if mask_hw is not None and not mask_hw.any():
            remarks[MASK_EMPTY] += 1
            mask_hw = None
        phrase = phrase_of[annotation.category]
        identity = (phrase, box_xywh, None if mask_hw is None else np.packbits(mask_hw).tobytes())
        if identity in seen:
            remarks[REPEATED] += 1
            continue
        seen.add(identity)
        remarks[CROWD] += annotation.is_crowd
        found.append(CocoInstance(phrase, box_xywh, mask_hw))
    return found, remarks


def _mask(annotation: CocoAnnotation, image: CocoImage, size_hw: tuple[int, int]) -> Mask | None:
    try:
        return decode_segmentation(annotation.segmentation, size_hw)
    except ValueError as error:
        raise InputError(f"{image.file_name}, {annotation.label}: {error}; mend it or export the file again") from error


def _box(
    annotation: CocoAnnotation, mask_hw: Mask | None, size_hw: tuple[int, int], remarks: Counter[str]
) -> BoxXYWH | None:
    if annotation.box_xywh is not None:
        box_xywh = _inside(annotation.box_xywh, size_hw)
        if min(box_xywh[2:]) > 0:
            remarks[BOX_CUT] += box_xywh != annotation.box_xywh
            return box_xywh
    if mask_hw is not None and mask_hw.any():
        remarks[BOX_FROM_MASK] += 1
        return tight_box_xywh(mask_hw)
    return None


def _inside(box_xywh: BoxXYWH, size_hw: tuple[int, int]) -> BoxXYWH:
    """The box as it is where it lies inside the image, else its part inside, whose sides may be 0 or less."""
    x, y, width, height = box_xywh
    rows, columns = size_hw
    if min(x, y) >= -BOX_SLACK and x + width <= columns + BOX_SLACK and y + height <= rows + BOX_SLACK:
        return box_xywh
    x0, y0, x1, y1 = max(x, 0.0), max(y, 0.0), min(x + width, columns), min(y + height, rows)
    return x0, y0, x1 - x0, y1 - y0
