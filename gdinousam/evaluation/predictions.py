"""Masks in a folder, one PNG per image and phrase: how the answers of any other program are scored, and ours kept.

``STEM.png`` where the image has one phrase, else ``STEM.SLUG.png`` with a slug per phrase, STEM being the image's name
without its ending. The mask has the size of the image, every pixel that is not black belongs to the object, and a black
mask says that nothing was found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from gdinousam.data.images import image_size, read_mask_file
from gdinousam.data.mask_layers import phrase_slugs
from gdinousam.drawing import write_picture
from gdinousam.errors import InputError
from gdinousam.identity import visible
from gdinousam.records import Detection, ImageRecord, Mask, Need

MASKS_NAME = "masks"  # the folder of ours among the results
NUM_NAMED = 5  # of the wrong files that a message names; it counts the rest
_IMAGE_ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".webp"}

MaskNames = dict[Path, dict[str, str]]  # by the path of an image: the file name of each of its phrases


def mask_names(records: Sequence[ImageRecord]) -> MaskNames:
    """The file name of every image and phrase; InputError where two would have one name."""
    names: MaskNames = {}
    owner: dict[str, Path] = {}
    for record in records:
        slugs = phrase_slugs(record.phrases)
        stem = record.path.stem
        names[record.path] = {
            phrase: f"{stem}.png" if len(slugs) == 1 else f"{stem}.{slug}.png" for phrase, slug in slugs.items()
        }
        for name in names[record.path].values():
            if name.lower() in owner:  # file systems of Windows and macOS do not tell cases apart
                raise InputError(
                    f"{owner[name.lower()]} and {record.path} would share the mask {name}; give the images names that "
                    "differ in more than their ending"
                )
            owner[name.lower()] = record.path
    return names


class SavedMasks:
    """A folder of masks as the answers of a method.

    folder: holds exactly the masks of the records. needs: what the method was given beside the image.
    Raises InputError that lists what is wrong where the folder or a mask is missing, of another size than its image or
    not readable, and where it holds further pictures.
    """

    def __init__(self, folder: Path, records: Sequence[ImageRecord], needs: frozenset[Need]) -> None:
        self.needs = needs
        self._folder = folder
        self._names = mask_names(records)
        self._check(records)

    def detections(self, record: ImageRecord) -> list[Detection]:
        """One detection per phrase whose mask is not black: its box is that of the mask, its score 1."""
        masks = {
            phrase: read_mask_file(self._folder / name).foreground for phrase, name in self._names[record.path].items()
        }
        return [_detection(phrase, mask_hw) for phrase, mask_hw in masks.items() if mask_hw.any()]

    def _check(self, records: Sequence[ImageRecord]) -> None:
        if not self._folder.is_dir():
            raise InputError(f"{self._folder}: no such folder; give the folder of the masks to score")
        expected = {name: record for record in records for name in self._names[record.path].values()}
        there = {path.name for path in self._folder.iterdir() if path.suffix.lower() in _IMAGE_ENDINGS}
        missing = [name for name in expected if name not in there]
        wrong = [text for name in expected if name in there and (text := self._size_problem(name, expected[name]))]
        problems = [
            _listed(missing, "missing"),
            _listed(sorted(there - expected.keys()), "of no image and phrase of the test file"),
            _listed(wrong, "of another size than the image"),
        ]
        if any(problems):
            raise InputError(
                f"{self._folder}: {'; '.join(filter(None, problems))}. One mask per image and phrase is needed, black "
                "where nothing was found: STEM.png where the image has one phrase, else STEM.SLUG.png"
            )

    def _size_problem(self, name: str, record: ImageRecord) -> str:
        width, height = image_size(self._folder / name)
        if (width, height) == (record.width, record.height):
            return ""
        return f"{name} ({width} x {height} instead of {record.width} x {record.height})"


def write_masks(folder: Path, names: Mapping[str, str], record: ImageRecord, detections: Sequence[Detection]) -> None:
    """Write what was found in an image into an existing folder, 255 where an object is; earlier files are replaced.

    names: file name by phrase. detections: of all phrases, with masks; those of one phrase become one mask.
    """
    for phrase, name in names.items():
        picture = np.zeros((record.height, record.width), np.uint8)
        for one in detections:
            if one.phrase == phrase and one.mask_hw is not None:
                picture[one.mask_hw] = 255
        write_picture(picture, folder / name)


def _detection(phrase: str, mask_hw: Mask) -> Detection:
    rows, columns = (np.flatnonzero(mask_hw.any(axis=axis)) for axis in (1, 0))
    box_xyxy = (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))
    return Detection(phrase, box_xyxy, 1.0, mask_hw)


def _listed(names: Sequence[str], what: str) -> str:
    """A count with the first few names; empty where there are none."""
    if not names:
        return ""
    more = f" and {len(names) - NUM_NAMED} more" if len(names) > NUM_NAMED else ""
    return f"{len(names)} {what}: {', '.join(map(visible, names[:NUM_NAMED]))}{more}"
