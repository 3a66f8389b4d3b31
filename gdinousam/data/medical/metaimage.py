"""MetaImage files (``.mha``, or ``.mhd`` with its data file) by SimpleITK."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gdinousam.data.images import Pixels
from gdinousam.data.medical.frames import MedicalFrames, as_rgb, known_spacing, scaled_alike
from gdinousam.data.medical.libraries import library
from gdinousam.errors import InputError
from gdinousam.reading import reading, unreadable
from gdinousam.records import Image

FORMAT = "MetaImage"
HEADER_BYTES = 4096  # the text before the pixels is a few hundred bytes long
REQUIRED_KEYS = (b"NDims", b"ElementDataFile")
SPACING_KEYS = (b"ElementSpacing", b"ElementSize")
COLOUR_CHANNELS = (3, 4)  # RGB, or with opacity, which is dropped


def read_metaimage(path: Path) -> MedicalFrames:
    """The planes of a MetaImage as frames, along SimpleITK's first axis, scaled alike over the file.

    Spacing is in millimetres by convention of the format, unknown where the header leaves it out. A fourth axis (time)
    adds frames, volume after volume. Raises ``InputError`` naming the file where it is missing or damaged, its data
    file is missing, or its pixels are neither grey nor colours.
    """
    itk = library("SimpleITK")
    with reading(path, FORMAT), path.open("rb") as file:
        header = file.read(HEADER_BYTES)
    if not all(key in header for key in REQUIRED_KEYS):
        raise unreadable(path, FORMAT, "its header is none")
    try:
        picture = itk.ReadImage(str(path), imageIO="MetaImageIO")
        values = itk.GetArrayFromImage(picture)
    except Exception as error:
        # the library's own words are several lines with places in its source
        raise unreadable(path, FORMAT, "damaged, cut off, or without its data file") from error
    num_channels = picture.GetNumberOfComponentsPerPixel()
    if num_channels != 1 and num_channels not in COLOUR_CHANNELS:
        raise InputError(f"{path}: has {num_channels} channels per pixel, neither grey nor colour; split it first")
    height, width = values.shape[-2:] if num_channels == 1 else values.shape[-3:-1]
    planes = values.reshape(-1, height, width, num_channels)
    planes = planes[..., 0] if num_channels == 1 else planes[..., :3]

    def frames() -> Iterator[Image]:
        with reading(path, FORMAT):
            for plane in scaled_alike(lambda: _planes(planes), path):
                yield np.ascontiguousarray(as_rgb(plane))

    spacing_mm = known_spacing(*picture.GetSpacing()[:2]) if any(key in header for key in SPACING_KEYS) else None
    return MedicalFrames(len(planes), width, height, num_channels != 1, spacing_mm, frames)


def _planes(values: Pixels) -> Iterator[Pixels]:
    yield from values
