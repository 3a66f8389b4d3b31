"""How large an object is: area, two diameters and an ellipse, in millimetres where the size of a pixel is known.

A pixel is a small rectangle and an outline runs along its outer edges, so a mask of 4 x 3 pixels is 4 wide and 3 high
and its longest diameter, corner to corner, is 5. All of a mask counts as one object, also where it is in several parts.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from gdinousam.data.sources.medical.frames import Spacing
from gdinousam.errors import InputError
from gdinousam.findings import Measurement, Unit
from gdinousam.records import Detection, Mask

Points = npt.NDArray[np.float64]  # (N, 2) x, y
_PIXEL_VARIANCE = 1 / 12  # of the positions within a pixel, along one side


def measure(detection: Detection, spacing_mm: Spacing | None = None) -> Measurement:
    """Measure the mask of a detection.

    spacing_mm: (across, down) millimetres from one pixel to the next, which may differ; ``None``: unknown, and the unit
    is pixels. Raises InputError for a detection without a mask.

    >>> mask_hw = np.zeros((60, 80), dtype=bool)
    >>> mask_hw[10:40, 20:60] = True
    >>> size = measure(Detection("cyst", (20, 10, 60, 40), 0.9, mask_hw), spacing_mm=(0.5, 0.5))
    >>> size.unit, size.area, size.longest_diameter, size.perpendicular_diameter
    ('mm', 300.0, 25.0, 18.75)
    """
    if detection.mask_hw is None:
        raise InputError(
            f"the method gave a box without a mask for {detection.phrase!r}; add a mask head to measure it"
        )
    unit: Unit = "pixels" if spacing_mm is None else "mm"
    across, down = spacing_mm or (1.0, 1.0)
    cropped = _cropped(detection.mask_hw)
    longest, perpendicular = _diameters(_hull(cropped) * (across, down)) if cropped.size else (0.0, 0.0)
    major, minor, angle = _ellipse(cropped, across, down) if cropped.size else (0.0, 0.0, 0.0)
    return Measurement(
        detection.phrase,
        detection.score,
        unit,
        int(np.count_nonzero(cropped)) * across * down,
        longest,
        perpendicular,
        major,
        minor,
        angle,
        cv2.connectedComponents(cropped.view(np.uint8), connectivity=8)[0] - 1 if cropped.size else 0,
        detection.box_xyxy,
    )


def _cropped(mask_hw: Mask) -> Mask:
    """The part of a mask that holds all of it, (0, 0) of an empty one."""
    rows, columns = np.flatnonzero(mask_hw.any(axis=1)), np.flatnonzero(mask_hw.any(axis=0))
    if not rows.size:
        return np.zeros((0, 0), dtype=bool)
    return np.ascontiguousarray(mask_hw[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


def _hull(mask_hw: Mask) -> Points:
    """The corners of the convex hull of all pixels, (N, 2) x, y in pixels, in order round it."""
    rows = np.flatnonzero(mask_hw.any(axis=1))
    left = mask_hw[rows].argmax(axis=1)
    right = mask_hw.shape[1] - mask_hw[rows, ::-1].argmax(axis=1)
    corners = [np.stack([x, y], axis=1) for x in (left, right) for y in (rows, rows + 1)]
    return cv2.convexHull(np.concatenate(corners).astype(np.int32))[:, 0].astype(np.float64)


def _diameters(hull: Points) -> tuple[float, float]:
    """The longest diameter of a convex shape and the longest one at a right angle to it."""
    distances = np.hypot(*(hull[:, None] - hull[None]).transpose(2, 0, 1))
    first, last = np.unravel_index(distances.argmax(), distances.shape)
    longest = float(distances[first, last])
    along = (hull[last] - hull[first]) / longest
    # turned so that the longest diameter lies on the first axis; across it the shape has two edges, functions of that
    turned = (hull - hull[first]) @ np.array([[along[0], -along[1]], [along[1], along[0]]])
    turned = np.roll(turned, -int(first), axis=0)
    end = int(last - first) % len(turned)
    edges = turned[: end + 1], np.concatenate([turned[end:], turned[:1]])[::-1]
    widths = [np.interp(turned[:, 0], edge[:, 0], edge[:, 1]) for edge in edges]
    return longest, float(np.abs(widths[0] - widths[1]).max())


def _ellipse(mask_hw: Mask, across: float, down: float) -> tuple[float, float, float]:
    """Major and minor axis and the angle of the ellipse with the second moments of a mask."""
    moments = cv2.moments(mask_hw.view(np.uint8), binaryImage=True)
    area = moments["m00"]
    xx = (moments["mu20"] / area + _PIXEL_VARIANCE) * across**2
    yy = (moments["mu02"] / area + _PIXEL_VARIANCE) * down**2
    xy = moments["mu11"] / area * across * down
    middle, half = (xx + yy) / 2, math.hypot((xx - yy) / 2, xy)
    # of an ellipse with the half axis a the variance along it is a**2 / 4
    major, minor = (4 * math.sqrt(max(variance, 0.0)) for variance in (middle + half, middle - half))
    is_round = half <= 1e-9 * middle
    angle = 0.0 if is_round else math.degrees(math.atan2(2 * xy, xx - yy)) / 2 % 180
    return major, minor, angle
