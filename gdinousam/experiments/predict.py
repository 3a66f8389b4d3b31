"""Segment image files and write what was found."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from gdinousam.data.images import read_image
from gdinousam.drawing import PALETTE, Mark, draw_panel, write_picture
from gdinousam.errors import InputError
from gdinousam.identity import spellings
from gdinousam.inputs import as_path, as_texts
from gdinousam.progress_bar import ProgressBar
from gdinousam.prompts import caption_form
from gdinousam.records import Detection, Image, Mask, PhraseSegmenter

MAX_NAME_BYTES = 250  # usual file systems allow 255, and while it is written a file has a longer name
_OVERLAY = ""  # no phrase is empty
_PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm"}


def predict_files(
    segmenter: PhraseSegmenter, paths: Sequence[Path], phrases: Sequence[str], output_dir: Path, overwrite: bool = False
) -> Iterator[str]:
    """Segment every phrase in every image file and yield one line of report per image and phrase.

    Writes into output_dir, per image ``<name>_overlay.png`` and per phrase that is found ``<name>_<phrase>.png``, an
    8-bit mask of the image's size, 255 inside; all detections of a phrase together. overwrite: replace earlier files of
    these names. Raises InputError, before anything is written, where a file is missing, one to write is there already,
    or two results would have one name or one too long a name, and on reaching it for an image that cannot be read or a
    detection without a mask.
    """
    paths = [as_path(path) for path in paths]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise InputError(f"{missing[0]}: no such image file; check the path")
    phrases = tuple(dict.fromkeys(spellings(as_texts(phrases, "phrases"), of_phrases=True).values()))
    file_names = [_file_names(path.stem, phrases) for path in paths]
    names = [name for of_image in file_names for name in of_image.values()]
    _refuse_equal_names(names)
    _refuse_long_names(names)
    earlier = next((path for name in names if (path := output_dir / name).exists()), None)
    if earlier is not None and not overwrite:
        raise InputError(f"{earlier} is there already; replace it by --overwrite, or name another place with --output")
    for path, name_of in zip(ProgressBar(len(paths), "predicting").over(paths), file_names, strict=True):
        image = read_image(path)
        found = segmenter.segment([image], [phrases])[0]
        masks = {phrase: _union([one for one in found if one.phrase == phrase]) for phrase in phrases}
        _make_folder(output_dir)
        write_picture(_overlay(image, found, phrases), output_dir / name_of[_OVERLAY])
        for phrase, mask_hw in masks.items():
            if mask_hw is None:
                yield f"{path}: {phrase}: not found"
                continue
            mask_path = output_dir / name_of[phrase]
            write_picture(mask_hw.astype(np.uint8) * 255, mask_path)
            boxes = ", ".join(_box_text(one) for one in found if one.phrase == phrase)
            yield f"{path}: {phrase}: {boxes}, {int(mask_hw.sum())} pixels -> {mask_path}"


def image_paths(given: Sequence[Path]) -> list[Path]:
    """The images that files and folders stand for: of a folder the pictures directly in it, by name.

    Raises InputError for a folder without one, and for what is not there.
    """
    found: list[Path] = []
    for path in given:
        if not path.exists():
            raise InputError(f"{path}: no such image file; check the path")
        if not path.is_dir():
            found.append(path)
            continue
        in_folder = sorted(one for one in path.iterdir() if one.suffix.lower() in _PICTURES and one.is_file())
        if not in_folder:
            raise InputError(f"{path}: no image in this folder ({', '.join(sorted(_PICTURES))})")
        found += in_folder
    return found


def _file_names(stem: str, phrases: Sequence[str]) -> dict[str, str]:
    """The name of the overlay and of each phrase's mask; letters of every script are kept."""
    words = {phrase: re.sub(r"\W+", "_", caption_form(phrase)) for phrase in phrases}
    return {_OVERLAY: f"{stem}_overlay.png"} | {phrase: f"{stem}_{word}.png" for phrase, word in words.items()}


def _refuse_equal_names(names: Sequence[str]) -> None:
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise InputError(f"two results would be written as {twice}; predict these images or phrases separately")


def _refuse_long_names(names: Sequence[str]) -> None:
    too_long = next((name for name in names if len(os.fsencode(name)) > MAX_NAME_BYTES), None)
    if too_long is not None:
        raise InputError(
            f"a result would be written as {too_long}, which has {len(os.fsencode(too_long))} bytes of "
            f"{MAX_NAME_BYTES} at most; rename the image, or ask with a shorter phrase"
        )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write to {folder} ({error.strerror}); name another folder") from error


def _union(detections: Sequence[Detection]) -> Mask | None:
    """All masks of a phrase together, or ``None`` where it was not found."""
    masks = [one.mask_hw for one in detections if one.mask_hw is not None]
    if len(masks) < len(detections):
        raise InputError(f"the method gave a box without a mask for {detections[0].phrase!r}; add a mask head to it")
    return np.logical_or.reduce(masks) if masks else None


def _box_text(detection: Detection) -> str:
    return f"score {detection.score:.2f} box " + " ".join(f"{edge:.0f}" for edge in detection.box_xyxy)


def _overlay(image: Image, detections: Sequence[Detection], phrases: Sequence[str]) -> Image:
    colors = {phrase: PALETTE[number % len(PALETTE)] for number, phrase in enumerate(phrases)}
    return draw_panel(
        image,
        [
            Mark(colors[one.phrase], one.mask_hw, [one.box_xyxy], [f"{one.phrase} {one.score:.2f}"])
            for one in detections
        ],
    )
