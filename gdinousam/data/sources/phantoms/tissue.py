"""Textures and layers that the families share; all are echo strengths in decibels."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from gdinousam.data.sources.phantoms.scene import Scene
from gdinousam.data.sources.phantoms.settings import Range
from gdinousam.data.speckle import FloatMap


def smooth_noise(generator: np.random.Generator, size_hw: tuple[int, int], grid_hw: tuple[int, int]) -> FloatMap:
    """Draw (H, W) smooth noise of standard deviation near 1 whose detail is that of a grid of the given size."""
    grid = generator.standard_normal(grid_hw, dtype=np.float32)
    return np.asarray(cv2.resize(grid, size_hw[::-1], interpolation=cv2.INTER_CUBIC), dtype=np.float32)


def streaks(
    generator: np.random.Generator, size_hw: tuple[int, int], angle: float, spacing: float, length: float
) -> FloatMap:
    """Draw (H, W) noise of standard deviation near 1 that is stretched along one direction, as fibres are.

    angle: of the fibres against the rows, clockwise in radians. spacing, length: of a fibre in pixels.
    """
    side = int(np.hypot(*size_hw)) + 2
    square = smooth_noise(generator, (side, side), (max(int(side / spacing), 2), max(int(side / length), 2)))
    height, width = size_hw
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), -np.degrees(angle), 1.0)
    turn[0, 2] -= (side - width) / 2
    turn[1, 2] -= (side - height) / 2
    return np.asarray(cv2.warpAffine(square, turn, (width, height), borderMode=cv2.BORDER_REFLECT), dtype=np.float32)


def paint_layers(
    scene: Scene, generator: np.random.Generator, layers: Sequence[tuple[float, float]], bend: float, line_db: float
) -> FloatMap:
    """Fill the scene with layers that undulate together, a bright line on top of each but the first.

    layers: depth in [0, 1] where each begins, rising, and its level. bend: height of the waves as a fraction of the
    depth; the skin lies flat on the probe. line_db: strength of the lines above the layer.
    Returns (H, W) float32, the depth of each pixel in the layers' own measure.
    """
    height, width = scene.size_hw
    depth = np.arange(height, dtype=np.float32)[:, None] / height
    layer_depth = depth + bend * smooth_noise(generator, (1, width), (1, 5)) * np.minimum(depth / 0.25, 1.0)
    for index, (start, level_db) in enumerate(layers):
        scene.strength_db[layer_depth >= start] = level_db
        if index:
            scene.strength_db += line_db * np.exp(-(((layer_depth - start) / 0.009) ** 2))
    return np.asarray(layer_depth, dtype=np.float32)


def rising_depths(generator: np.random.Generator, *thickness: Range) -> list[float]:
    """Draw the lower edges of layers that lie on each other; depth and thickness as fractions of the height."""
    return [float(depth) for depth in np.cumsum([generator.uniform(*each) for each in thickness])]


def paint_abdominal_wall(scene: Scene, generator: np.random.Generator, organ_db: float) -> float:
    """Fill the scene with skin, fat, muscle and an organ's level below; returns the depth in [0, 1] of the organ."""
    skin, fat, muscle = rising_depths(generator, (0.02, 0.04), (0.03, 0.08), (0.04, 0.09))
    layers = [(0.0, 11.0), (skin, -5.0), (fat, -8.0), (muscle, organ_db)]
    paint_layers(scene, generator, layers, generator.uniform(0.005, 0.03), 8.0)
    height, width = scene.size_hw
    scene.strength_db += 2.5 * smooth_noise(generator, (height, width), (height // 4, 5))  # fibres along the wall
    scene.strength_db += 1.5 * smooth_noise(generator, (height, width), (9, 8))
    return muscle
