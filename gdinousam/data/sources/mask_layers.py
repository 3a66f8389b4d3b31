"""Several objects of one image as label files: which file and which value each one gets.

Objects of two phrases never share a file, so that "any non-zero pixel" still means one phrase to a reader that ignores
values. Objects of one phrase share a file as long as they do not touch a common pixel.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gdinousam.records import Mask

LabelMap = npt.NDArray[np.uint8]  # (H, W)

HIGHEST_VALUE = 255
MAX_INSTANCES = 254  # per file: values 255 to 2
MAX_SLUG = 60  # characters; file systems allow 255 bytes for the whole name


class LayeredMasks(NamedTuple):
    """files: (H, W) uint8 by file name, 0 where nothing is. mask_names: ``FILE#VALUE`` of each object, as given."""

    files: dict[str, LabelMap]
    mask_names: list[str]


def layer_masks(instances: Sequence[tuple[str, Mask]], stem: str) -> LayeredMasks:
    """Lay the objects of one image into as few label files as their phrases and overlaps allow.

    instances: phrase and (H, W) bool mask of each object, all masks of one size. stem: of the file names, usually the
    image's; files of two images never share a name where no stem holds a dot.
    The first file is ``STEM.png`` if there is one phrase only, otherwise ``STEM.SLUG.png`` for every phrase; an object
    that overlaps an earlier one goes to ``STEM.2.png`` or ``STEM.SLUG.2.png``, and so on. Values fall from 255 within
    a file. The same objects in the same order give the same files; no objects give no files. Raises ``ValueError`` for
    a mask without a pixel and for masks of two sizes.
    """
    _check(instances, stem)
    phrases = list(dict.fromkeys(phrase for phrase, _ in instances))
    slugs = phrase_slugs(phrases)
    layers_of_phrase: dict[str, list[LabelMap]] = {phrase: [] for phrase in phrases}
    files: dict[str, LabelMap] = {}
    mask_names = []
    for phrase, mask_hw in instances:
        layers = layers_of_phrase[phrase]
        place, value = _place(mask_hw, layers)
        layers[place][mask_hw] = value
        prefix = stem if len(phrases) == 1 else f"{stem}.{slugs[phrase]}"
        name = f"{prefix}.png" if place == 0 else f"{prefix}.{place + 1}.png"
        files[name] = layers[place]
        mask_names.append(f"{name}#{value}")
    return LayeredMasks(files, mask_names)


def phrase_slugs(phrases: Iterable[str]) -> dict[str, str]:
    """A part of a file name for each distinct phrase: lower-case letters, digits and dashes; no two are equal.

    Letters lose their accents; a phrase of nothing else becomes ``phrase``. Equal ones get ``-2``, ``-3`` in order.
    """
    slugs: dict[str, str] = {}
    taken: set[str] = set()
    for phrase in dict.fromkeys(phrases):
        plain = unicodedata.normalize("NFKD", phrase).encode("ascii", "ignore").decode().lower()
        base = re.sub(r"[^a-z0-9]+", "-", plain)[:MAX_SLUG].strip("-") or "phrase"
        slug, number = base, 1
        while slug in taken:
            number += 1
            slug = f"{base}-{number}"
        taken.add(slug)
        slugs[phrase] = slug
    return slugs


def _check(instances: Sequence[tuple[str, Mask]], stem: str) -> None:
    for index, (phrase, mask_hw) in enumerate(instances):
        if mask_hw.shape != instances[0][1].shape:
            raise ValueError(f"{stem}: masks of sizes {instances[0][1].shape} and {mask_hw.shape}; bring them to one")
        if not mask_hw.any():
            raise ValueError(f"{stem}: mask {index} ({phrase!r}) holds no pixel; leave it out")


def _place(mask_hw: Mask, layers: list[LabelMap]) -> tuple[int, int]:
    """Index of the first layer that has room for the mask, which may be a new one, and the mask's value there."""
    for index, layer in enumerate(layers):
        lowest = int(layer.min(where=layer > 0, initial=HIGHEST_VALUE))
        if lowest > HIGHEST_VALUE + 1 - MAX_INSTANCES and not layer[mask_hw].any():
            return index, lowest - 1
    layers.append(np.zeros(mask_hw.shape, dtype=np.uint8))
    return len(layers) - 1, HIGHEST_VALUE
