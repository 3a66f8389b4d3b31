"""Shapes that people draw, in COCO's forms: a box, rings of corners, or run lengths.

Coordinates are pixels of the image, x before y, (0, 0) being the outer corner of the top-left pixel. Nothing is cut
to the image here: the COCO reader does that, and refuses corners far outside.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gdinousam.data.sources.coco.reading import CocoAnnotation
from gdinousam.data.sources.coco.segmentation import decode_segmentation, encode_rle
from gdinousam.records import BoxXYWH, Mask

Point = tuple[float, float]
Ring = list[float]  # x, y, x, y, …

MIN_CORNERS = 16  # of the polygon that stands for an ellipse


@dataclass(frozen=True)
class Shape:
    """One drawn shape. name: for messages. segmentation: as of ``CocoAnnotation``; with neither box nor segmentation
    it is a point or line, which the import counts and leaves out. group: shapes of one label and one group are parts
    of one object; ``None``: an object of its own."""

    name: str
    label: str
    box_xywh: BoxXYWH | None = None
    segmentation: object = None
    group: str | None = None


def annotations_of(shapes: Sequence[Shape], size_hw: tuple[int, int] | None) -> tuple[CocoAnnotation, ...]:
    """The objects that shapes make up, in the order of their first shapes; none without shapes.

    size_hw: (height, width) of the image; needed where an object has several parts and one is a mask. Raises
    ``ValueError`` for a mask that cannot be decoded.
    """
    parts_of: dict[object, list[Shape]] = {}
    for position, shape in enumerate(shapes):
        key = position if shape.group is None else (shape.label, shape.group)
        parts_of.setdefault(key, []).append(shape)
    return tuple(_annotation(parts, size_hw) for parts in parts_of.values())


def _annotation(parts: Sequence[Shape], size_hw: tuple[int, int] | None) -> CocoAnnotation:
    first = parts[0]
    if len(parts) == 1:
        return CocoAnnotation(first.name, first.label, first.box_xywh, first.segmentation)
    segmentations = [part.segmentation for part in parts if part.segmentation is not None]
    if segmentations:
        return CocoAnnotation(first.name, first.label, None, _union(segmentations, size_hw))
    boxes = [part.box_xywh for part in parts if part.box_xywh is not None]
    if not boxes:
        return CocoAnnotation(first.name, first.label, None, None)
    x0, y0 = min(box[0] for box in boxes), min(box[1] for box in boxes)
    x1, y1 = max(box[0] + box[2] for box in boxes), max(box[1] + box[3] for box in boxes)
    return CocoAnnotation(first.name, first.label, (x0, y0, x1 - x0, y1 - y0), None)


def _union(segmentations: Sequence[object], size_hw: tuple[int, int] | None) -> object:
    if all(isinstance(segmentation, list) for segmentation in segmentations):
        return [ring for segmentation in segmentations for ring in segmentation]  # type: ignore[attr-defined]
    if size_hw is None:
        raise ValueError("parts of one object are masks, and the size of the image is not told")
    masks = [decode_segmentation(segmentation, size_hw) for segmentation in segmentations]
    return encode_rle(np.any([mask for mask in masks if mask is not None], axis=0))


def polygon(points: Sequence[Sequence[float]]) -> list[Ring]:
    """One ring of corners. points: (x, y) each; ``ValueError`` for anything but pairs of finite numbers."""
    ring: Ring = []
    for point in points:
        x, y = _numbers(point, 2)
        ring += [x, y]
    return [ring]


def box_between(corner: Sequence[float], other: Sequence[float]) -> BoxXYWH:
    """The box of two opposite corners, whichever they are; ``ValueError`` for anything but pairs of finite numbers."""
    (x0, y0), (x1, y1) = _numbers(corner, 2), _numbers(other, 2)
    return min(x0, x1), min(y0, y1), abs(x1 - x0), abs(y1 - y0)


def ellipse(center_xy: Sequence[float], radii_xy: Sequence[float], degrees: float = 0.0) -> list[Ring]:
    """An ellipse as a ring with a corner per pixel of its outline.

    radii_xy: along x and y, before it is turned clockwise (on the screen) by ``degrees`` about its centre.
    """
    (x, y), (radius_x, radius_y) = _numbers(center_xy, 2), _numbers(radii_xy, 2)
    num_corners = max(MIN_CORNERS, math.ceil(2 * math.pi * max(abs(radius_x), abs(radius_y))))
    angles = np.linspace(0, 2 * math.pi, min(num_corners, 100_000), endpoint=False)
    points = np.stack([x + radius_x * np.cos(angles), y + radius_y * np.sin(angles)], axis=1)
    return turned([(float(px), float(py)) for px, py in points], (x, y), degrees)


def turned(points: Sequence[Point], about: Point, degrees: float) -> list[Ring]:
    """A ring turned clockwise (on the screen, where y points down) by an angle about a point."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    ring: Ring = []
    for x, y in points:
        dx, dy = x - about[0], y - about[1]
        ring += [about[0] + dx * cos - dy * sin, about[1] + dx * sin + dy * cos]
    return [ring]


def rectangle(box_xywh: Sequence[float], degrees: float, about: Point) -> tuple[BoxXYWH | None, list[Ring] | None]:
    """A box, or, where it is turned about a point, no box and the ring of its corners."""
    x, y, width, height = _numbers(box_xywh, 4)
    if degrees % 360 == 0:
        return (x, y, width, height), None
    return None, turned([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], about, degrees)


def placed_mask(part_hw: Mask, left: int, top: int, size_hw: tuple[int, int]) -> object:
    """Run lengths of a mask that covers a part of the image.

    part_hw: (h, w) bool. left, top: column and row of its first pixel. What lies outside the image is cut off.
    """
    whole = np.zeros(size_hw, dtype=bool)
    height, width = part_hw.shape
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + height, size_hw[0]), min(left + width, size_hw[1])
    if y0 < y1 and x0 < x1:
        whole[y0:y1, x0:x1] = part_hw[y0 - top : y1 - top, x0 - left : x1 - left]
    return encode_rle(whole)


def _numbers(values: Sequence[object], count: int) -> tuple[float, ...]:
    """``ValueError`` for anything but so many finite numbers, or texts of such."""
    try:
        numbers = tuple(float(value) for value in values)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        numbers = ()
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise ValueError(f"{values!r} is not {count} numbers")
    return numbers
