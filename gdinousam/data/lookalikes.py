"""Leaving out of training what looks like a test image, so that a test file measures what it says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gdinousam.data.audit.pictures import read_pictures
from gdinousam.data.near_duplicates import near_pairs
from gdinousam.errors import InputError
from gdinousam.records import ImageRecord

_PICTURE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}


def without_lookalikes(records: Sequence[ImageRecord], folder: Path) -> tuple[ImageRecord, ...]:
    """The records, in their order, whose image is no near-duplicate of any image in a folder.

    Near-duplicates are those of ``gdinousam.data.near_duplicates``. Raises InputError where the folder holds no image
    or an image does not decode.
    """
    others = sorted(path for path in folder.glob("*") if path.suffix.lower() in _PICTURE_SUFFIXES)
    if not others:
        raise InputError(f"{folder}: no images in it; name the folder whose look-alikes are to be left out")
    pictures = read_pictures([*(record.path for record in records), *others], progress=True)
    pairs = near_pairs([picture.perceptual_hash for picture in pictures])
    across = pairs[(pairs[:, 0] < len(records)) & (pairs[:, 1] >= len(records)), 0]
    alike = set(across.tolist())
    return tuple(record for position, record in enumerate(records) if position not in alike)
