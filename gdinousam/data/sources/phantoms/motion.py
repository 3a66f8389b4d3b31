"""How tissue and probe move in a generated clip: a smooth displacement of every pixel, different in every frame."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from gdinousam.data.sources.phantoms.settings import Range
from gdinousam.data.sources.phantoms.tissue import smooth_noise
from gdinousam.data.speckle import FloatMap


@dataclass(frozen=True)
class MotionSettings:
    """How much moves; lengths are fractions of the image's height or width, ranges are drawn from uniformly.

    breathing: depth that the deepest tissue rises and sinks by, of the height; the skin stays on the probe.
    breathing_frames: frames from breath to breath. drift: how far the probe slides to and fro in a clip whose target
    stays in view, of the width. drift_frames: frames of one such slide and back. squeeze: standard deviation of a
    smooth change of shape that comes and goes, of the height. squeeze_frames: of its period.
    """

    breathing: Range = (0.01, 0.04)
    breathing_frames: Range = (25.0, 50.0)
    drift: Range = (0.02, 0.12)
    drift_frames: Range = (40.0, 90.0)
    squeeze: Range = (0.004, 0.015)
    squeeze_frames: Range = (20.0, 45.0)


class Motion:
    """The displacement of tissue in each frame, drawn once.

    size_hw: of the frames, in beams.
    """

    def __init__(self, generator: np.random.Generator, size_hw: tuple[int, int], settings: MotionSettings) -> None:
        height, width = self._size_hw = size_hw
        self._breathing = generator.uniform(*settings.breathing) * height
        self._drift = generator.uniform(*settings.drift) * width
        self._periods = [
            generator.uniform(*frames)
            for frames in (settings.breathing_frames, settings.drift_frames, settings.squeeze_frames)
        ]
        self._phases = generator.uniform(0.0, 2.0 * np.pi, 3)
        squeeze = np.float32(generator.uniform(*settings.squeeze) * height)
        self._squeeze_xy = (
            squeeze * smooth_noise(generator, size_hw, (4, 4)),
            squeeze * smooth_noise(generator, size_hw, (4, 4)),
        )

    def places(self, frame: int, left: float, has_drift: bool = True) -> tuple[FloatMap, FloatMap]:
        """Where each pixel of a frame comes from: columns and rows of the scene, each (H, W) float32.

        left: column of the scene at the frame's left edge.
        """
        height, width = self._size_hw
        breath, slide, squeeze = (
            np.sin(2.0 * np.pi * frame / period + phase)
            for period, phase in zip(self._periods, self._phases, strict=True)
        )
        x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        columns = x + np.float32(left + (self._drift * slide if has_drift else 0.0)) + squeeze * self._squeeze_xy[0]
        deep = y / height  # the skin moves with the probe
        rows = y + deep * (np.float32(self._breathing * breath) + squeeze * self._squeeze_xy[1])
        return columns.astype(np.float32), rows.astype(np.float32)


def moved(values: np.ndarray, columns: FloatMap, rows: FloatMap, nearest: bool = False) -> np.ndarray:
    """Values of a scene, (H', W') or (H', W', C), at the places of a frame; beyond the scene those of its edge."""
    how = cv2.INTER_NEAREST if nearest else cv2.INTER_CUBIC
    return np.asarray(cv2.remap(values, columns, rows, how, borderMode=cv2.BORDER_REPLICATE))
