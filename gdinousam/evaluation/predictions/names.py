"""How masks are named for their image and phrase.

``STEM`` where the image has one phrase, else ``STEM.SLUG`` with a slug per phrase, STEM being the image's name without
its ending. Masks that we write are PNG.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from gdinousam.data.mask_layers import phrase_slugs
from gdinousam.errors import InputError
from gdinousam.records import ImageRecord

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
