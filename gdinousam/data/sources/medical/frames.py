"""What every medical reader gives back: the frames of a file, one after the other, and what is known of their scale."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from gdinousam.data.images import Pixels, scale_to_uint8
from gdinousam.errors import InputError
from gdinousam.records import BoxXYXY, Image

Spacing = tuple[float, float]  # millimetres from one pixel to the next, (across, down)
RegionKind = Literal["2d", "m-mode", "spectral", "waveform", "graphics", "unknown"]


@dataclass(frozen=True)
class Region:
    """A part of an ultrasound picture with a scale of its own.

    box_xyxy: (x0, y0, x1, y1) in pixels of the picture. kind: what it shows. spacing_mm: ``None`` where an axis is no
    length, such as the time of an M-mode trace, or is not told.
    """

    box_xyxy: BoxXYXY
    kind: RegionKind
    spacing_mm: Spacing | None


@dataclass(frozen=True, eq=False)
class MedicalFrames:
    """The frames of one file, decoded as they are asked for.

    num_frames, width, height: number and size in pixels; all frames of a file are alike. is_colour: whether channels
    can differ. spacing_mm: of the tissue that is shown, ``None`` where the file does not tell it with a unit of length.
    regions: empty where the file does not tell them. open_frames: starts anew at the first frame. fps: frames per
    second as they were recorded, ``None`` where the file does not tell them. is_volume: whether frames follow one
    another in space, by what the format says. slice_mm: millimetres from one frame to the next, ``None`` where the file
    does not tell them or frames are no slices.
    """

    num_frames: int
    width: int
    height: int
    is_colour: bool
    spacing_mm: Spacing | None
    open_frames: Callable[[], Iterator[Image]]
    regions: tuple[Region, ...] = ()
    fps: float | None = None
    is_volume: bool = False
    slice_mm: float | None = None

    def __len__(self) -> int:
        return self.num_frames

    def __iter__(self) -> Iterator[Image]:
        """Each frame as (H, W, 3) uint8 RGB in [0, 255]; ``InputError`` for one that does not decode, with the file."""
        return self.open_frames()


_EXACT = 2.0**53  # below it a float holds every whole number


def scaled_alike(open_planes: Callable[[], Iterable[Pixels]], path: Path) -> Iterator[npt.NDArray[np.uint8]]:
    """The planes of one series as uint8 in [0, 255], all by the scale of the whole series (``scale_to_uint8``).

    Floats that are whole numbers throughout, such as labels, are taken as whole numbers: 0, 1 and 2 stay so.
    open_planes: starts the series anew; it is read twice unless it is 8-bit already. path: for messages. Raises
    ``InputError`` for nan and infinite values.
    """
    first = next(iter(open_planes()), None)
    whole = None if first is None or first.dtype == np.uint8 else value_range(open_planes(), path)
    as_integers = first is not None and first.dtype.kind == "f" and _are_whole(open_planes())
    for plane in open_planes():
        yield scale_to_uint8(plane.astype(np.int64) if as_integers else plane, whole)


def _are_whole(planes: Iterable[Pixels]) -> bool:
    return all(bool((plane == np.rint(plane)).all() and np.abs(plane).max() < _EXACT) for plane in planes)


def value_range(planes: Iterable[Pixels], path: Path) -> tuple[float, float]:
    """Lowest and highest value of a series that is not empty; ``InputError`` for nan and infinite values."""
    lowest, highest = math.inf, -math.inf
    for plane in planes:
        low, high = float(plane.min()), float(plane.max())
        if not math.isfinite(low) or not math.isfinite(high):
            raise InputError(f"{path}: holds nan or infinite values; replace them")
        lowest, highest = min(lowest, low), max(highest, high)
    return lowest, highest


def as_rgb(plane: npt.NDArray[np.uint8]) -> Image:
    """(H, W) or (H, W, 3) uint8 as (H, W, 3)."""
    return np.repeat(plane[:, :, None], 3, axis=2) if plane.ndim == 2 else plane


def known_spacing(across: float, down: float) -> Spacing | None:
    """The two distances in millimetres, ``None`` unless both are real lengths."""
    spacing = abs(float(across)), abs(float(down))
    return spacing if all(map(above_zero, spacing)) else None


def above_zero(value: float | None) -> float | None:
    """A length or a rate as it is, ``None`` unless it is finite and above zero."""
    return None if value is None or not 0 < float(value) < math.inf else float(value)
