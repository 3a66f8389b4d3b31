"""What callers may pass as images, phrases, hints and settings, checked once where they call.

Every public function of the models and baselines hands its arguments through here first, so that what is passed on is
exactly what the inner code expects. What can mean one thing only is taken (a PIL image, a grey array, floats in
[0, 1]); everything else is an InputError that says what was given, where, and what is wanted. Nothing is copied that
is right already.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
import PIL.Image

from gdinousam.errors import InputError
from gdinousam.reading import reason_of
from gdinousam.records import Click, Hint, Image

if TYPE_CHECKING:
    from gdinousam.settings import Settings

# Pillow's modes of 8 bits a channel that have one meaning as RGB
_PLAIN_MODES = ("1", "L", "P", "RGB", "CMYK", "YCbCr")
_WANTED = "give (H, W, 3) uint8 RGB as gdinousam.read_image returns it"
_LISTED = "give a list of phrases for each image, such as [['cyst'], ['liver', 'kidney']]"
_NUM_COORDINATES = 4
_LONGEST_SHOWN = 40

Group = TypeVar("Group", bound="Settings")


def as_images(images: object) -> list[Image]:
    """The images of a call as (H, W, 3) uint8 RGB arrays.

    images: a list, tuple or (N, H, W, 3) array of images, each a PIL image of 8 bits, or an array (H, W, 3), (H, W, 1)
    or (H, W): whole numbers in [0, 255], or floats in [0, 1], which are multiplied by 255 and rounded. Raises
    InputError, with the place in the list, for anything else; for one image without a list too.
    """
    if isinstance(images, PIL.Image.Image) or (isinstance(images, np.ndarray) and images.ndim in (2, 3)):
        raise InputError("images is one image; put it into a list, as in segment([image], [['cyst']])")
    return [_as_image(one, f"images[{place}]") for place, one in enumerate(_listed(images, "images", "images"))]


def as_phrases(phrases: object, num_images: int, name: str = "phrases") -> list[tuple[str, ...]]:
    """The phrases of a call: for each image its own, as given.

    Raises InputError for a text where a list of texts belongs, whose letters would be asked for one by one, for what is
    no text, and where there is not one list for each image.
    """
    if isinstance(phrases, str):
        raise InputError(f"{name} is the text {phrases!r}; {_LISTED}")
    rows = _listed(phrases, name, "lists of phrases")
    for place, row in enumerate(rows):
        if isinstance(row, str):
            raise InputError(f"{name}[{place}] is the text {row!r}, not a list of phrases; {_LISTED}")
    if len(rows) != num_images:
        raise InputError(f"{num_images} images but {name} of {len(rows)}; give the {name} of every image")
    return [as_texts(row, f"{name}[{place}]") for place, row in enumerate(rows)]


def as_texts(texts: object, name: str) -> tuple[str, ...]:
    """A list of phrases, as given; InputError for a single text and for what is not text."""
    if isinstance(texts, str):
        raise InputError(f"{name} is the text {texts!r}; give a list of phrases, such as ['cyst']")
    row = _listed(texts, name, "phrases")
    for place, phrase in enumerate(row):
        if not isinstance(phrase, str):
            raise InputError(f"{name}[{place}] is {_described(phrase)}, not a text; {_LISTED}")
    return tuple(row)


def as_hints(hints: object, num_images: int) -> list[tuple[Hint, ...]]:
    """The hints of a call: for each image its own, as given, their boxes and clicks checked.

    Raises InputError for what is not a hint, for a box that is not four finite numbers (x0, y0, x1, y1) in rising
    order, for a click that is none or not finite, and where there is not one list for each image.
    """
    rows = _listed(hints, "hints", "lists of hints")
    if len(rows) != num_images:
        raise InputError(f"{num_images} images but hints of {len(rows)}; give the hints of every image")
    return [
        tuple(
            _as_hint(hint, f"hints[{place}][{number}]")
            for number, hint in enumerate(_listed(row, f"hints[{place}]", "hints"))
        )
        for place, row in enumerate(rows)
    ]


def as_boxes(boxes_xyxy: object, num_images: int) -> list[npt.NDArray[np.float32]]:
    """The boxes of a call: for each image (N, 4) float32, from a tensor, an array or a list of boxes; N may be 0.

    Raises InputError as ``as_hints`` does.
    """
    rows = _listed(boxes_xyxy, "boxes_xyxy", "boxes")
    if len(rows) != num_images:
        raise InputError(f"{num_images} images but boxes of {len(rows)}; give the boxes of every image")
    return [_as_boxes_of_image(row, f"boxes_xyxy[{place}]") for place, row in enumerate(rows)]


def as_path(path: object) -> Path:
    """The path of a file; InputError for anything else, such as an image that was read already."""
    if not isinstance(path, str | Path):
        raise InputError(f"a path is wanted, {_described(path)} was given; give the file's name as text or Path")
    return Path(path)


def as_settings(settings: object, kind: type[Group], name: str) -> Group | None:
    """A group of settings, also from its keys and values in a mapping; ``None`` stays ``None``.

    Raises InputError for another type, an unknown key or a value that is not allowed.
    """
    if settings is None or isinstance(settings, kind):
        return settings
    if not isinstance(settings, Mapping):
        raise InputError(f"{name} is {_described(settings)}; give {kind.__name__}(...)")
    from pydantic import ValidationError  # here, because gdinousam.client runs without it

    try:
        return kind.model_validate(dict(settings))
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, (name, *problem["loc"])))
        raise InputError(f"{key} = {problem['input']!r}: {problem['msg']}") from error


def _as_image(image: object, name: str) -> Image:
    if isinstance(image, PIL.Image.Image):
        return _from_pillow(image, name)
    if isinstance(image, str | Path):
        raise InputError(f"{name} is the path {str(image)!r}; read it with gdinousam.read_image")
    if not isinstance(image, np.ndarray):
        raise InputError(f"{name} is {_described(image)}; {_WANTED}")
    _check_shape(image, name)
    pixels = image if image.dtype == np.uint8 else _as_bytes(image, name)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    return pixels if pixels.shape[2] == 3 else np.repeat(pixels, 3, axis=2)


def _from_pillow(picture: PIL.Image.Image, name: str) -> Image:
    if picture.mode not in _PLAIN_MODES or picture.has_transparency_data:
        what = "with transparent parts" if picture.has_transparency_data else f"of mode {picture.mode}"
        raise InputError(f"{name} is a PIL image {what}; read its file with gdinousam.read_image, or convert it to RGB")
    if 0 in picture.size:
        raise InputError(f"{name} is a PIL image of {picture.width} x {picture.height} pixels; {_WANTED}")
    try:
        return np.array(picture.convert("RGB"))
    except Exception as error:  # Pillow decodes as late as here
        raise InputError(f"{name}: the PIL image cannot be decoded ({reason_of(error)}); give another") from error


def _check_shape(image: npt.NDArray[Any], name: str) -> None:
    shape = " x ".join(map(str, image.shape)) or "no axis"
    if image.ndim == 3 and image.shape[0] in (1, 3) and image.shape[2] not in (1, 3):
        raise InputError(f"{name} has shape {shape}, channels first; {_WANTED}, here by image.transpose(1, 2, 0)")
    if image.ndim == 3 and image.shape[2] == 4:
        raise InputError(f"{name} has shape {shape}, four channels; {_WANTED}, without an alpha channel")
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3)) or 0 in image.shape:
        raise InputError(f"{name} has shape {shape}; {_WANTED}, or (H, W) grey")


def _as_bytes(image: npt.NDArray[Any], name: str) -> npt.NDArray[np.uint8]:
    """Whole numbers in [0, 255] and floats in [0, 1] as uint8."""
    if image.dtype.kind not in "iuf":
        raise InputError(f"{name} has dtype {image.dtype}; {_WANTED}")
    lowest, highest = float(image.min()), float(image.max())
    limit = 1 if image.dtype.kind == "f" else 255
    if not (lowest >= 0 and highest <= limit):  # also where one is nan
        kind = "floats" if limit == 1 else "whole numbers"
        raise InputError(
            f"{name} has dtype {image.dtype} and values in [{lowest:g}, {highest:g}]; {kind} are taken in "
            f"[0, {limit}]: scale them, or {_WANTED}"
        )
    return np.rint(image * 255.0).astype(np.uint8) if limit == 1 else image.astype(np.uint8)


def _as_hint(hint: object, name: str) -> Hint:
    if not isinstance(hint, Hint):
        raise InputError(f"{name} is {_described(hint)}; give gdinousam.records.Hint(phrase, (x0, y0, x1, y1))")
    if not isinstance(hint.phrase, str):
        raise InputError(f"{name} has {_described(hint.phrase)} as its phrase; give a text")
    for click in _listed(hint.clicks, f"{name}.clicks", "clicks"):
        if not isinstance(click, Click) or not _are_finite((click.x, click.y)):
            raise InputError(f"{name} has the click {click!r}; give gdinousam.records.Click(x, y) in pixels")
    if hint.box_xyxy is None:
        return hint
    edges = _as_boxes_of_image([hint.box_xyxy], name)
    if isinstance(hint.box_xyxy, tuple):
        return hint
    x0, y0, x1, y1 = edges[0].tolist()
    return replace(hint, box_xyxy=(x0, y0, x1, y1))


def _as_boxes_of_image(boxes_xyxy: Any, name: str) -> npt.NDArray[np.float32]:
    try:
        on_processor = boxes_xyxy.cpu() if hasattr(boxes_xyxy, "cpu") else boxes_xyxy  # a tensor may lie elsewhere
        boxes = np.asarray(on_processor, dtype=np.float32)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{name} is {_described(boxes_xyxy)}; give boxes (x0, y0, x1, y1) in pixels") from error
    if not boxes.size:
        return np.zeros((0, _NUM_COORDINATES), dtype=np.float32)
    if boxes.ndim != 2 or boxes.shape[1] != _NUM_COORDINATES:
        raise InputError(f"{name} has shape {boxes.shape}; give boxes (x0, y0, x1, y1), one in a row: (N, 4)")
    wrong = ~(np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] >= boxes[:, :2]).all(axis=1))
    if wrong.any():
        box = ", ".join(f"{edge:g}" for edge in boxes[wrong][0].tolist())
        raise InputError(
            f"{name} has the box ({box}); give (x0, y0, x1, y1), all finite, x0 <= x1 and y0 <= y1; it is not "
            "(x, y, width, height)"
        )
    return boxes


def _are_finite(numbers: Iterable[Any]) -> bool:
    return all(isinstance(one, int | float | np.number) and math.isfinite(one) for one in numbers)


def _listed(values: Any, name: str, of_what: str) -> Sequence[Any]:
    """The values as they are where they have an order and a length."""
    if hasattr(values, "__len__") and hasattr(values, "__getitem__") and not isinstance(values, str | bytes | Mapping):
        listed: Sequence[Any] = values
        return listed
    raise InputError(f"{name} is {_described(values)}; give a list of {of_what}")


def _described(value: object) -> str:
    if value is None:
        return "None"
    shape = getattr(value, "shape", None)  # of arrays and tensors of every library
    if shape is not None:
        return f"a {type(value).__name__} of shape {tuple(shape)}"
    text = repr(value)
    is_short = len(text) <= _LONGEST_SHOWN and "\n" not in text
    return f"{text} ({type(value).__name__})" if is_short else f"of type {type(value).__name__}"
