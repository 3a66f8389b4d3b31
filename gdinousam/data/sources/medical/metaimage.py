"""MetaImage files (``.mha``, or ``.mhd`` with its data file) by SimpleITK."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gdinousam.data.images import Pixels
from gdinousam.data.sources.medical.frames import (
    MedicalFrames,
    above_zero,
    as_rgb,
    known_spacing,
    scaled_alike,
)
from gdinousam.data.sources.medical.libraries import library
from gdinousam.errors import InputError
from gdinousam.reading import reading, unreadable
from gdinousam.records import Image

FORMAT = "MetaImage"
HEADER_BYTES = 4096  # the text before the pixels is a few hundred bytes long
REQUIRED_KEYS = (b"NDims", b"ElementDataFile")
SPACING_KEYS = (b"ElementSpacing", b"ElementSize")
_ENTRY = re.compile(rb"^[ \t]*(\w+)[ \t]*=[ \t]*([^\r\n]*?)[ \t]*\r?$", re.MULTILINE)
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
        _require_agreement(header, values, math.prod(picture.GetSize()[2:]), path)
    except InputError:
        raise
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

    tells_spacing = any(key in header for key in SPACING_KEYS)
    is_volume = picture.GetDimension() > 2 and picture.GetSize()[2] > 1
    return MedicalFrames(
        len(planes),
        width,
        height,
        num_channels != 1,
        known_spacing(*picture.GetSpacing()[:2]) if tells_spacing else None,
        frames,
        is_volume=is_volume,
        slice_mm=above_zero(picture.GetSpacing()[2]) if tells_spacing and is_volume else None,
    )


def _require_agreement(header: bytes, values: Pixels, num_slices: int, path: Path) -> None:
    """Raise ``InputError`` for uncompressed pixels of another length than size and type of the header ask for.

    header: the text and what follows it. Of a list of data files, a slice each, SimpleITK fills up what is missing.
    """
    told = {key: value.decode(errors="replace") for key, value in _ENTRY.findall(header)}
    name = told[b"ElementDataFile"]
    if name.upper().startswith("LIST"):
        num_files = len(header.partition(b"ElementDataFile")[2].split(b"\n", 1)[1].split())
        if num_files != num_slices:
            raise InputError(f"{path}: lists {num_files} data files for {num_slices} slices; export the file again")
        return
    skipped = int(told.get(b"HeaderSize", 0))  # -1: whatever stands before the pixels
    if told.get(b"CompressedData", "").lower() == "true" or "%" in name or skipped < 0:
        return
    if name.upper() == "LOCAL":
        place = header.index(b"ElementDataFile")
        length = path.stat().st_size - header.index(b"\n", place) - 1
    else:
        length = (path.parent / name).stat().st_size - skipped
    if not values.nbytes <= length < values.nbytes + max(values.nbytes // values.shape[0], 2):
        raise InputError(
            f"{path}: {length} bytes of pixels, but size and type of its header ask for {values.nbytes}; "
            "export the file again"
        )


def _planes(values: Pixels) -> Iterator[Pixels]:
    yield from values
