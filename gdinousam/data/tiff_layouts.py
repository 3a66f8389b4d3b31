"""TIFF files whose pixels Pillow or OpenCV read otherwise than they are stored: put right, or refused by name.

Seen with Pillow 13.0 and OpenCV 5.0, none of it with a message: 8-bit signed and 32-bit unsigned numbers come back with
the wrong sign; "white is zero" is passed over beyond 8 bits; an orientation is applied; compressed big-endian numbers
keep their bytes swapped; planes of 16-bit colours are read as if they were interleaved; every channel behind 16-bit
colours counts as opacity; of a stack that is announced in one directory the first picture is read; what lies behind
the pixels is read as pixels where the header asks for more.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

BITS, COMPRESSION, PHOTOMETRIC, DESCRIPTION, ORIENTATION = 258, 259, 262, 270, 274  # TIFF 6.0, section 8
WIDTH, HEIGHT, SAMPLES, ROWS_PER_STRIP, STRIP_BYTES, PLANAR = 256, 257, 277, 278, 279, 284
TILE_WIDTH, TILE_HEIGHT, TILE_BYTES = 322, 323, 325
EXTRA_SAMPLES, SAMPLE_FORMAT, IMAGE_DEPTH = 338, 339, 32997
BIG_ENDIAN = b"MM"
UNCOMPRESSED, FAX_IN_WORDS = 1, 32771
WHITE_IS_ZERO, SEPARATE_PLANES = 0, 2
UNSIGNED, SIGNED, FLOAT = 1, 2, 3
UNSPECIFIED, MULTIPLIED = (
    0,
    1,
)  # what the channel behind the colours is: no opacity, or one that the colours hold already
HEADS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# what ImageJ and tifffile write into the description of the first picture of a stack
_IMAGEJ = re.compile(r"^ImageJ=.*?^images=(\d+)", re.DOTALL | re.MULTILINE)
_TIFFFILE = re.compile(r'^{"shape": \[([\d, ]+)\]')

Tags = Any  # Pillow's directory of tags


def is_tiff(path: Path) -> bool:
    """Whether a file that is there begins as TIFF files do."""
    with path.open("rb") as file:
        return file.read(len(HEADS[0])) in HEADS


def trouble(tags: Tags) -> str | None:
    """Why the picture of a directory cannot be read as it is stored, and what to do; ``None`` where it can."""
    bits, is_compressed = max(tags.get(BITS, (1,))), tags.get(COMPRESSION, UNCOMPRESSED) != UNCOMPRESSED
    number_format = max(tags.get(SAMPLE_FORMAT, (UNSIGNED,)))
    if tags.get(ORIENTATION, 1) != 1:
        return "its orientation tag says that it is shown turned or mirrored; save it upright, without that tag"
    if (num_pictures := _num_announced(tags)) > 1:
        return f"announces {num_pictures} pictures in one; save the one that is meant as its own file"
    if tags.prefix == BIG_ENDIAN and is_compressed and bits >= 16 and (bits > 16 or number_format != UNSIGNED):
        return f"compressed big-endian numbers of {bits} bits; save it little-endian or uncompressed"
    if tags.get(COMPRESSION) == FAX_IN_WORDS:
        return "its fax compression is aligned to words; save it with another one"
    if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO and (number_format != UNSIGNED or bits > 16):
        return "white is zero, of numbers without a black; save it with black as zero"
    if bits > 8 and tags.get(SAMPLES, 1) > 1 and tags.get(PLANAR) == SEPARATE_PLANES:
        return f"colours of {bits} bits in separate planes; save them interleaved"
    return _wrong_number_of_parts(tags) or (None if is_compressed else _wrong_length(tags, bits))


def as_stored(pixels: npt.NDArray[Any], tags: Tags) -> npt.NDArray[Any]:
    """One-channel pixels, (H, W), as Pillow decodes them, with the sign and the black that the directory tells."""
    bits, number_format = max(tags.get(BITS, (1,))), max(tags.get(SAMPLE_FORMAT, (UNSIGNED,)))
    if (bits, number_format) == (8, SIGNED):
        return pixels.view(np.int8)
    if (bits, number_format) == (32, UNSIGNED):
        return pixels.view(np.uint32)
    if bits == 16 and tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:
        return np.iinfo(np.uint16).max - pixels
    return pixels


def is_opacity(tags: Tags) -> bool:
    """Whether the channel behind the colours has still to be multiplied into them."""
    return not {UNSPECIFIED, MULTIPLIED} & set(tags.get(EXTRA_SAMPLES, ()))


def _num_announced(tags: Tags) -> int:
    """The pictures that a directory, or the program that wrote it, says it stands for."""
    description, num_pictures = str(tags.get(DESCRIPTION, "")), int(tags.get(IMAGE_DEPTH, 1))
    if found := _IMAGEJ.search(description):
        num_pictures = max(num_pictures, int(found[1]))
    if found := _TIFFFILE.search(description):
        shape = [int(length) for length in found[1].split(",")]
        height, width, samples = tags.get(HEIGHT), tags.get(WIDTH), tags.get(SAMPLES, 1)
        for picture in ([height, width, samples], [samples, height, width], [height, width]):
            if shape[-len(picture) :] == picture:
                return max(num_pictures, math.prod(shape[: -len(picture)]))
    return num_pictures


def _wrong_number_of_parts(tags: Tags) -> str | None:
    """Where there are other strips or tiles than the size asks for."""
    width, height, num_planes = tags.get(WIDTH, 0), tags.get(HEIGHT, 0), 1
    if tags.get(PLANAR) == SEPARATE_PLANES:
        num_planes = tags.get(SAMPLES, 1)
    if TILE_BYTES in tags:
        part, num_given = (tags.get(TILE_WIDTH, width), tags.get(TILE_HEIGHT, height)), len(tags[TILE_BYTES])
    else:
        part, num_given = (width, min(tags.get(ROWS_PER_STRIP, height), height)), len(tags.get(STRIP_BYTES, ()))
    if num_given <= 1 or not all(part):
        return None  # of one strip some programs write the rows wrong; of none Pillow says what is missing
    num_needed = math.ceil(width / part[0]) * math.ceil(height / part[1]) * num_planes
    if num_given == num_needed:
        return None
    return f"{num_given} strips or tiles, but its size asks for {num_needed}; export the file again"


def _wrong_length(tags: Tags, bits: int) -> str | None:
    """Where the strips of uncompressed pixels are shorter, or a row or more longer, than size and bits ask for."""
    strips, width, height = tags.get(STRIP_BYTES, ()), tags.get(WIDTH, 0), tags.get(HEIGHT, 0)
    if not strips or not all(strips):  # tiles; some programs leave the length out
        return None
    row = math.ceil(width * tags.get(SAMPLES, 1) * bits / 8)
    padded = len(strips) * min(tags.get(ROWS_PER_STRIP, height), height)  # some pad their last strip
    if row * height <= sum(strips) < row * (max(padded, height) + 1):
        return None
    return f"{sum(strips)} bytes of pixels, but its size and bits ask for {row * height}; export the file again"
