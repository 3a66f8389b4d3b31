"""The ways in which a picture may have been changed before it came into a dataset a second time."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial

import numpy as np
import PIL.Image

from gdinousam.records import Image

Alteration = Callable[[Image, np.random.Generator], Image]
Margins = tuple[float, float, float, float]  # top, bottom, left, right, as fractions of height and width

MOST = 0.1  # of a side, for margins that are drawn


def jpeg_at_half_size(image: Image, _: np.random.Generator) -> Image:
    """Half as high and wide, and JPEG of quality 60."""
    return _as_jpeg(np.asarray(PIL.Image.fromarray(image).reduce(2)))


def gamma(image: Image, _: np.random.Generator, exponent: float) -> Image:
    """Darker where the exponent is above 1."""
    return np.rint(255 * (image / 255.0) ** exponent).astype(np.uint8)


def noise(image: Image, generator: np.random.Generator) -> Image:
    """Normal noise of 10 grey values, the same in all channels."""
    grain = generator.normal(0, 10, (*image.shape[:2], 1))
    return np.clip(image + grain, 0, 255).astype(np.uint8)


def crop(image: Image, generator: np.random.Generator, margins: Margins | None = None) -> Image:
    """Without its margins. margins: ``None`` draws each up to 10 %."""
    top, bottom, left, right = _pixels(image, generator, margins)
    height, width = image.shape[:2]
    return np.ascontiguousarray(image[top : height - bottom, left : width - right])


def border(image: Image, generator: np.random.Generator, grey: int, margins: Margins | None = None) -> Image:
    """With margins of one grey value round it. margins: ``None`` draws each up to 10 %."""
    top, bottom, left, right = _pixels(image, generator, margins)
    return np.pad(image, ((top, bottom), (left, right), (0, 0)), constant_values=grey)


def mirror(image: Image, _: np.random.Generator) -> Image:
    """Left and right swapped."""
    return np.ascontiguousarray(image[:, ::-1])


def crop_mirrored_as_jpeg(image: Image, generator: np.random.Generator) -> Image:
    """Cropped by up to 10 % at each side, mirrored and recompressed."""
    return _as_jpeg(mirror(crop(image, generator), generator))


def _all_sides(margin: float) -> Margins:
    return margin, margin, margin, margin


ALTERATIONS: dict[str, Alteration] = {
    "JPEG of quality 60 at half size": jpeg_at_half_size,
    "gamma 0.7": partial(gamma, exponent=0.7),
    "gamma 1.4": partial(gamma, exponent=1.4),
    "noise of 10 grey values": noise,
    "crop, 1 % at each side": partial(crop, margins=_all_sides(0.01)),
    "crop, 4 % at each side": partial(crop, margins=_all_sides(0.04)),
    "crop, 7 % at each side": partial(crop, margins=_all_sides(0.07)),
    "crop, 10 % at each side": partial(crop, margins=_all_sides(0.1)),
    "crop, 10 % at the top": partial(crop, margins=(0.1, 0.0, 0.0, 0.0)),
    "crop, up to 10 % at each side": crop,
    "black border, 5 % at each side": partial(border, grey=0, margins=_all_sides(0.05)),
    "black border, 10 % at each side": partial(border, grey=0, margins=_all_sides(0.1)),
    "white border, 10 % at each side": partial(border, grey=255, margins=_all_sides(0.1)),
    "grey border, up to 10 % at each side": partial(border, grey=128),
    "mirrored": mirror,
    "crop, up to 10 %, mirrored, JPEG of quality 60": crop_mirrored_as_jpeg,
}


def _pixels(image: Image, generator: np.random.Generator, margins: Margins | None) -> tuple[int, int, int, int]:
    height, width = image.shape[:2]
    top, bottom, left, right = generator.uniform(0, MOST, 4) if margins is None else margins
    return round(top * height), round(bottom * height), round(left * width), round(right * width)


def _as_jpeg(image: Image) -> Image:
    file = io.BytesIO()
    PIL.Image.fromarray(image).save(file, "JPEG", quality=60)
    return np.asarray(PIL.Image.open(file))
