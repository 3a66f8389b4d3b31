"""Compressed frames against the header: each tells its own size, which the decoders do not all look at.

A picture of 640 x 480 whose header says 480 x 640 would be read as stripes, and one whose header says 240 rows as its
upper half. Uncompressed pixels tell nothing but their length.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import PIL.Image

from gdinousam.data.sources.medical.libraries import library
from gdinousam.errors import InputError

RLE_HEAD = 64  # bytes: the number of segments, then where each begins (PS3.5, annex G)
REPEATED_FROM, NOTHING = 129, 128  # heads of PackBits: below them so many bytes follow, and one more


def require_coded_size(header: Any, path: Path) -> None:
    """Raise ``InputError`` where the first frame of a compressed file is of another size than its header says.

    Frames that Pillow cannot open are left to the decoder. Other errors are pydicom's.
    """
    dataset = library("pydicom").dcmread(path, specific_tags=["PixelData"], force=True)
    num_frames = int(header.get("NumberOfFrames") or 1)
    frame = library("pydicom.encaps").get_frame(dataset.PixelData, 0, number_of_frames=num_frames)
    width, height = int(header.Columns), int(header.Rows)
    if header.file_meta.TransferSyntaxUID == library("pydicom.uid").RLELossless:
        num_pixels = _unpacked_length(frame)
        if num_pixels >= width * height + max(width, 2):  # a few are padding
            raise InputError(
                f"{path}: {num_pixels} pixels in its first frame, but the header says {width} x {height}; "
                "export the file again"
            )
        return
    size = _coded_size(frame)
    if size is not None and size != (width, height):
        raise InputError(
            f"{path}: its first frame has {size[0]} x {size[1]} pixels, but the header says {width} x {height}; "
            "export the file again"
        )


def _coded_size(frame: bytes) -> tuple[int, int] | None:
    try:
        with PIL.Image.open(io.BytesIO(frame)) as picture:
            return picture.size
    except Exception:  # whatever Pillow answers to what it does not know
        return None


def _unpacked_length(frame: bytes) -> int:
    """The bytes that the first segment of a run-length frame unpacks to, which is one for each pixel."""
    starts = [int.from_bytes(frame[place : place + 4], "little") for place in (4, 8)]
    packed = frame[starts[0] : starts[1] or None] if len(frame) > RLE_HEAD else b""
    length = place = 0
    while place < len(packed):
        head = packed[place]
        if head < NOTHING:
            length += min(head + 1, len(packed) - place - 1)
            place += head + 2
        elif head >= REPEATED_FROM:
            length += 257 - head
            place += 2
        else:
            place += 1
    return length
