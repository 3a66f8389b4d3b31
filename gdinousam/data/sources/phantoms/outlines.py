"""Outlines of organs and lesions, and the masks that they enclose. Points are (N, 2) arrays of x, y in pixels."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from gdinousam.records import Mask

Points = npt.NDArray[np.float64]  # (N, 2), x and y


def unit_outline(
    generator: np.random.Generator, roughness: float = 0.0, num_spicules: tuple[int, int] = (0, 0)
) -> Points:
    """Draw a closed outline as (360, 2) points x, y that span [-1, 1] exactly in both directions.

    roughness: amplitude of the harmonics that bend it, as a fraction of the radius. num_spicules: lowest and highest
    number of spikes.
    """
    angle = np.linspace(0.0, 2.0 * np.pi, 360, endpoint=False)
    distance = np.ones_like(angle)
    for harmonic in range(2, 8):
        phase = generator.uniform(0.0, 2.0 * np.pi)
        distance += roughness * generator.uniform(0.3, 1.0) / np.sqrt(harmonic) * np.cos(harmonic * angle + phase)
    for _ in range(generator.integers(*num_spicules, endpoint=True)):
        away = np.angle(np.exp(1j * (angle - generator.uniform(0.0, 2.0 * np.pi))))  # in (-pi, pi]
        distance += generator.uniform(0.25, 0.5) * np.exp(-((away / 0.09) ** 2))
    tilt = generator.uniform(-0.2, 0.2)
    points = np.stack([distance * np.cos(angle), 0.8 * distance * np.sin(angle)], axis=1)
    points @= np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
    low, high = points.min(axis=0), points.max(axis=0)
    return 2.0 * (points - low) / (high - low) - 1.0


def placed(unit_xy: Points, center_xy: tuple[float, float], half_xy: tuple[float, float], tilt: float = 0.0) -> Points:
    """Points of the unit square stretched to the half width and height, turned clockwise by tilt (radians), moved."""
    points = unit_xy * half_xy
    turn = np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
    return points @ turn + center_xy


def filled(outline_xy: Points, size_hw: tuple[int, int]) -> Mask:
    """The (H, W) bool mask inside a closed outline, border pixels included; what lies outside the image is cut off."""
    canvas = np.zeros(size_hw, dtype=np.uint8)
    cv2.fillPoly(canvas, [np.rint(outline_xy).astype(np.int32)], 1)
    return canvas.astype(bool)


def line_mask(points_xy: Points, size_hw: tuple[int, int], thickness: int = 1, closed: bool = False) -> Mask:
    """The (H, W) bool mask of a line through the points. thickness: in pixels."""
    canvas = np.zeros(size_hw, dtype=np.uint8)
    cv2.polylines(canvas, [np.rint(points_xy).astype(np.int32)], closed, 1, thickness)
    return canvas.astype(bool)


def rim(mask_hw: Mask, thickness: int) -> Mask:
    """The pixels of a mask that lie within ``thickness`` pixels of its edge."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * thickness + 1, 2 * thickness + 1))
    return mask_hw & ~cv2.erode(mask_hw.astype(np.uint8), kernel, borderValue=0).astype(bool)
