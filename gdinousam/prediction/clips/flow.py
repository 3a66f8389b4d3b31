"""Carrying without a memory: optical flow moves the box, and the mask head draws the mask in it anew.

The box is moved by the flow, not put round the mask: a mask head that draws a little too small would otherwise shrink
its own box from frame to frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from gdinousam.records import BoxXYXY, Detection, Image, Mask

FLOW_SIDE = 256  # longer side in pixels at which motion is measured: enough for its smooth field, and fast
MOST_SCALING = 0.1  # by which a box may grow or shrink from one frame to the next
IN_VIEW = 0.25  # of a box that must lie within the image
FEWEST_PIXELS = 20  # of a mask whose change of size can be told from its motion
_MOST_POINTS = 2000  # of a mask that tell how its box moves

FloatMap = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Carried:
    """An object in the frame after the one where it was known.

    detection: box and mask there. agreement: in [0, 1], how well it fits to the frame before; what is below
    ``ClipSettings.lost_below`` is lost.
    """

    detection: Detection
    agreement: float


class Carrier(Protocol):
    """Carries objects, by their numbers, from each frame to the next."""

    def carry(self, image: Image) -> Mapping[int, Carried]:
        """Go on to the next frame, (H, W, 3) uint8 RGB, with every object. Must be called for every frame."""
        ...

    def anchor(self, number: int, detection: Detection) -> Detection:
        """Say where an object lies in the frame of the last ``carry``, a new one too; returns what is to be shown."""
        ...

    def drop(self, number: int) -> None:
        """Forget an object."""
        ...


class FlowCarrier:
    """A ``Carrier`` for any method.

    draw: gives the mask in each box of the present frame, or ``None``: then masks stay as the flow moves them.
    smoothing: weight in [0, 1) of the moved earlier mask. What is kept: the last frame at ``FLOW_SIDE`` and one mask
    for each object.
    """

    def __init__(self, draw: Callable[[Sequence[BoxXYXY]], list[Mask] | None], smoothing: float) -> None:
        self._draw = draw
        self._smoothing = smoothing
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self._last_grey: npt.NDArray[np.uint8] | None = None
        self._known: dict[int, tuple[Detection, FloatMap]] = {}  # with the smoothed mask, (H, W) in [0, 1]

    def carry(self, image: Image) -> dict[int, Carried]:
        """Move every box with the tissue in it, and draw its mask."""
        grey, last_grey = _small_grey(image), self._last_grey
        self._last_grey = grey
        if not self._known or last_grey is None:
            return {}
        height, width = image.shape[:2]
        flow_xy = self._flow.calc(grey, last_grey, np.zeros((*grey.shape, 2), np.float32))
        source_xy = sources(np.asarray(flow_xy, np.float32), (height, width))
        softs = {number: _moved(soft, source_xy) for number, (_, soft) in self._known.items()}
        boxes = {
            number: moved_box(detection.box_xyxy, softs[number] > 0.5, source_xy)
            for number, (detection, _) in self._known.items()
        }
        masks = self._masks(image, boxes, softs)
        carried = {}
        for number, (detection, _) in self._known.items():
            moved, drawn = softs[number] > 0.5, masks[number]
            detection, soft = self._smoothed(replace(detection, box_xyxy=boxes[number], mask_hw=drawn), softs[number])
            self._known[number] = detection, soft  # with all of its box, of which a part may lie beyond the border
            inside = clipped(boxes[number], width, height)
            is_in_view = share_in_view(boxes[number], width, height) >= IN_VIEW
            shown = replace(detection, box_xyxy=inside or boxes[number])
            carried[number] = Carried(shown, overlap(moved, drawn) if is_in_view else 0.0)
        return carried

    def anchor(self, number: int, detection: Detection) -> Detection:
        """Take over a detection, smoothed where the object was known."""
        earlier = self._known[number][1] if number in self._known else None
        shown, soft = self._smoothed(detection, earlier)
        self._known[number] = shown, soft
        return shown

    def drop(self, number: int) -> None:
        """Forget an object."""
        del self._known[number]

    def _masks(self, image: Image, boxes: Mapping[int, BoxXYXY], softs: Mapping[int, FloatMap]) -> dict[int, Mask]:
        inside = {number: clipped(box, image.shape[1], image.shape[0]) for number, box in boxes.items()}
        asked = {number: box for number, box in inside.items() if box is not None}
        drawn = self._draw(list(asked.values()))
        if drawn is None:
            return {number: soft > 0.5 for number, soft in softs.items()}
        masks = dict(zip(asked, drawn, strict=True))
        return {number: masks[number] if number in masks else np.zeros_like(softs[number], bool) for number in boxes}

    def _smoothed(self, detection: Detection, earlier: FloatMap | None) -> tuple[Detection, FloatMap]:
        assert detection.mask_hw is not None
        soft = detection.mask_hw.astype(np.float32)
        if earlier is None or not self._smoothing:
            return detection, soft
        soft = self._smoothing * earlier + (1.0 - self._smoothing) * soft
        return replace(detection, mask_hw=soft > 0.5), soft


def sources(flow_xy: FloatMap, size_hw: tuple[int, int]) -> FloatMap:
    """Where each pixel of a frame was in the frame before, as (H, W, 2) x, y in pixels of the frame.

    flow_xy: (h, w, 2), in pixels of a small frame, from this frame to the one before.
    """
    height, width = size_hw
    scale = np.array([width / flow_xy.shape[1], height / flow_xy.shape[0]], dtype=np.float32)
    full = cv2.resize(flow_xy, (width, height), interpolation=cv2.INTER_LINEAR) * scale
    full[..., 0] += np.arange(width, dtype=np.float32)
    full[..., 1] += np.arange(height, dtype=np.float32)[:, None]
    return np.asarray(full, dtype=np.float32)


def moved_box(box_xyxy: BoxXYXY, moved_mask: Mask, source_xy: FloatMap) -> BoxXYXY:
    """The box after the motion of the pixels of a mask: moved, and stretched along each axis.

    moved_mask: (H, W) in the new frame. source_xy: of ``sources``. An empty mask leaves the box where it is. The box
    may lie outside the image in part or altogether.
    """
    rows, columns = np.nonzero(moved_mask)
    if not len(rows):
        return box_xyxy
    step = max(1, len(rows) // _MOST_POINTS)
    rows, columns = rows[::step], columns[::step]
    before = source_xy[rows, columns]
    x0, x1 = _moved_ends(box_xyxy[0], box_xyxy[2], before[:, 0], columns)
    y0, y1 = _moved_ends(box_xyxy[1], box_xyxy[3], before[:, 1], rows)
    return x0, y0, x1, y1


def _moved_ends(low: float, high: float, before: FloatMap, after: npt.NDArray[np.intp]) -> tuple[float, float]:
    """Both ends of a side, moved by the line that fits positions after to positions before best."""
    scale = 1.0
    if len(after) >= FEWEST_PIXELS and np.ptp(before) > 1.0:
        scale = float(np.clip(np.polyfit(before, after, 1)[0], 1.0 - MOST_SCALING, 1.0 + MOST_SCALING))
    middle, to_middle = float(np.median(before)), float(np.median(after))
    return to_middle + scale * (low - middle), to_middle + scale * (high - middle)


def clipped(box_xyxy: BoxXYXY, width: int, height: int) -> BoxXYXY | None:
    """The part of a box within an image; ``None`` where there is none."""
    x0, y0, x1, y1 = box_xyxy
    x0, y0, x1, y1 = max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height))
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def share_in_view(box_xyxy: BoxXYXY, width: int, height: int) -> float:
    """The share of a box, in [0, 1], that lies within an image."""
    inside = clipped(box_xyxy, width, height)
    if inside is None:
        return 0.0
    return _area(inside) / _area(box_xyxy)


def _area(box_xyxy: BoxXYXY) -> float:
    return (box_xyxy[2] - box_xyxy[0]) * (box_xyxy[3] - box_xyxy[1])


def overlap(first: Mask, second: Mask) -> float:
    """IoU of two masks, in [0, 1]; two empty ones: 0, because there is nothing to follow."""
    union = np.count_nonzero(first | second)
    return np.count_nonzero(first & second) / union if union else 0.0


def _small_grey(image: Image) -> npt.NDArray[np.uint8]:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    scale = FLOW_SIDE / max(grey.shape)
    # the flow needs a few pixels in each direction; a line of pixels is drawn larger
    size_wh = tuple(max(16, round(scale * side)) for side in grey.shape[::-1])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(grey, size_wh, interpolation=how), dtype=np.uint8)


def _moved(soft: FloatMap, source_xy: FloatMap) -> FloatMap:
    return np.asarray(cv2.remap(soft, source_xy[..., 0], source_xy[..., 1], cv2.INTER_LINEAR), dtype=np.float32)
