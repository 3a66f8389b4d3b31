"""What callers give as images and phrases, brought into one form before any model runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt
import PIL.Image
import torch

from gdinousam.data.sources.medical.frames import Spacing
from gdinousam.errors import InputError
from gdinousam.identity import spellings
from gdinousam.inputs import as_images, as_phrases, as_texts
from gdinousam.prediction.sources import Clip, Picture, open_source
from gdinousam.prompts import caption_form
from gdinousam.records import BoxXYXY, Image

OneImage: TypeAlias = str | Path | BinaryIO | Picture | PIL.Image.Image | npt.NDArray[Any] | torch.Tensor
Phrases: TypeAlias = str | Sequence[str] | Sequence[Sequence[str]]
_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://")


@dataclass(frozen=True, eq=False)
class Given:
    """One image as it goes to a model.

    image: (H, W, 3) uint8 RGB. name: of its file without the folder, or ``image 3``. spacing_mm: (across, down)
    millimetres from one pixel to the next, ``None`` where unknown. views: its parts to segment, (x0, y0, x1, y1);
    ``None``: the whole image. notes: what its file tells of them, a sentence each.
    """

    image: Image
    name: str
    spacing_mm: Spacing | None = None
    views: tuple[BoxXYXY, ...] | None = None
    notes: tuple[str, ...] = ()


def read_given(images: Sequence[OneImage]) -> list[Given]:
    """Read and convert images of every kind that ``Segmenter.predict`` takes.

    Raises InputError, with the name or the place, for what is none, cannot be read, or holds several frames.
    """
    given = [_read_one(one, number) for number, one in enumerate(images, start=1)]
    pixels = as_images([one.image for one in given])
    return [replace(one, image=image) for one, image in zip(given, pixels, strict=True)]


def phrases_of_images(phrases: Phrases, num_images: int) -> list[tuple[str, ...]]:
    """For each image its phrases, as written, each that names the same thing once.

    phrases: one phrase, a list for all images, or one list for each. Raises InputError for a phrase that cannot be
    asked, for no phrase at all, and where there is not one list for each image.
    """
    if isinstance(phrases, str):
        rows: list[tuple[str, ...]] = [(phrases,)] * num_images
    elif isinstance(phrases, list | tuple) and phrases and not isinstance(phrases[0], str):
        rows = as_phrases(phrases, num_images)
    else:
        rows = [as_texts(phrases, "phrases")] * num_images
    if num_images and not any(rows):
        raise InputError("phrases is empty; name at least one thing to look for, such as 'cyst'")
    for phrase in {phrase for row in rows for phrase in row}:
        caption_form(phrase)  # refuses what cannot be asked
    return [tuple(dict.fromkeys(spellings(row, of_phrases=True).values())) for row in rows]


def _read_one(one: Any, number: int) -> Given:
    name = f"image {number}"
    if isinstance(one, str) and _URL.match(one):
        raise InputError(f"{one} is an address on the web, which is not fetched; download it and give the file")
    if isinstance(one, Picture):
        return Given(one.image, one.name, one.spacing_mm, one.views, one.notes)
    if isinstance(one, str | Path) or hasattr(one, "read"):
        source = open_source(one, name)
        if isinstance(source, Clip):
            path = one if isinstance(one, str | Path) else source.name
            raise InputError(f"{path}: holds {len(source)} frames, not one picture; use predict_clip")
        return _read_one(source, number)
    return Given(_channels_last(one) if isinstance(one, torch.Tensor) else one, name)


def _channels_last(tensor: torch.Tensor) -> npt.NDArray[Any]:
    """A tensor of any device as an array, (3, H, W) as (H, W, 3)."""
    values = tensor.detach().cpu()
    if values.dtype in (torch.float16, torch.bfloat16):  # numpy has no bfloat16
        values = values.float()
    array = np.asarray(values)
    is_channels_first = array.ndim == 3 and array.shape[0] in (1, 3) and array.shape[2] not in (1, 3)
    return np.ascontiguousarray(array.transpose(1, 2, 0)) if is_channels_first else array
