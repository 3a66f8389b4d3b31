"""From the numbers that a DICOM file stores for each pixel to RGB: rescaling, window, inversion, palette.

All of it depends on the stored number alone, so it is done once for every number that can occur.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gdinousam.data.images import Pixels, scale_to_uint8
from gdinousam.data.sources.medical.frames import as_rgb
from gdinousam.data.sources.medical.libraries import library
from gdinousam.records import Image

INVERTED = "MONOCHROME1"  # the lowest value is white
GREY = (INVERTED, "MONOCHROME2")
PALETTE = "PALETTE COLOR"

Padding = tuple[int, int]


@dataclass(frozen=True, eq=False)
class PixelTable:
    """What each stored number looks like. lowest: the number of the first entry. looks: (N,) or (N, 3) uint8."""

    lowest: int
    looks: npt.NDArray[np.uint8]

    def __call__(self, stored: Pixels) -> Image:
        """(H, W) stored numbers as (H, W, 3) RGB."""
        return as_rgb(self.looks[stored.astype(np.int64) - self.lowest])


def colour_table(header: Any) -> PixelTable:
    """The colours of a palette, entries of 16 bits brought to 8 by the brightest of them."""
    numbers = _storable_numbers(header)
    colours = library("pydicom.pixels").apply_color_lut(numbers, header)
    return PixelTable(int(numbers[0]), scale_to_uint8(colours[..., :3]))


def padding_range(header: Any) -> Padding | None:
    """The stored numbers that mean "no picture here", the first and the last; ``None`` where the file names none.

    PixelPaddingValue, alone or up to PixelPaddingRangeLimit (PS3.3, C.7.5.1.1.2). Writers confuse signed and unsigned,
    and give a value of more bits than are stored, of which the pixels as read hold the stored ones.
    """
    value = header.get("PixelPaddingValue")
    if value is None:
        return None
    limit = header.get("PixelPaddingRangeLimit")
    num_bits = int(header.BitsStored if limit is None else header.BitsAllocated)  # a range would wrap round
    lowest = -(2 ** (num_bits - 1)) if header.get("PixelRepresentation") else 0
    ends = [int(value), int(value if limit is None else limit)]
    low, high = sorted((end - lowest) % 2**num_bits + lowest for end in ends)
    return low, high


def is_padding(stored: Pixels, padding: Padding) -> npt.NDArray[np.bool_]:
    """Which stored numbers are padding, of the same shape."""
    return np.asarray((stored >= padding[0]) & (stored <= padding[1]))


def grey_table(
    header: Any, stored_range: Callable[[], tuple[float, float]], padding: Padding | None = None
) -> PixelTable:
    """The greys of a file: modality values, then the first window or table of interest, else the scale of the file.

    stored_range: lowest and highest stored number without padding; asked for only where the scale depends on it.
    padding: shown black, also where the lowest value is white.
    """
    numbers = _storable_numbers(header)
    values = library("pydicom.pixels").apply_modality_lut(numbers, header)
    if (values == np.rint(values)).all():
        values = values.astype(np.int64)  # rescaled by 1, whole numbers are still whole numbers
    if "VOILUTSequence" in header:
        looks = scale_to_uint8(library("pydicom.pixels").apply_voi(values, header))
    elif header.get("WindowCenter") is not None and header.get("WindowWidth") is not None:
        looks = _windowed(values.astype(np.float64), header)
    else:
        looks = scale_to_uint8(values, _range_of_values(values, numbers, stored_range))
    if header.PhotometricInterpretation == INVERTED:
        looks = 255 - looks
    if padding is not None:
        looks = np.where(is_padding(numbers, padding), np.uint8(0), looks)
    return PixelTable(int(numbers[0]), looks)


def _storable_numbers(header: Any) -> npt.NDArray[np.int64]:
    num_bits = int(header.BitsAllocated)
    lowest = -(2 ** (num_bits - 1)) if header.get("PixelRepresentation") else 0
    return np.arange(lowest, lowest + 2**num_bits)


def _range_of_values(
    values: Pixels, numbers: npt.NDArray[np.int64], stored_range: Callable[[], tuple[float, float]]
) -> tuple[float, float]:
    """Lowest and highest value in the file; 8-bit numbers that were not rescaled need no look at the pixels."""
    if len(numbers) <= 256 and numbers[0] == 0 and (values == numbers).all():
        return 0.0, 255.0
    lowest, highest = stored_range()
    if lowest > highest:
        return 0.0, 0.0  # nothing but padding
    low, high = (int(number) - int(numbers[0]) for number in (lowest, highest))
    occurring = values[low : high + 1]
    return float(occurring.min()), float(occurring.max())


def _windowed(values: npt.NDArray[np.float64], header: Any) -> npt.NDArray[np.uint8]:
    """The window's part of the values stretched to [0, 255], by the function that the file names (PS3.3, C.11.2.1)."""
    center, width = _first_number(header.WindowCenter), _first_number(header.WindowWidth)
    function = header.get("VOILUTFunction") or "LINEAR"
    if function == "SIGMOID":
        shares = 1 / (1 + np.exp(-4 * (values - center) / width))
    elif function == "LINEAR_EXACT":
        shares = (values - center) / width + 0.5
    elif width > 1:
        shares = (values - (center - 0.5)) / (width - 1) + 0.5
    else:
        shares = (values > center - 0.5).astype(np.float64)  # a window of one value is a threshold
    return np.clip(np.rint(shares * 255), 0, 255).astype(np.uint8)


def _first_number(value: Any) -> float:
    """Files may offer several windows; the first one is meant to be shown."""
    return float(value if np.isscalar(value) or not hasattr(value, "__getitem__") else value[0])
