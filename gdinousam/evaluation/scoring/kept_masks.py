"""Masks that an evaluation keeps: one PNG of the image's size per image and phrase, which can be scored again.

They are named ``STEM`` where the image has one phrase, else ``STEM.SLUG`` with a slug per phrase, STEM being the
image's name without its ending.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from gdinousam.data.sources.mask_layers import phrase_slugs
from gdinousam.drawing import write_picture
from gdinousam.errors import InputError
from gdinousam.records import Detection, ImageRecord

MASKS_NAME = "masks"  # the folder of ours among the results

MaskNames = dict[Path, dict[str, str]]  # by the path of an image: the file name of each of its phrases


def mask_names(records: Sequence[ImageRecord]) -> MaskNames:
    """The PNG file of every image and phrase; InputError where two would have one name."""
    names = {record.path: {phrase: f"{stem}.png" for phrase, stem in mask_stems(record).items()} for record in records}
    require_distinct((record, name) for record in records for name in names[record.path].values())
    return names


def mask_stems(record: ImageRecord) -> dict[str, str]:
    """The name without ending of the mask of each phrase of an image."""
    slugs = phrase_slugs(record.phrases)
    stem = record.path.stem
    return {phrase: stem if len(slugs) == 1 else f"{stem}.{slug}" for phrase, slug in slugs.items()}


def require_distinct(names: Iterable[tuple[ImageRecord, str]]) -> None:
    """Raise InputError where two masks would have one name; file systems of Windows and macOS do not tell cases apart.

    names: of masks, each with its image.
    """
    owner: dict[str, Path] = {}
    for record, name in names:
        if name.lower() in owner:
            raise InputError(
                f"{owner[name.lower()]} and {record.path} would share the mask {name}; give the images names that "
                "differ in more than their ending"
            )
        owner[name.lower()] = record.path


def write_masks(folder: Path, names: Mapping[str, str], record: ImageRecord, detections: Sequence[Detection]) -> None:
    """Write what was found in an image into an existing folder, 255 where an object is; earlier files are replaced.

    names: file name by phrase. detections: of all phrases, with masks; those of one phrase become one mask. A black
    picture says that nothing was found.
    """
    for phrase, name in names.items():
        picture = np.zeros((record.height, record.width), np.uint8)
        for one in detections:
            if one.phrase == phrase and one.mask_hw is not None:
                picture[one.mask_hw] = 255
        write_picture(picture, folder / name)
