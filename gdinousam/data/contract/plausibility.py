"""Boxes and masks that obey the contract and yet cannot be meant: other conventions of boxes, inverted masks.

Each would train or be scored without a word. A box is held against the mask of its row, and the boxes of a whole file
against what other programs write: fractions, corners, centres, swapped axes, another image size.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from gdinousam.data.contract import reading as contract
from gdinousam.data.contract.box_readings import (
    CORNERS,
    MIN_BOXES,
    READINGS,
    SMALLER_COPY,
    Size,
    other_reading,
    scaled,
)
from gdinousam.data.contract.check_rows import CheckedRow, grouped
from gdinousam.data.contract.outlines import is_outline
from gdinousam.data.contract.problems import Problem
from gdinousam.data.masks import tight_box_xywh
from gdinousam.identity import identity
from gdinousam.records import BoxXYWH, Mask

MIN_IOU = 0.2  # of a box with the box round its mask; one with a margin of 60 % of the object all round has 0.21
MIN_INSIDE = 1 / 3  # share of the pixels of an object that lie in its box
LOOSE_IOU = 0.75  # most boxes of a file below this: another reading of them is tried
EXPLAINED_IOU = 0.75  # median that another reading must reach to be named where most boxes cannot be meant as they are
CERTAIN_IOU = 0.9  # and where they could be meant, as loose boxes; no other reading makes those tight
NUM_NAMED = 5  # rows that the cause of a whole file names

ALLOW_ODD = "Accept boxes and masks that follow the format but look wrong to the checker (docs/data.md)."

Cause = tuple[str, Sequence[CheckedRow]]  # what explains a whole file, and the rows that it concerns


@dataclass(frozen=True)
class Fit:
    """The rows that share one object mask, and how their boxes lie to it.

    size: of the image. around, around_inverse: the box round the mask, and round what is not mask, ``None`` where all
    is. iou: of the box round all boxes of the rows with the one round the parts of the mask that meet it.
    inside: share of those parts' pixels in the box; both 0 where none meets it. is_outline: see ``outlines``.
    is_doubtful: what is foreground of the mask may be meant otherwise, see ``foreground``.
    """

    rows: tuple[CheckedRow, ...]
    size: Size
    around: BoxXYWH
    around_inverse: BoxXYWH | None
    iou: float
    inside: float
    is_outline: bool = False
    is_doubtful: bool = False


def fit_of(rows: Sequence[CheckedRow], mask_hw: Mask, is_doubtful: bool) -> Fit | None:
    """Hold the boxes of rows against their mask, (H, W) bool; ``None`` without a box or a pixel."""
    boxes = [box for row in rows if (box := row.box_xywh()) is not None]
    if not boxes or not mask_hw.any():
        return None
    # a box that meets no pixel is a problem of its own row, not of those that share the mask
    hull = _hull([box for box in boxes if mask_hw[_window(box)].any()] or boxes)
    met = _parts_that_meet(mask_hw, hull)
    size = (mask_hw.shape[1], mask_hw.shape[0])
    around_inverse = None if mask_hw.all() else tight_box_xywh(~mask_hw)
    if not met.any():
        return Fit(tuple(rows), size, tight_box_xywh(mask_hw), around_inverse, 0.0, 0.0, False, is_doubtful)
    rows_slice, columns = _window(hull)
    inside = float(met[rows_slice, columns].sum() / met.sum())
    iou = _iou(hull, tight_box_xywh(met))
    return Fit(tuple(rows), size, tight_box_xywh(mask_hw), around_inverse, iou, inside, is_outline(met), is_doubtful)


def implausible(rows: Sequence[CheckedRow], fits: Sequence[Fit]) -> Iterator[Problem]:
    """What cannot be meant: first the likely cause where it is one for the whole file, then the rows.

    rows: all of the file. fits: of the rows with masks; may be empty.
    """
    with_box = [row for row in rows if row.box_xywh() is not None]
    cause = _cause(with_box, fits) or _cause_in_a_dataset(with_box, fits)
    if cause is not None:
        what, guilty = cause
        named = ", ".join(str(row.number) for row in guilty[:NUM_NAMED])
        more = f" and {len(guilty) - NUM_NAMED} more" if len(guilty) > NUM_NAMED else ""
        column = contract.MASK_NAME if what == _INVERTED else contract.BOX_COLUMNS[2]
        yield Problem(with_box[0].file, None, column, what, f"{_EXPECTED[what]} (rows {named}{more})")
    for row in with_box:
        if _is_fraction(row.box_xywh()):
            yield row.problem(contract.BOX_COLUMNS[2], "a box in pixels; this one is no larger than one pixel")
    for fit in fits:
        if not _is_plausible(fit) and fit.inside > 0:  # without a common pixel the row has its problem already
            yield fit.rows[0].problem(contract.MASK_NAME, _row_text(fit))
        elif fit.is_outline:
            expected = "a filled object; this one is a drawn outline (check_data.py --fill-outlines fills it)"
            yield fit.rows[0].problem(contract.MASK_NAME, expected)
        if fit.is_doubtful:
            expected = "two values, or a label named by NAME#VALUE; the grey values of this mask may be labels or soft"
            yield fit.rows[0].problem(contract.MASK_NAME, expected)


_FRACTIONS, _INVERTED, _SCALE = "fractions of the image", "inverted masks", "boxes of another image size"
_EXPECTED = {
    **{reading: f"x, y, width, height in pixels; the boxes look like {reading}" for reading in READINGS},
    _FRACTIONS: "x, y, width, height in pixels; the boxes look like fractions of the image",
    _INVERTED: "the object white on black; the masks fit their boxes once they are inverted",
    _SCALE: "boxes in pixels of the stored image; times one factor they fit their masks",
    SMALLER_COPY: "boxes in pixels of the stored image; all of them lie in its upper left quarter",
}


def _cause(with_box: Sequence[CheckedRow], fits: Sequence[Fit]) -> Cause | None:
    boxes = [(row, box, (row.width, row.height)) for row in with_box if (box := row.box_xywh()) is not None]
    if boxes and all(_is_fraction(box) for _, box, _ in boxes):
        return _FRACTIONS, with_box
    if fits and (cause := _cause_by_masks(fits)):
        return cause
    sized = [(row, box, (width, height)) for row, box, (width, height) in boxes if width and height]
    read = other_reading([(box, size) for _, box, size in sized], by_place=not fits)
    return None if read is None else (read[0], [sized[index][0] for index in read[1]])


def _cause_in_a_dataset(with_box: Sequence[CheckedRow], fits: Sequence[Fit]) -> Cause | None:
    """As ``_cause``, of the first dataset of the file that has one: a file may join what several programs wrote."""
    of_dataset = grouped(with_box, lambda row: identity(row.cells[contract.DATASET]))
    for rows in of_dataset if len(of_dataset) > 1 else ():
        name = identity(rows[0].cells[contract.DATASET])
        own = [fit for fit in fits if identity(fit.rows[0].cells[contract.DATASET]) == name]
        if len(rows) >= MIN_BOXES and (cause := _cause(rows, own)):
            return cause
    return None


def _cause_by_masks(fits: Sequence[Fit]) -> Cause | None:
    """The reading of the boxes or masks that makes them fit, where as they stand they fit badly."""
    loose = [fit for fit in fits if fit.iou < LOOSE_IOU]
    wrong = [fit for fit in loose if not _is_plausible(fit)]
    if 2 * len(loose) > len(fits):
        name, iou = _best_reading(fits)
        if iou >= (EXPLAINED_IOU if 2 * len(wrong) > len(fits) else CERTAIN_IOU):
            return name, [row for fit in loose for row in fit.rows]
    inverted = [fit for fit in fits if _looks_inverted(fit)]
    if 2 * len(inverted) > len(fits):
        return _INVERTED, [row for fit in inverted for row in fit.rows]
    return None


def _best_reading(fits: Sequence[Fit]) -> tuple[str, float]:
    """The reading under which boxes and masks fit best, and the median of their IoU then."""
    known = [(_boxes_of(fit), fit) for fit in fits]
    scores = {
        name: [_iou(_hull([reading(box, fit.size) for box in boxes]), fit.around) for boxes, fit in known]
        for name, reading in READINGS.items()
    }
    scores[CORNERS] = [_corner_iou(_hull(boxes), fit) for boxes, fit in known]
    scores[_INVERTED] = [_iou(_hull(boxes), fit.around_inverse) for boxes, fit in known]
    factor = statistics.median(_width_ratio(boxes, fit) for boxes, fit in known)
    scores[_SCALE] = [_iou(_hull([scaled(box, factor, factor) for box in boxes]), fit.around) for boxes, fit in known]
    medians = {name: statistics.median(of_file) for name, of_file in scores.items()}
    best = max(medians, key=lambda name: medians[name])
    return best, medians[best]


def _corner_iou(box: BoxXYWH, fit: Fit) -> float:
    """As corners; one taken for a size that was then cut at the image's edge may stand for any further one."""
    x0, y0, x1, y1 = box
    if x0 + x1 >= fit.size[0]:
        x1 = max(x1, fit.around[0] + fit.around[2])
    if y0 + y1 >= fit.size[1]:
        y1 = max(y1, fit.around[1] + fit.around[3])
    return _iou((x0, y0, x1 - x0, y1 - y0), fit.around)


def _is_plausible(fit: Fit) -> bool:
    return fit.iou >= MIN_IOU and fit.inside >= MIN_INSIDE


def _looks_inverted(fit: Fit) -> bool:
    """Whether what is not mask fills the boxes, which the mask itself does not."""
    inverse = _iou(_hull(_boxes_of(fit)), fit.around_inverse)
    return inverse > CERTAIN_IOU and inverse > fit.iou + 0.02


def _row_text(fit: Fit) -> str:
    if fit.inside < MIN_INSIDE:
        return f"a mask inside its box; {100 * (1 - fit.inside):.0f} % of its pixels lie outside"
    return f"a box round its mask; they overlap by an IoU of {fit.iou:.2f}"


def _boxes_of(fit: Fit) -> list[BoxXYWH]:
    return [box for row in fit.rows if (box := row.box_xywh()) is not None]


def _is_fraction(box: BoxXYWH | None) -> bool:
    return box is not None and min(box) >= 0 and max(box) <= 1


def _hull(boxes: Sequence[BoxXYWH]) -> BoxXYWH:
    x0, y0 = min(box[0] for box in boxes), min(box[1] for box in boxes)
    return x0, y0, max(box[0] + box[2] for box in boxes) - x0, max(box[1] + box[3] for box in boxes) - y0


def _width_ratio(boxes: Sequence[BoxXYWH], fit: Fit) -> float:
    return fit.around[2] / _hull(boxes)[2]


def _iou(box: BoxXYWH, other: BoxXYWH | None) -> float:
    """Intersection over union; 0 where either has no area."""
    if other is None or min(*box[2:], *other[2:]) <= 0:
        return 0.0
    width = min(box[0] + box[2], other[0] + other[2]) - max(box[0], other[0])
    height = min(box[1] + box[3], other[1] + other[3]) - max(box[1], other[1])
    common = max(width, 0.0) * max(height, 0.0)
    return common / (box[2] * box[3] + other[2] * other[3] - common)


def _window(box: BoxXYWH) -> tuple[slice, slice]:
    x, y, width, height = box
    rows = slice(max(int(np.floor(y)), 0), max(int(np.ceil(y + height)), 0))
    return rows, slice(max(int(np.floor(x)), 0), max(int(np.ceil(x + width)), 0))


def _parts_that_meet(mask_hw: Mask, box: BoxXYWH) -> Mask:
    """The 8-connected parts of a mask with a pixel in the box: a mask may hold objects that no row names."""
    _, labels = cv2.connectedComponents(mask_hw.astype(np.uint8), connectivity=8)
    met = np.unique(labels[_window(box)])
    return np.asarray(np.isin(labels, met[met > 0]))
