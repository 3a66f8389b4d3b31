"""What the ids of a COCO results file stand for: images and phrases of the test file.

They are ids of a COCO file of the same images. Its images are found in the test file by their file name, in any folder
or as ``scripts/coco.py import`` writes it, and its categories by their name. Without such a file the ids are names
themselves: of the image file, with or without its ending, and the phrase.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gdinousam.data.sources.coco.file_names import plain_names
from gdinousam.data.sources.coco.phrases import phrase_of_categories, read_phrase_mapping
from gdinousam.data.sources.coco.reading import CocoImage, read_ids, shown
from gdinousam.errors import InputError
from gdinousam.methods.saved_masks.answers import SizeHW
from gdinousam.records import ImageRecord


@dataclass(frozen=True)
class Meanings:
    """images: by id, ``None`` for one that the test file does not have. phrases: by the id of the category.

    sizes: (height, width) that the coordinates of an image's polygons are in, by its path, of every image whose answers
    the file may hold. named: phrases that its categories have.
    """

    images: Mapping[str, ImageRecord | None]
    phrases: Mapping[str, str]
    sizes: Mapping[Path, SizeHW]
    named: frozenset[str]


def meanings_by_file(coco_file: Path, phrase_file: Path | None, records: Sequence[ImageRecord]) -> Meanings:
    """The meaning of the ids of a COCO file.

    phrase_file: phrases of categories that have other names. Raises InputError for files that cannot be read, and for
    an image of the test file that several images of the COCO file may be.
    """
    ids = read_ids(coco_file)
    phrases = _phrases(ids.categories, phrase_file)
    candidates: dict[str, dict[str, None]] = {}  # ids by every name that an image may have in the test file
    plain = plain_names([image.file_name for image in ids.images.values()])
    for (key, image), plain_name in zip(ids.images.items(), plain, strict=True):
        for name in (image.file_name, PurePosixPath(image.file_name).name, plain_name):
            candidates.setdefault(name, {})[key] = None
    images: dict[str, ImageRecord | None] = dict.fromkeys(ids.images)
    sizes = {}
    for record in records:
        keys = _those_of_dataset(list(candidates.get(record.path.name, ())), ids.images, record.dataset)
        if len(keys) > 1:
            named = [f"{ids.images[key].file_name} (id {key})" for key in keys]
            raise InputError(f"{coco_file}: {record.path.name} may be any of {shown(named)}; give images other names")
        for key in keys:
            images[key] = record
            sizes[record.path] = _size(ids.images[key], record)
    return Meanings(images, phrases, sizes, frozenset(phrases.values()))


def meanings_by_name(
    image_ids: Iterable[str], category_ids: Iterable[str], phrase_file: Path | None, records: Sequence[ImageRecord]
) -> Meanings:
    """The meaning of ids that are names. phrase_file: see ``meanings_by_file``.

    Every image and phrase of the test file counts as one that the results may hold.
    """
    record_of: dict[str, ImageRecord | None] = {}
    for record in records:
        stem = record.path.stem
        record_of[stem] = None if stem in record_of else record  # a stem of two images names neither
    record_of |= {record.path.name: record for record in records}
    phrases = _phrases({key: key for key in category_ids}, phrase_file)
    sizes = {record.path: (record.height, record.width) for record in records}
    asked = frozenset(phrase for record in records for phrase in record.phrases)
    return Meanings({key: record_of.get(key) for key in image_ids}, phrases, sizes, asked)


def _phrases(categories: Mapping[str, str], phrase_file: Path | None) -> dict[str, str]:
    mapping = {} if phrase_file is None else read_phrase_mapping(phrase_file)
    phrase_of = phrase_of_categories(list(dict.fromkeys(categories.values())), mapping)
    return {key: phrase_of[name] for key, name in categories.items()}


def _those_of_dataset(keys: list[str], images: Mapping[str, CocoImage], dataset: str) -> list[str]:
    """Of several images of one name those that are of the dataset, where the file tells it."""
    of_dataset = [key for key in keys if images[key].dataset == dataset]
    return of_dataset if len(keys) > 1 and of_dataset else keys


def _size(image: CocoImage, record: ImageRecord) -> SizeHW:
    return image.height or record.height, image.width or record.width
