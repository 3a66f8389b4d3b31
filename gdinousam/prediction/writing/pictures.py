"""What was found as pictures: an overlay per image, a mask per phrase, and a contact sheet of many images."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from gdinousam.data.images import read_image
from gdinousam.drawing import (
    LINE_HEIGHT,
    PALETTE,
    TILE_SIDE,
    Color,
    contact_sheet,
    draw_label,
    label_area,
    outlines,
    tile,
    write_picture,
)
from gdinousam.errors import InputError
from gdinousam.prediction.results import Prediction
from gdinousam.prompts import caption_form
from gdinousam.records import BoxXYXY, Detection, Image, Mask

OVERLAY = "overlay"  # the end of its name; a phrase of this name is refused
CONTACT_SHEET = "contact_sheet.png"
MAX_ON_SHEET = 120
_LONGEST_SHOWN = 60  # letters of a name that is too long
MAX_NAME_BYTES = 250  # usual file systems allow 255, and while it is written a file has a longer name
# Of the longer side, in pixels: small images are enlarged until labels can be read; larger ones than this are reduced,
# in which speckle is still seen.
_LEAST_SIDE, _MOST_SIDE = 480, 2048
_CASING: Color = (0, 0, 0)  # under a line, so that it is seen on bright tissue too
_LEAST_WIDTH, _SIDE_OF_A_PIXEL = 2, 400  # of a line: it gets a pixel wider for so many pixels of the longer side


def picture_names(name: str, phrases: Sequence[str]) -> dict[str, str]:
    """The file of each phrase's mask, ``<name>_<phrase>.png``, and of the overlay, which is that of the phrase "".

    phrases: no two that read alike. Letters of every script are kept. Raises InputError where two files would have one
    name, as file systems compare them that do not tell cases apart, and for a name that is too long.
    """
    words = {phrase: re.sub(r"\W+", "_", caption_form(phrase)) for phrase in phrases}
    names = {"": f"{name}_{OVERLAY}.png"} | {phrase: f"{name}_{word}.png" for phrase, word in words.items()}
    owner: dict[str, str] = {}
    for phrase, file in names.items():
        if file.lower() in owner:
            others = [repr(one) for one in (owner[file.lower()], phrase) if one]
            raise InputError(
                f"two results would be written as {file}: that of {' and of '.join(others)}"
                f"{'' if len(others) == 2 else ' and the overlay'}; ask for these phrases separately"
            )
        owner[file.lower()] = phrase
        if len(os.fsencode(file)) > MAX_NAME_BYTES:
            raise InputError(
                f"a result would be written as {file[:_LONGEST_SHOWN]}..., which has {len(os.fsencode(file))} bytes of "
                f"{MAX_NAME_BYTES} at most; rename the image, or ask with a shorter phrase"
            )
    return names


def write_pictures(prediction: Prediction, folder: Path, name: str) -> dict[str, Path]:
    """Write the overlay and the mask of each phrase that was found into an existing folder; earlier files are replaced.

    A mask is an 8-bit PNG of the image's size, 255 inside, of all detections of the phrase together. name: what the
    files' names begin with. Returns the files, by phrase, the overlay by "". Raises InputError as ``picture_names``,
    and for a detection without a mask.
    """
    names = picture_names(name, prediction.phrases)
    masks = {phrase: union_of(prediction.detections, phrase) for phrase in prediction.phrases}
    write_picture(overlay(prediction.image, prediction.detections, prediction.phrases), folder / names[""])
    written = {"": folder / names[""]}
    for phrase, mask_hw in masks.items():
        if mask_hw is not None:
            written[phrase] = folder / names[phrase]
            write_picture(mask_hw.astype(np.uint8) * 255, written[phrase])
    return written


def union_of(detections: Sequence[Detection], phrase: str) -> Mask | None:
    """(H, W) bool: all masks of a phrase together; ``None`` where it was not found.

    Raises InputError for a detection without a mask.
    """
    found = [one for one in detections if one.phrase == phrase]
    masks = [one.mask_hw for one in found if one.mask_hw is not None]
    if len(masks) < len(found):
        raise InputError(f"the method gave a box without a mask for {phrase!r}; add a mask head to it")
    return np.logical_or.reduce(masks) if masks else None


def overlay(image: Image, detections: Sequence[Detection], phrases: Sequence[str]) -> Image:
    """The image with a line round every detection and its phrase and score above; nothing covers what is inside.

    image: (H, W, 3) uint8 RGB. detections: with masks of the image's size, or with boxes only, which are drawn then;
    may be none. phrases: all that were asked; each has a colour. Returns (H', W', 3) uint8 RGB: images below 480
    pixels are enlarged to that, images above 2048 reduced.
    """
    longer = max(image.shape[:2])
    scale = min(max(longer, _LEAST_SIDE), _MOST_SIDE) / longer
    size_wh = (max(1, round(scale * image.shape[1])), max(1, round(scale * image.shape[0])))
    resized = cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    drawn = np.array(resized, dtype=np.uint8)
    color_of = {phrase: PALETTE[number % len(PALETTE)] for number, phrase in enumerate(phrases)}
    width = max(_LEAST_WIDTH, round(max(size_wh) / _SIDE_OF_A_PIXEL))
    for one in detections:
        x0, y0, x1, y1 = (scale * edge for edge in one.box_xyxy)
        corners = np.rint([[[x0, y0]], [[x1, y0]], [[x1, y1]], [[x0, y1]]]).astype(np.int32)
        rings = [corners] if one.mask_hw is None else outlines(one.mask_hw, size_wh)
        for color, line_width in ((_CASING, width + 2), (color_of[one.phrase], width)):
            cv2.drawContours(drawn, rings, -1, color, line_width, cv2.LINE_AA)
    placed: list[BoxXYXY] = []
    for one in detections:
        label = f"{one.phrase} {one.score:.2f}"
        x0, y0, x1, y1 = (scale * edge for edge in one.box_xyxy)
        place = _free_place(drawn, (x0, y0 - 2 * width, x1, y1), label, placed)
        placed.append(label_area(drawn, place, label))
        drawn = draw_label(drawn, place, color_of[one.phrase], label)
    return drawn


def _free_place(picture: Image, box_xyxy: BoxXYXY, label: str, placed: Sequence[BoxXYXY]) -> BoxXYXY:
    """The box moved up or down by whole lines until its label covers no earlier one; itself where that is nowhere."""
    x0, y0, x1, y1 = box_xyxy
    most = 2 * len(placed) + 1  # at the upper edge a label jumps from above its box into it
    for lines in sorted(range(-most, most + 1), key=abs):
        moved = x0, y0 + lines * LINE_HEIGHT, x1, y1
        left, top, right, bottom = label_area(picture, moved, label)
        is_free = all(right <= a or left >= c or bottom <= b or top >= d for a, b, c, d in placed)
        if is_free and bottom <= picture.shape[0]:
            return moved
    return box_xyxy


def write_contact_sheet(pictures: Sequence[Path], captions: Sequence[Sequence[str]], path: Path) -> int:
    """Write small copies of pictures as one PNG, each with two lines of text underneath.

    pictures: files, at least one; of more than ``MAX_ON_SHEET`` as many, evenly over all. captions: one for each.
    Returns how many are on it.
    """
    number = min(MAX_ON_SHEET, len(pictures))
    chosen = [place * len(pictures) // number for place in range(number)]
    write_picture(contact_sheet([tile(_small(read_image(pictures[one])), captions[one]) for one in chosen]), path)
    return number


def _small(picture: Image) -> Image:
    scale = TILE_SIDE / max(picture.shape[:2])
    size_wh = (max(1, round(scale * picture.shape[1])), max(1, round(scale * picture.shape[0])))
    return np.asarray(cv2.resize(picture, size_wh, interpolation=cv2.INTER_AREA), dtype=np.uint8)
