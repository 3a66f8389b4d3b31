"""Readers of image and mask files, whatever their bit depth, channels or palette.

Pixels are taken as they are stored: an orientation noted in EXIF is not applied, because the sizes and boxes of the CSV
are those of the stored image. Files of several frames are refused, because nobody said which frame is meant.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import PIL.Image

from gdinousam.data import tiff_layouts
from gdinousam.data.contract.unchanged import unchanged
from gdinousam.data.masks import foreground
from gdinousam.errors import InputError
from gdinousam.inputs import as_path
from gdinousam.reading import reading, unreadable
from gdinousam.records import Image, ImageRecord, Instance, Mask, MaskReference

logger = logging.getLogger(__name__)
_SAID: set[tuple[Path, str]] = set()  # folders of masks, and what the log has said of them
_SAID_LOCK = Lock()
_CUT = "with grey values between black and white; they are cut at half their range"
_DOUBTFUL = "with grey values that may be labels or soft; every pixel that is not black counts"

Pixels = npt.NDArray[Any]  # (H, W) or (H, W, 3), the numbers that the file stores

PNG_BIT_DEPTH_BYTE = 24  # PNG specification: signature 8, chunk length and name 8, width and height 8, then bit depth
TIFF_BITS_PER_SAMPLE = 258  # TIFF 6.0, section 8
JPEG_SUFFIXES = (".jpg", ".jpeg")  # lossy: a mask saved so has noise round its edges
SCALED_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")  # Pillow's modes of more than 8 bits


def read_image(path: str | Path) -> Image:
    """Read an image as RGB.

    Returns (H, W, 3) uint8 in [0, 255] of the stored size. One channel becomes three equal ones, a palette its
    colours; transparent parts are laid on black, the background of ultrasound. Values beyond 8 bits are scaled as
    ``scale_to_uint8`` says. Raises ``InputError`` naming the file where it is missing, damaged, or of several frames,
    and for what is not a path.
    """
    stored, _ = _read_pixels(as_path(path))
    pixels = scale_to_uint8(stored)
    return np.repeat(pixels[:, :, None], 3, axis=2) if pixels.ndim == 2 else pixels


def read_record_image(record: ImageRecord) -> Image:
    """The image of a record, as ``read_image``; ``InputError`` too where it has changed or is of another size."""
    with unchanged(record.path, record.state):
        image = read_image(record.path)
    if image.shape[:2] != (record.height, record.width):
        raise InputError(
            f"{record.path}: {image.shape[1]} x {image.shape[0]} pixels, but the CSV says {record.width} x "
            f"{record.height}; correct image_width and image_height"
        )
    return image


def image_size(path: str | Path) -> tuple[int, int]:
    """(width, height) in pixels of the stored image, read from the file's head only; errors as for ``read_image``."""
    with _opened(as_path(path)) as picture:
        return picture.size


def read_mask(reference: MaskReference) -> Mask:
    """The (H, W) bool mask of a reference; errors as for ``read_mask_file`` and ``MaskFile.select``, and where the
    file has changed.
    """
    with unchanged(reference.path, reference.state):
        mask_file = read_mask_file(reference.path)
    if reference.resized_to is not None:
        mask_file = mask_file.resized(reference.resized_to)
    return mask_file.select(reference.value)


@dataclass(frozen=True, eq=False)
class MaskFile:
    """A mask file that was read once and can answer for several values.

    foreground: (H, W) bool, as ``gdinousam.data.masks`` says. values: (H, W) stored grey values or palette
    indices, ``None`` for a colour mask, which has no grey values. is_doubtful: that foreground may be meant otherwise.
    """

    path: Path
    foreground: Mask
    values: npt.NDArray[Any] | None
    is_doubtful: bool = False

    def select(self, value: int | None) -> Mask:
        """(H, W) bool: pixels of the grey value, or all foreground for ``None``; ``InputError`` for a colour mask."""
        if value is None:
            return self.foreground
        if self.values is None:
            raise InputError(f"{self.path}: a colour mask has no grey value {value}; store it grey, or drop #{value}")
        return np.asarray(self.values == value)

    def resized(self, size: tuple[int, int]) -> MaskFile:
        """The same mask at another size, as the paper's public test scripts resize it: itself where it has that size.

        size: (width, height). Grey values go through Pillow's default filter, bicubic, and whatever is not black then
        is foreground, so that outlines grow a little; grey values that name an object take the nearest pixel.
        """
        height, width = self.foreground.shape
        if (width, height) == size:
            return self
        grey = self.values if self.values is not None and self.values.dtype == np.uint8 else 255 * self.foreground
        picture = PIL.Image.fromarray(np.asarray(grey, dtype=np.uint8))
        values = None
        if self.values is not None:
            values = cv2.resize(self.values, size, interpolation=cv2.INTER_NEAREST_EXACT)
        return MaskFile(self.path, np.asarray(picture.resize(size)) != 0, values, self.is_doubtful)


def read_mask_file(path: str | Path) -> MaskFile:
    """Read a mask file without scaling its values.

    What is foreground says ``gdinousam.data.masks``; that a mask was cut at half range, or may be meant otherwise, is
    logged once for its folder. 1-, 2- and 4-bit grey files hold their values spread over [0, 255], as shown.
    Errors as for ``read_image``.
    """
    path = as_path(path)
    pixels, values = _read_pixels(path)
    grey_hw = pixels if pixels.ndim == 2 else pixels.max(axis=2)
    mask_hw, is_cut, is_doubtful = foreground(grey_hw, may_be_labels=path.suffix.lower() not in JPEG_SUFFIXES)
    if is_cut or is_doubtful:
        _say_once(path.parent, _CUT if is_cut else _DOUBTFUL)
    if values is None and (pixels.ndim == 2 or (pixels == pixels[:, :, :1]).all()):
        values = grey_hw  # also where grey is stored as colour
    return MaskFile(path, mask_hw, values, is_doubtful)


def _say_once(folder: Path, what: str) -> None:
    with _SAID_LOCK:  # the checker reads masks in several threads
        if (folder, what) in _SAID:
            return
        _SAID.add((folder, what))
    logger.warning("%s: has masks %s", folder, what)


def union_mask(instances: Iterable[Instance], size_hw: tuple[int, int]) -> Mask:
    """The pixels that belong to any of the instances.

    size_hw: (height, width) of the image. Returns (H, W) bool, all false without instances. Each mask file is read
    once. Raises ``InputError`` for an instance without a mask and for a mask that has changed or is of another size.
    """
    union = np.zeros(size_hw, dtype=bool)
    references_of_file: dict[Path, set[MaskReference]] = {}
    for instance in instances:
        if instance.mask is None:
            raise InputError(f"the box {instance.box_xywh} of {instance.phrase!r} has no mask; give the mask folder")
        references_of_file.setdefault(instance.mask.path, set()).add(instance.mask)
    for path, references in references_of_file.items():
        with unchanged(path, next(iter(references)).state):
            mask_file = read_mask_file(path)
        if all(reference.resized_to is not None for reference in references):
            mask_file = mask_file.resized((size_hw[1], size_hw[0]))
        if mask_file.foreground.shape != tuple(size_hw):
            height, width = mask_file.foreground.shape
            raise InputError(f"{path}: mask of {width} x {height} for an image of {size_hw[1]} x {size_hw[0]}")
        for reference in references:
            union |= mask_file.select(reference.value)
    return union


def scale_to_uint8(pixels: Pixels, value_range: tuple[float, float] | None = None) -> npt.NDArray[np.uint8]:
    """Bring stored values to [0, 255] such that black stays black and no picture goes dark for its depth alone.

    pixels: any shape, finite. value_range: lowest and highest value of the series or volume that the pixels are part
    of, so that all its pictures are scaled alike; ``None``: those of the pixels. 8-bit values stay as they are.
    Integers of 0 and more are divided by the power of two that fits their maximum into 8 bits: 8-bit values in a 16-bit
    file stay as they are, 12-bit values are divided by 16, full 16-bit values by 256. Unlike a stretch from minimum to
    maximum this keeps dark pictures dark and, as a rule, the frames of one series alike. Floats within [0, 1] are
    multiplied by 255; other floats of 0 and more, which have no natural full scale, by the power of two that brings
    their maximum into [128, 256). Where values are negative, so that zero is not black (decibels), minimum to maximum
    is stretched to [0, 255].
    """
    if pixels.dtype == np.uint8:
        return pixels
    lowest, highest = value_range or (float(pixels.min()), float(pixels.max()))
    values = pixels.astype(np.float64)
    if lowest < 0:
        values = (values - lowest) * (255 / (highest - lowest or 1.0))
    elif pixels.dtype.kind == "f" and highest <= 1:
        values = values * 255
    else:
        _, num_bits = math.frexp(highest)
        values = np.floor(values * 2.0 ** (8 - (num_bits if pixels.dtype.kind == "f" else max(num_bits, 8))))
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _read_pixels(path: Path) -> tuple[Pixels, Pixels | None]:
    """The pixels without scaling, and for a palette file its (H, W) indices too: the labels of a coloured label map."""
    with _opened(path) as picture:
        deep_colour = _has_deep_colour(picture, path)
        picture.load()  # decodes, and unlike OpenCV's decoder notices a cut-off file
        indices = np.array(picture) if picture.mode == "P" else None
        if deep_colour:
            is_opacity = picture.format != "TIFF" or tiff_layouts.is_opacity(picture.tag_v2)  # type: ignore[attr-defined]
            pixels = _read_deep_colour(path, is_opacity)
        elif picture.mode in (*SCALED_MODES, "L") and picture.format == "TIFF":
            pixels = tiff_layouts.as_stored(np.array(picture), picture.tag_v2)  # type: ignore[attr-defined]
        elif picture.mode in SCALED_MODES:
            pixels = np.array(picture)
        elif picture.has_transparency_data:
            pixels = np.array(on_black(picture))
        else:
            pixels = np.array(picture.convert("L" if picture.mode in ("1", "L") else "RGB"))
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise InputError(f"{path}: holds nan or infinite pixels; replace them")
    return pixels, indices


@contextmanager
def _opened(path: Path) -> Iterator[PIL.Image.Image]:
    missing = "no such image file; check the name and the folder"
    with reading(path, "an image", missing=missing), _named(path), PIL.Image.open(path) as picture:
        num_frames = getattr(picture, "n_frames", 1)
        # A camera's MPO file is a JPEG with further views behind the picture itself.
        if num_frames > 1 and picture.format != "MPO":
            raise InputError(f"{path}: holds {num_frames} frames; save the one that is meant as its own file")
        if picture.format == "TIFF" and (why := tiff_layouts.trouble(picture.tag_v2)):  # type: ignore[attr-defined]
            raise InputError(f"{path}: {why}")
        yield picture


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Say what Pillow does not: of a TIFF that it does not recognise what it is, of too large a picture what to do."""
    try:
        yield
    except PIL.Image.DecompressionBombError as error:
        largest = 2 * (PIL.Image.MAX_IMAGE_PIXELS or 0)
        reason = f"more than {largest // 1_000_000} million pixels"
        raise unreadable(path, "an image", reason, "make the picture smaller") from error
    except PIL.UnidentifiedImageError as error:
        if not tiff_layouts.is_tiff(path):
            raise
        reason = "a TIFF that is damaged or of a layout that is not known here; another program may save it as PNG"
        raise unreadable(path, "an image", reason) from error


def _has_deep_colour(picture: PIL.Image.Image, path: Path) -> bool:
    """Whether the file has several channels of more than 8 bits, of which Pillow keeps the upper 8 bits only."""
    if picture.format == "PNG" and picture.mode in ("RGB", "RGBA", "LA"):
        with path.open("rb") as file:
            return file.read(PNG_BIT_DEPTH_BYTE + 1)[PNG_BIT_DEPTH_BYTE] > 8
    if picture.format == "TIFF":
        bits = picture.tag_v2.get(TIFF_BITS_PER_SAMPLE, (1,))  # type: ignore[attr-defined]
        return len(bits) > 1 and max(bits) > 8
    return False


def _read_deep_colour(path: Path, is_opacity: bool) -> Pixels:
    pixels = cv2.imdecode(np.frombuffer(path.read_bytes(), dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16 or pixels.ndim != 3:
        raise OSError("colours of more than 8 bits, but not 16, or compressed in a way that is not known")
    colours = pixels[:, :, 2::-1]  # OpenCV stores blue, green, red, alpha
    if pixels.shape[2] == 4 and is_opacity:
        opacity = pixels[:, :, 3:] / np.iinfo(np.uint16).max
        colours = np.rint(colours * opacity).astype(np.uint16)
    return np.ascontiguousarray(colours)


def on_black(picture: PIL.Image.Image) -> PIL.Image.Image:
    """An RGB picture with the transparent parts of another one laid on black, the background of ultrasound."""
    layer = picture.convert("RGBA")
    black = PIL.Image.new("RGBA", layer.size, (0, 0, 0, 255))
    return PIL.Image.alpha_composite(black, layer).convert("RGB")
