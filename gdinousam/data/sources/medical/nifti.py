"""NIfTI volumes (``.nii``, ``.nii.gz``) by nibabel, plane by plane, so that a volume need not fit into memory.

The array is taken as it is stored: a plane is the first two axes, planes follow one another along the last. The
orientation in the header is not applied, because releases are known to have it wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gdinousam.data.images import Pixels
from gdinousam.data.sources.medical.frames import (
    MedicalFrames,
    Spacing,
    above_zero,
    as_rgb,
    known_spacing,
    scaled_alike,
)
from gdinousam.data.sources.medical.libraries import library
from gdinousam.errors import InputError
from gdinousam.reading import reading
from gdinousam.records import Image

FORMAT = "NIfTI"
SECONDS_PER_UNIT = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
MM_PER_UNIT = {"mm": 1.0, "meter": 1000.0, "micron": 0.001}  # "unknown" is none of them


@dataclass(frozen=True, eq=False)
class Volume:
    """A NIfTI file that was opened.

    shape: of the stored array, two axes or more. spacing_mm: along its first and second axis, ``None`` where the header
    gives no unit of length. slice_mm: along its third axis. fps: along its fourth, where the third has one plane only.
    """

    path: Path
    shape: tuple[int, ...]
    spacing_mm: Spacing | None
    stored: Any  # nibabel's proxy of the array
    slice_mm: float | None = None
    fps: float | None = None

    @property
    def is_colour(self) -> bool:
        """Whether each value is a colour and not a number."""
        return self.stored.dtype.names is not None

    @property
    def num_planes(self) -> int:
        return int(np.prod(self.shape[2:]))

    def planes(self) -> Iterator[Pixels]:
        """Each plane by first and second axis, (X, Y), or (X, Y, 3) for colours, with the scale of the header applied.

        Along the third axis first, then along the fourth, which is the order of the file. Raises ``InputError`` for a
        file that is cut off or damaged.
        """
        for index in np.ndindex(*reversed(self.shape[2:])):
            with reading(self.path, FORMAT):
                plane = np.asarray(self.stored[(slice(None), slice(None), *reversed(index))])
                if plane.dtype.names is not None:
                    plane = np.stack([plane[name] for name in "RGB"], axis=2)
            yield plane


def open_volume(path: Path) -> Volume:
    """Open a NIfTI file; ``InputError`` naming it where it is missing, damaged or has no planes."""
    nibabel = library("nibabel")
    with reading(path, FORMAT):
        # Kept open, a compressed file is read once from end to end and not once per plane.
        picture = nibabel.load(path, keep_file_open=True)
        unit, time_unit = picture.header.get_xyzt_units()
        zooms = picture.header.get_zooms()
        shape = tuple(int(length) for length in picture.shape)
        if len(shape) < 2 or min(shape) < 1:
            raise InputError(f"{path}: holds an array of {_times(shape)}, which has no planes; replace the file")
        _require_agreement(picture.dataobj, path)
        scale = MM_PER_UNIT.get(unit)
        spacing_mm = None if scale is None else known_spacing(zooms[0] * scale, zooms[1] * scale)
        slice_mm = None if scale is None or len(shape) < 3 else above_zero(zooms[2] * scale)
        return Volume(path, shape, spacing_mm, picture.dataobj, slice_mm, _frame_rate(shape, zooms, time_unit))


def _frame_rate(shape: tuple[int, ...], zooms: Sequence[float], unit: str) -> float | None:
    """Frames per second of a file whose planes follow one another in time."""
    if len(shape) < 4 or shape[2] != 1 or unit not in SECONDS_PER_UNIT or not zooms[3]:
        return None
    return above_zero(1 / (float(zooms[3]) * SECONDS_PER_UNIT[unit]))


def _require_agreement(stored: Any, path: Path) -> None:
    """Raise ``InputError`` for numbers that are not greys, and for uncompressed files longer than their header asks."""
    if stored.dtype.kind == "c":
        raise InputError(f"{path}: holds complex numbers; save their magnitude, or what is to be shown, as real ones")
    announced = int(stored.offset) + int(np.prod(stored.shape)) * stored.dtype.itemsize
    if path.suffix.lower() == ".nii" and path.stat().st_size >= announced + stored.shape[0] * stored.dtype.itemsize:
        raise InputError(
            f"{path}: {path.stat().st_size} bytes, but size and type of its header ask for {announced}; "
            "export the file again"
        )


def read_nifti(path: Path) -> MedicalFrames:
    """The planes of a NIfTI file as frames, the first axis across and the second down, scaled alike over the file.

    A fourth axis (time) adds frames, volume after volume. Errors as for ``open_volume``.
    """
    volume = open_volume(path)

    def frames() -> Iterator[Image]:
        with reading(path, FORMAT):
            for plane in scaled_alike(volume.planes, path):
                yield np.ascontiguousarray(as_rgb(plane).swapaxes(0, 1))

    width, height = volume.shape[:2]
    is_volume = len(volume.shape) > 2 and volume.shape[2] > 1
    return MedicalFrames(
        volume.num_planes,
        width,
        height,
        volume.is_colour,
        volume.spacing_mm,
        frames,
        fps=volume.fps,
        is_volume=is_volume,
        slice_mm=volume.slice_mm if is_volume else None,
    )


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(str(length) for length in shape) or "no axes"
