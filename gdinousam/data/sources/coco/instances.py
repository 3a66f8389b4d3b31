"""The annotations of one COCO image as objects of the contract: a phrase, a box, and a mask where there is one."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gdinousam.data.contract.check_rows import BOX_SLACK
from gdinousam.data.masks import tight_box_xywh
from gdinousam.data.sources.coco.reading import CocoAnnotation, CocoImage
from gdinousam.data.sources.coco.segmentation import decode_segmentation
from gdinousam.errors import InputError
from gdinousam.identity import has_no_text, spellings
from gdinousam.records import BoxXYWH, Mask
from gdinousam.yaml_files import read_yaml


def read_phrase_mapping(path: str | Path) -> dict[str, str]:
    """Read a YAML file of lines ``category name: phrase``.

    Raises ``InputError`` for a file that is missing, no YAML, or anything but a mapping of texts to texts.
    """
    content = read_yaml(Path(path), missing=f"{path}: no such file; give a YAML file of lines NAME: PHRASE")
    if not isinstance(content, dict) or not content:
        raise InputError(f"{path}: holds no mapping; write lines NAME: PHRASE, one for each category to rename")
    for name, phrase in content.items():
        if not isinstance(name, str) or not isinstance(phrase, str) or has_no_text(name + phrase):
            raise InputError(f"{path}: {name!r}: {phrase!r} are not two texts; put both in quotes")
    return content


def phrase_of_categories(categories: Sequence[str], mapping: Mapping[str, str]) -> dict[str, str]:
    """The phrase of every category.

    mapping: of the names that are not phrases; may be empty; two names may get the same phrase, and those that read
    alike get one spelling. Raises ``InputError``
    for a name that is not a category, and for a phrase without a letter or digit.
    """
    for name in mapping:
        if name not in categories:
            nearest = difflib.get_close_matches(name, categories, n=1)
            hint = f"did you mean {nearest[0]!r}" if nearest else f"they are {', '.join(map(repr, categories))}"
            raise InputError(f"phrases: {name!r} is not a category of the file; {hint}")
    phrase_of = {name: mapping.get(name, name) for name in categories}
    spelling_of = spellings(phrase_of.values(), of_phrases=True)
    phrase_of = {name: spelling_of[phrase] for name, phrase in phrase_of.items()}
    for name, phrase in phrase_of.items():
        if not any(character.isalnum() for character in phrase):
            raise InputError(f"phrases: category {name!r} has the phrase {phrase!r}; map it to one with letters")
    return phrase_of


# what was changed
BOX_CUT = "boxes cut to the image"
BOX_FROM_MASK = "boxes taken from the mask, where none with an area was given"
MASK_EMPTY = "masks without a pixel, of which the box was kept"
CROWD = "crowd regions, taken as one object each"
CHANGES = (BOX_CUT, BOX_FROM_MASK, MASK_EMPTY, CROWD)
# what was left out
NO_AREA = "annotations with neither a pixel nor a box with an area"
REPEATED = "annotations that repeat another"


@dataclass(frozen=True, eq=False)
class CocoInstance:
    """One object. box_xywh: inside the image, in pixels. mask_hw: (H, W) bool, not empty, or ``None``."""

    phrase: str
    box_xywh: BoxXYWH
    mask_hw: Mask | None


def read_instances(
    image: CocoImage, size_hw: tuple[int, int], phrase_of: Mapping[str, str]
) -> tuple[list[CocoInstance], Counter[str]]:
    """Decode the annotations of an image, in order.

    size_hw: (height, width) of the image file. phrase_of: the phrase of each category. A box is the given one; it is
    cut where it leaves the image, and taken from the mask where it is missing or has no area. Returns the objects,
    none without annotations, and how often each of the remarks above applies. Raises ``InputError`` naming image and
    annotation for a segmentation that cannot be decoded.
    """
    found: list[CocoInstance] = []
    remarks: Counter[str] = Counter()
    seen: set[tuple[object, ...]] = set()
    for annotation in image.annotations:
        mask_hw = _mask(annotation, image, size_hw)
        box_xywh = _box(annotation, mask_hw, size_hw, remarks)
        if box_xywh is None:
            remarks[NO_AREA] += 1
            continue
        if mask_hw is not None and not mask_hw.any():
            remarks[MASK_EMPTY] += 1
            mask_hw = None
        phrase = phrase_of[annotation.category]
        identity = (phrase, box_xywh, None if mask_hw is None else np.packbits(mask_hw).tobytes())
        if identity in seen:
            remarks[REPEATED] += 1
            continue
        seen.add(identity)
        remarks[CROWD] += annotation.is_crowd
        found.append(CocoInstance(phrase, box_xywh, mask_hw))
    return found, remarks


def _mask(annotation: CocoAnnotation, image: CocoImage, size_hw: tuple[int, int]) -> Mask | None:
    try:
        return decode_segmentation(annotation.segmentation, size_hw)
    except ValueError as error:
        raise InputError(f"{image.file_name}, {annotation.label}: {error}; fix it or export the file again") from error


def _box(
    annotation: CocoAnnotation, mask_hw: Mask | None, size_hw: tuple[int, int], remarks: Counter[str]
) -> BoxXYWH | None:
    if annotation.box_xywh is not None:
        box_xywh = _inside(annotation.box_xywh, size_hw)
        if min(box_xywh[2:]) > 0:
            remarks[BOX_CUT] += box_xywh != annotation.box_xywh
            return box_xywh
    if mask_hw is not None and mask_hw.any():
        remarks[BOX_FROM_MASK] += 1
        return tight_box_xywh(mask_hw)
    return None


def _inside(box_xywh: BoxXYWH, size_hw: tuple[int, int]) -> BoxXYWH:
    """The box as it is where it lies inside the image, else its part inside, whose sides may be 0 or less."""
    x, y, width, height = box_xywh
    rows, columns = size_hw
    if min(x, y) >= -BOX_SLACK and x + width <= columns + BOX_SLACK and y + height <= rows + BOX_SLACK:
        return box_xywh
    x0, y0, x1, y1 = max(x, 0.0), max(y, 0.0), min(x + width, columns), min(y + height, rows)
    return x0, y0, x1 - x0, y1 - y0
