"""Masks in COCO's forms: run lengths as text or numbers, and polygons.

Run lengths go down the columns, background first. Polygon corners are in pixels, (0, 0) being the outer corner of the
top-left pixel.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask
from scipy.ndimage import binary_fill_holes
from skimage.measure import find_contours

from gdinousam.data.sources.coco.reading import DAMAGED, box_of, id_of, is_finite
from gdinousam.errors import InputError
from gdinousam.reading import read_json
from gdinousam.records import BoxXYWH, Mask

Rle = dict[str, Any]  # size: [height, width]; counts: text
Polygons = list[list[float]]  # rings of x, y, x, y, …

MIN_RING_NUMBERS = 6  # three corners; fewer enclose no pixel
CUT_OFF = "its run lengths are cut off or damaged"


def decode_segmentation(segmentation: object, size_hw: tuple[int, int]) -> Mask | None:
    """The mask of an annotation's ``segmentation``.

    segmentation: run lengths, ``{"size": [height, width], "counts": text, bytes or numbers}``, or a list of polygons,
    whose union counts, as everywhere in COCO; a single polygon may stand without its list. size_hw: (height, width) of
    the image. Returns (H, W) bool, which may be empty, or ``None`` where there is none (``null``, an empty list or
    object). Raises ``ValueError`` saying what is wrong with it.
    """
    if segmentation is None or segmentation in ([], {}):
        return None
    if isinstance(segmentation, Mapping):
        return _decode_rle(segmentation, size_hw)
    if isinstance(segmentation, list) and all(isinstance(number, int | float) for number in segmentation):
        segmentation = [segmentation]  # one polygon without the list round it, as VIA and MyVision write it
    if isinstance(segmentation, list) and all(isinstance(ring, list) for ring in segmentation):
        return _fill_polygons(segmentation, size_hw)
    raise ValueError("its segmentation is neither run lengths nor a list of polygons")


def stored_size(segmentation: object) -> tuple[int, int] | None:
    """(height, width) that run lengths are of; ``None`` for polygons, which have no size, and for what is damaged."""
    size = segmentation.get("size") if isinstance(segmentation, Mapping) else None
    if not isinstance(size, list) or len(size) != 2 or not all(type(side) is int and side > 0 for side in size):
        return None
    return size[0], size[1]


def encode_rle(mask_hw: Mask) -> Rle:
    """Run lengths of an (H, W) bool mask, which may be empty, as compressed text."""
    rle = coco_mask.encode(np.asfortranarray(mask_hw, dtype=np.uint8))
    return {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode("ascii")}


def outline_polygons(mask_hw: Mask) -> Polygons:
    """The outer outlines of an (H, W) bool mask, one ring per 8-connected part; no rings of an empty mask.

    pycocotools fills them to exactly the same pixels, except that holes, which polygons cannot express, are filled.
    """
    padded = np.pad(binary_fill_holes(mask_hw), 1).astype(np.float64)
    # The outline passes half-way between an inner and an outer pixel centre; -1 for the padding, +0.5 because COCO
    # counts from the corner of a pixel. Rings through pixel centres would lose half a pixel all round.
    outlines = [outline[:-1, ::-1] - 0.5 for outline in find_contours(padded, 0.5, fully_connected="high")]
    return [_without_straight_points(outline).ravel().tolist() for outline in outlines]


def has_holes(mask_hw: Mask) -> bool:
    """Whether background of an (H, W) bool mask is enclosed, so that polygons would fill it."""
    return bool((binary_fill_holes(mask_hw) & ~mask_hw).any())


def _without_straight_points(ring_xy: np.ndarray) -> np.ndarray:
    """(N, 2) corners of a ring without those on a straight line between their neighbours."""
    before, after = ring_xy - np.roll(ring_xy, 1, axis=0), np.roll(ring_xy, -1, axis=0) - ring_xy
    return ring_xy[before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]]


def _decode_rle(rle: Mapping[str, object], size_hw: tuple[int, int]) -> Mask:
    """Our own decoder: pycocotools 2.0.11 hands out uninitialised memory where run lengths are cut off."""
    height, width = size_hw
    if rle.get("size") != [height, width]:
        raise ValueError(f"its mask has size {rle.get('size')}, the image [{height}, {width}] (height, width)")
    counts = rle.get("counts")
    if isinstance(counts, list):
        if not all(isinstance(run, int) and not isinstance(run, bool) for run in counts):
            raise ValueError("its run lengths are not whole numbers")
        runs = counts
    elif isinstance(counts, str | bytes):
        runs = _unpack(_as_bytes(counts))
    else:
        raise ValueError("its run lengths (counts) are missing")
    if any(run < 0 for run in runs) or sum(runs) != height * width:
        raise ValueError(CUT_OFF)
    inside = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return np.ascontiguousarray(inside.reshape(width, height).T)


def _as_bytes(counts: str | bytes) -> bytes:
    if isinstance(counts, str) and counts.startswith(("b'", 'b"')):
        # Python's bytes turned to text with str(); no run length starts with b and a quotation mark
        try:
            counts = ast.literal_eval(counts)
        except (ValueError, SyntaxError) as error:
            raise ValueError(CUT_OFF) from error
    return counts.encode("utf-8") if isinstance(counts, str) else counts


def _unpack(counts: bytes) -> list[int]:
    """The numbers of a compressed text: groups of 5 bits, low ones first, each run but the first three as the
    difference to the last but one."""
    runs: list[int] = []
    number = shift = 0
    for byte in counts:
        code = byte - ord("0")
        if not 0 <= code < 64:
            raise ValueError(CUT_OFF)
        number |= (code & 0x1F) << shift
        shift += 5
        if code & 0x20:  # more groups follow
            continue
        if code & 0x10:  # the sign
            number -= 1 << shift
        runs.append(number + (runs[-2] if len(runs) > 2 else 0))
        number = shift = 0
    if shift:
        raise ValueError(CUT_OFF)
    return runs


def _fill_polygons(rings: Sequence[Sequence[object]], size_hw: tuple[int, int]) -> Mask:
    height, width = size_hw
    for ring in rings:
        _check_ring(ring, size_hw)
    areas = [ring for ring in rings if len(ring) >= MIN_RING_NUMBERS]
    if not areas:
        return np.zeros(size_hw, dtype=bool)
    return _decode_rle(coco_mask.merge(coco_mask.frPyObjects(areas, height, width)), size_hw)


def _check_ring(ring: Sequence[object], size_hw: tuple[int, int]) -> None:
    for number in ring:
        if isinstance(number, bool) or not isinstance(number, int | float) or not abs(number) < math.inf:
            raise ValueError(f"a corner of its polygon is {number!r}, not a number")
    if len(ring) % 2:
        raise ValueError(f"its polygon has {len(ring)} numbers, not pairs of x and y")
    for position, number in enumerate(ring):
        side = size_hw[1 - position % 2]
        # pycocotools needs memory for every pixel that a line passes, also outside the image
        if not -side <= number <= 2 * side:  # type: ignore[operator]
            raise ValueError(f"a corner of its polygon lies at {number}, far outside the image; corners are in pixels")


@dataclass(frozen=True)
class CocoResult:
    """One detection. label: ``entry no. N``, for messages. image, category: ids. box_xywh: as given, in pixels, or
    ``None``. score: finite. segmentation: as given, not decoded yet, ``None`` where there is none."""

    label: str
    image: str
    category: str
    box_xywh: BoxXYWH | None
    score: float
    segmentation: object


def read_results(path: Path) -> tuple[CocoResult, ...]:
    """Read a results file, in its order; an empty list gives none.

    Raises ``InputError`` for a file that is missing, no JSON or no such list, and for an entry without ids or score or
    with a box of a negative side.
    """
    content = read_json(path, DAMAGED, "give the COCO results file of a method")
    if not isinstance(content, list) or not all(isinstance(entry, Mapping) for entry in content):
        raise InputError(
            f"{path}: no COCO results; they are a list of objects with image_id, category_id, segmentation, score"
        )
    try:
        return tuple(_result(entry, f"entry no. {number}") for number, entry in enumerate(content, start=1))
    except ValueError as error:
        raise InputError(f"{path}: {error}; fix the file or write it again") from error


def _result(entry: Mapping[str, object], label: str) -> CocoResult:
    box_xywh, score = box_of(entry, label), entry.get("score")
    if box_xywh is not None and min(box_xywh[2:]) < 0:
        raise ValueError(f"{label}: its bbox {list(box_xywh)} (x, y, width, height) has a negative side")
    if not is_finite(score):
        raise ValueError(f"{label} has score {score!r}, expected a number")
    image, category = id_of(entry, "image_id", label), id_of(entry, "category_id", label)
    return CocoResult(label, image, category, box_xywh, float(score), entry.get("segmentation"))  # type: ignore[arg-type]
