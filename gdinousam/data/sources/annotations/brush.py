"""Label Studio's brush strokes: run lengths of the RGBA values of an image, packed in bits.

The bits of the list of bytes give: the number of values (32 bits), the bits of a value less one (5), the bits of four
run lengths less one (4 each). Then for each block: whether one value is repeated (1), which of the four lengths
follows (2), the number of values less one, and the value once, or every value. Only the opacity counts.
"""

from __future__ import annotations

import numpy as np

from gdinousam.records import Mask

VALUE_BITS = 8
LENGTH_BITS = (3, 4, 8, 16)  # of what Label Studio itself writes
LONGEST = 2 ** LENGTH_BITS[-1]  # values in a block
DAMAGED = "the run lengths of a brush stroke are cut off or damaged"


def decode_brush(rle: object, size_hw: tuple[int, int]) -> Mask:
    """The (H, W) bool mask of a brush stroke, which may be empty.

    rle: a list of bytes. size_hw: (height, width) of the image. Raises ``ValueError`` for a list that is damaged or of
    an image of another size.
    """
    if not isinstance(rle, list) or not all(type(byte) is int and 0 <= byte < 256 for byte in rle):
        raise ValueError(DAMAGED)
    bits = _Bits(bytes(rle))
    num_values = bits.take(32)
    if num_values != 4 * size_hw[0] * size_hw[1]:
        raise ValueError(f"a brush stroke of {num_values} values for an image of {size_hw[1]} x {size_hw[0]} pixels")
    value_bits = bits.take(5) + 1
    length_bits = [bits.take(4) + 1 for _ in range(4)]
    values = np.zeros(num_values, dtype=np.uint32)
    place = 0
    while place < num_values:
        is_repeated = bits.take(1)
        end = place + bits.take(length_bits[bits.take(2)]) + 1
        if end > num_values:
            raise ValueError(DAMAGED)
        if is_repeated:
            values[place:end] = bits.take(value_bits)
        else:
            values[place:end] = [bits.take(value_bits) for _ in range(end - place)]
        place = end
    return values.reshape(*size_hw, 4)[:, :, 3] > 0


def encode_brush(mask_hw: Mask) -> list[int]:
    """The list of bytes of a brush stroke: all four values of a pixel are 255 inside the (H, W) bool mask, else 0."""
    flat = mask_hw.ravel()
    starts = np.flatnonzero(np.diff(flat, prepend=~flat[:1]))
    lengths = 4 * np.diff(starts, append=flat.size)
    parts = [f"{4 * flat.size:032b}", f"{VALUE_BITS - 1:05b}", *(f"{bits - 1:04b}" for bits in LENGTH_BITS)]
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        value = f"{255 if flat[start] else 0:0{VALUE_BITS}b}"
        for done in range(0, length, LONGEST):
            run = min(length - done, LONGEST)
            choice = next(place for place, bits in enumerate(LENGTH_BITS) if run <= 2**bits)
            parts.append(f"1{choice:02b}{run - 1:0{LENGTH_BITS[choice]}b}{value}")
    bits = "".join(parts)
    bits += "0" * (-len(bits) % 8)
    return list(int(bits, 2).to_bytes(len(bits) // 8, "big"))


class _Bits:
    """Reads whole numbers from bits, the highest bit first."""

    def __init__(self, content: bytes) -> None:
        self._bits = np.unpackbits(np.frombuffer(content, dtype=np.uint8)).tolist()
        self._place = 0

    def take(self, count: int) -> int:
        end = self._place + count
        if end > len(self._bits):
            raise ValueError(DAMAGED)
        number = 0
        for bit in self._bits[self._place : end]:
            number = number << 1 | bit
        self._place = end
        return number
