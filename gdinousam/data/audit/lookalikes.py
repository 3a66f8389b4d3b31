"""Leaving out of training what looks like a test image, so that a test file measures what it says."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gdinousam.data.audit.near_duplicates import near_pairs
from gdinousam.data.audit.pictures import Picture, read_pictures
from gdinousam.data.contract.remembered import remembered
from gdinousam.errors import InputError
from gdinousam.records import ImageRecord

_PICTURE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}


def without_lookalikes(records: Sequence[ImageRecord], folder: Path) -> tuple[ImageRecord, ...]:
    """The records, in their order, whose image looks like none in a folder; see ``lookalikes``.

    What was found is remembered as long as the files stay as they are; see ``gdinousam.data.contract.remembered``.
    Raises InputError where the folder holds no image or an image does not decode.
    """
    others = sorted(path for path in folder.glob("*") if path.suffix.lower() in _PICTURE_SUFFIXES)
    if not others:
        raise InputError(f"{folder}: no images in it; name the folder whose look-alikes are to be left out")
    paths = [record.path for record in records]

    def search() -> dict[str, Any]:
        pictures = read_pictures([*paths, *others], progress=True)
        return {"alike": sorted(lookalikes(pictures[: len(records)], pictures[len(records) :]))}

    question = {"lookalikes": [os.fsencode(path).hex() for path in paths]}
    found, _ = remembered(question, [], sorted({path.parent for path in paths} | {folder}), search)
    alike = set(found["alike"])
    return tuple(record for position, record in enumerate(records) if position not in alike)


def lookalikes(pictures: Sequence[Picture], others: Sequence[Picture]) -> dict[int, int]:
    """For each picture that looks like one of others, by position, the position of that one.

    They look alike where they are near-duplicates as in ``gdinousam.data.audit.near_duplicates``.
    """
    pairs = near_pairs([picture.thumbnail for picture in (*pictures, *others)])
    return {pair.first: pair.second - len(pictures) for pair in pairs if pair.first < len(pictures) <= pair.second}
