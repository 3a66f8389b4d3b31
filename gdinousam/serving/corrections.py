"""Corrected pictures as training data: a folder that grows by one picture at a time and that training takes as it is.

The folder has the layout of a prepared dataset (docs/data.md): ``train`` and ``val`` with their masks and CSVs. Every
picture goes under a name made of its pixels, so that no name of a file, which may hold that of a patient, gets there,
and the same picture saved again takes the place of the earlier one.
"""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from gdinousam.data.contract.check import check_table
from gdinousam.data.contract.layout import SPLIT_FOLDERS, Split, csv_name
from gdinousam.data.contract.reading import read_records, write_records
from gdinousam.data.masks import tight_box_xywh
from gdinousam.data.sources.mask_layers import layer_masks
from gdinousam.drawing import write_picture
from gdinousam.errors import InputError
from gdinousam.locks import locked
from gdinousam.records import Image, ImageRecord, Instance, Mask, MaskReference

DATASET = "corrections"
_SAVED_SPLITS: tuple[Split, ...] = ("train", "val")
_ONE_IN, _FIRST_OF_VAL = 5, 1  # of the cases that are new, the second and then every fifth is for validation
_DIGITS = 16  # of a hash, in names
_one_thread = threading.Lock()


@dataclass(frozen=True, eq=False)
class Corrected:
    """What somebody says of one picture.

    image: (H, W, 3) uint8 RGB. objects: phrase and (H, W) bool mask of each. absent: phrases that name nothing in it.
    group: the patient or exam, so that all pictures of it go into the same split; ``None``: unknown.
    """

    image: Image
    objects: Sequence[tuple[str, Mask]]
    absent: Sequence[str] = ()
    group: str | None = None


@dataclass(frozen=True)
class Saved:
    """image_name: in the folder of the split. num_rows: of the picture. num_images: in the whole folder now. replaced:
    whether the picture had been there."""

    image_name: str
    split: Split
    num_rows: int
    num_images: int
    replaced: bool


class Corrections:
    """A folder of corrected pictures; threads and programs may save into it at the same time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __len__(self) -> int:
        """How many pictures it holds."""
        return sum(len(self._records(split)) for split in _SAVED_SPLITS)

    def save(self, corrected: Corrected) -> Saved:
        """Add a picture, or put it in the place of what was saved of it before.

        Of the cases (groups, or pictures without one) in the order in which they come, the second and then every fifth
        is for validation, the others for training. Raises InputError for what training would refuse, and where the
        folder cannot be written; nothing is changed then.
        """
        if not corrected.objects and not corrected.absent:
            raise InputError("nothing to save: the picture has no object, and no phrase was asked for; add a phrase")
        for number, (phrase, mask_hw) in enumerate(corrected.objects, start=1):
            if mask_hw.shape != corrected.image.shape[:2] or not mask_hw.any():
                raise InputError(f"object {number} ({phrase!r}) has no pixel in the picture; correct it or take it out")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with _one_thread, locked(self.folder, DATASET, str(self.folder), waits=True):
                return self._save(corrected)
        except OSError as error:
            raise InputError(f"cannot write the corrections ({error.strerror}); tell who runs the server") from error

    def _save(self, corrected: Corrected) -> Saved:
        known = {split: self._records(split) for split in _SAVED_SPLITS}
        name = _name_of(corrected.image)
        split = _split_of(corrected.group or name, known)
        new = self.folder / ".new"
        shutil.rmtree(new, ignore_errors=True)  # of a program that was killed
        try:
            record, files = self._write_new(new, split, name, corrected)
            for old, place in files:
                place.parent.mkdir(parents=True, exist_ok=True)
                old.replace(place)
        finally:
            shutil.rmtree(new, ignore_errors=True)
        before = {one: [old for old in known[one] if old.path.name == name] for one in _SAVED_SPLITS}
        for one in sorted(_SAVED_SPLITS, key=lambda each: each != split):  # a picture is never in neither
            kept = [old for old in known[one] if old.path.name != name]
            if one == split or before[one]:
                self._write_rows(one, [*kept, record] if one == split else kept)
        written = {place for _, place in files}
        for stale in {path for olds in before.values() for old in olds for path in _files(old)} - written:
            with suppress(OSError):
                stale.unlink()
        was_there = any(before.values())
        num_images = sum(map(len, known.values())) + (not was_there)
        num_rows = len(record.instances) + len(record.absent_phrases)
        return Saved(name, split, num_rows, num_images, was_there)

    def _records(self, split: Split) -> list[ImageRecord]:
        csv_path = self.folder / csv_name(split)
        if not csv_path.is_file():
            return []
        images, masks = SPLIT_FOLDERS[split]
        return list(read_records(csv_path, self.folder / images, self.folder / masks))

    def _write_rows(self, split: Split, records: Sequence[ImageRecord]) -> None:
        csv_path = self.folder / csv_name(split)
        if records:
            write_records(records, csv_path)
        else:
            csv_path.unlink()  # a table without rows is refused everywhere

    def _write_new(
        self, new: Path, split: Split, name: str, corrected: Corrected
    ) -> tuple[ImageRecord, list[tuple[Path, Path]]]:
        """Write the picture's files into a folder and hold them against the contract.

        Returns its record, of files in their final place, and each file with that place. Raises InputError for what
        breaks the contract.
        """
        image_dir, mask_dir = (new / part for part in SPLIT_FOLDERS[split])
        for folder in (image_dir, mask_dir):
            folder.mkdir(parents=True)
        _write_image(corrected.image, image_dir / name)
        # masks under a name of their own content: rows that are not replaced yet never point to a newer mask
        masks = layer_masks(corrected.objects, f"{Path(name).stem}-{_hash_of(corrected.objects)}")
        for file, values_hw in masks.files.items():
            write_picture(values_hw, mask_dir / file)
        record = _record(image_dir / name, mask_dir, corrected, masks.mask_names)
        write_records([record], new / csv_name(split))
        problems = check_table(new / csv_name(split), image_dir, mask_dir, progress=False)
        if problems:
            first = problems[0]
            raise InputError(f"training would refuse this: {first.column} {first.value}, expected {first.expected}")
        final_image_dir, final_mask_dir = (self.folder / part for part in SPLIT_FOLDERS[split])
        files = [(mask_dir / file, final_mask_dir / file) for file in masks.files]
        files.append((image_dir / name, final_image_dir / name))
        return _record(final_image_dir / name, final_mask_dir, corrected, masks.mask_names), files


def _split_of(case: str, known: dict[Split, list[ImageRecord]]) -> Split:
    """Where a case goes: to its other pictures, or as its number among the cases says."""
    cases: dict[str, Split] = {}
    for split, records in known.items():
        cases |= {record.group or record.path.name: split for record in records}
    return cases.get(case) or ("val" if len(cases) % _ONE_IN == _FIRST_OF_VAL else "train")


def _record(path: Path, mask_dir: Path, corrected: Corrected, mask_names: Sequence[str]) -> ImageRecord:
    height, width = corrected.image.shape[:2]
    instances = []
    for (phrase, mask_hw), mask_name in zip(corrected.objects, mask_names, strict=True):
        file, _, value = mask_name.rpartition("#")
        instances.append(Instance(phrase, tight_box_xywh(mask_hw), MaskReference(mask_dir / file, int(value))))
    phrases = tuple(dict.fromkeys([*(one.phrase for one in instances), *corrected.absent]))
    absent = tuple(phrase for phrase in phrases if phrase in corrected.absent)
    return ImageRecord(
        path, width, height, DATASET, corrected.group, tuple(instances), absent, phrases, last_phrase=phrases[-1]
    )


def _files(record: ImageRecord) -> Iterator[Path]:
    yield record.path
    yield from (one.mask.path for one in record.instances if one.mask is not None)


def _write_image(image: Image, path: Path) -> None:
    """Write as PNG, a grey picture with one channel."""
    is_grey = bool((image == image[:, :, :1]).all())
    write_picture(np.ascontiguousarray(image[:, :, 0]) if is_grey else image, path)


def _name_of(image: Image) -> str:
    digest = hashlib.sha256(repr(image.shape).encode() + image.tobytes())
    return f"{digest.hexdigest()[:_DIGITS]}.png"


def _hash_of(objects: Sequence[tuple[str, Mask]]) -> str:
    digest = hashlib.sha256()
    for phrase, mask_hw in objects:
        digest.update(phrase.encode() + np.packbits(mask_hw).tobytes())
    return digest.hexdigest()[:_DIGITS]


def case_of(clip: BinaryIO) -> str:
    """A name for the case that a clip is where nobody gave one, made of its bytes."""
    clip.seek(0)
    return f"clip {hashlib.sha256(clip.read()).hexdigest()[:_DIGITS]}"
