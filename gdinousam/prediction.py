"""Segment image files and write what was found."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from gdinousam.data.images import read_image
from gdinousam.drawing import PALETTE, Mark, draw_panel, write_picture
from gdinousam.errors import InputError
from gdinousam.prompts import caption_form
from gdinousam.records import Detection, Image, Segmenter


def predict_files(
    segmenter: Segmenter, paths: Sequence[Path], phrases: Sequence[str], output_dir: Path
) -> Iterator[str]:
    """Segment every phrase in every image file and yield one line of report per image and phrase.

    Writes into output_dir, per image ``<name>_overlay.png`` and per phrase that is found ``<name>_<phrase>.png``, an
    8-bit mask of the image's size, 255 inside; all detections of a phrase together. Raises InputError, before anything
    is written, where a file is missing or two images would write the same file.
    """
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise InputError(f"{missing[0]}: no such image file; check the path")
    stems = [path.stem for path in paths]
    twice = next((stem for stem in stems if stems.count(stem) > 1), None)
    if twice is not None:
        raise InputError(f"two images are named {twice!r} and would write the same files; predict them separately")
    names = {phrase: re.sub(r"[^a-z0-9]+", "_", caption_form(phrase)) for phrase in phrases}
    output_dir.mkdir(parents=True, exist_ok=True)
    for path in paths:
        image = read_image(path)
        found = segmenter.segment([image], [phrases])[0]
        write_picture(_overlay(image, found, phrases), output_dir / f"{path.stem}_overlay.png")
        for phrase in dict.fromkeys(phrases):
            detections = [one for one in found if one.phrase == phrase]
            if not detections:
                yield f"{path}: {phrase}: not found"
                continue
            mask_path = output_dir / f"{path.stem}_{names[phrase]}.png"
            union_hw = np.logical_or.reduce([one.mask_hw for one in detections if one.mask_hw is not None])
            write_picture(union_hw.astype(np.uint8) * 255, mask_path)
            boxes = ", ".join(
                f"score {one.score:.2f} box " + " ".join(f"{edge:.0f}" for edge in one.box_xyxy) for one in detections
            )
            yield f"{path}: {phrase}: {boxes}, {int(union_hw.sum())} pixels -> {mask_path}"


def _overlay(image: Image, detections: Sequence[Detection], phrases: Sequence[str]) -> Image:
    colors = {phrase: PALETTE[number % len(PALETTE)] for number, phrase in enumerate(dict.fromkeys(phrases))}
    return draw_panel(
        image,
        [
            Mark(colors[one.phrase], one.mask_hw, [one.box_xyxy], [f"{one.phrase} {one.score:.2f}"])
            for one in detections
        ],
    )
