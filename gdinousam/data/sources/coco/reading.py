"""A COCO file as records: every image with its annotations, each reference resolved, each field checked.

Ids are only used to join images, annotations and categories; they may be numbers of any size or texts, and ``7`` and
``"7"`` are the same id. No image is opened and no mask decoded here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gdinousam.data.contract import reading as contract
from gdinousam.data.contract.layout import Split
from gdinousam.errors import InputError
from gdinousam.identity import has_no_text
from gdinousam.reading import read_json
from gdinousam.records import BoxXYWH

# Fields of image records that COCO does not define; importing reads them and exporting writes them.
DATASET, GROUP, GROUP_KIND, SOURCE_NAME = contract.DATASET, contract.GROUP, contract.GROUP_KIND, "source_name"
ABSENT_PHRASES, PHRASE_ORDER, LAST_PHRASE = "absent_phrases", "phrase_order", "last_phrase"
FILE_NAME = "file_name"
PATIENT = "patient_id"  # how other programs call the group

DAMAGED = "fetch or export it again"  # what to do then
NUM_SHOWN = 3  # names that a message lists; it counts the rest


@dataclass(frozen=True)
class CocoAnnotation:
    """One annotation. label: ``annotation ID``, for messages. box_xywh: as given, in pixels, or ``None``.
    segmentation: as given, not decoded yet. is_crowd: marked as a region of many objects."""

    label: str
    category: str
    box_xywh: BoxXYWH | None
    segmentation: object
    is_crowd: bool = False


@dataclass(frozen=True)
class CocoImage:
    """One image record. file_name: as given, with ``/`` between folders. width, height: ``None`` where not told.
    group_kind, source_name, last_phrase: empty where not told. phrase_order: all phrases of its CSV rows, in order.
    is_negative: somebody has looked and found nothing; split: the one of its release; other formats tell these two."""

    file_name: str
    width: int | None = None
    height: int | None = None
    dataset: str | None = None
    group: str | None = None
    group_kind: str = ""
    source_name: str = ""
    absent_phrases: tuple[str, ...] = ()
    phrase_order: tuple[str, ...] = ()
    last_phrase: str = ""
    annotations: tuple[CocoAnnotation, ...] = ()
    is_negative: bool = False
    split: Split | None = None


@dataclass(frozen=True)
class CocoIds:
    """What ids stand for. images: each record, without its annotations, by its id. categories: each name by its id."""

    images: Mapping[str, CocoImage]
    categories: Mapping[str, str]


@dataclass(frozen=True)
class CocoFile:
    """images: in the order of the file. categories: the distinct names, in the order of the file."""

    path: Path
    images: tuple[CocoImage, ...]
    categories: tuple[str, ...]


def read_coco(path: str | Path) -> CocoFile:
    """Read a COCO file of instances.

    Lists may be empty. Raises ``InputError`` for a file that is missing, no JSON or no such file, for ids that are
    missing or stand for two things, for an annotation of an unknown image or category, and for fields of a wrong type.
    """
    path = Path(path)
    content = _read_object(path)
    try:
        category_of = _categories(_entries(content, "categories", required=False))
        image_of = _images(_entries(content, "images"))
        annotations_of: dict[str, list[CocoAnnotation]] = {key: [] for key in image_of}
        unknown_images, unknown_categories = [], []
        for position, entry in enumerate(_entries(content, "annotations")):
            label = f"annotation {entry['id']}" if "id" in entry else f"annotation no. {position + 1}"
            image, category = id_of(entry, "image_id", label), id_of(entry, "category_id", label)
            if image not in image_of:
                unknown_images.append(f"{label} (image_id {image})")
            elif category not in category_of:
                unknown_categories.append(f"{label} (category_id {category})")
            else:
                annotations_of[image].append(_annotation(entry, label, category_of[category]))
        _require_none(unknown_images, "annotations of images that it does not list")
        _require_none(unknown_categories, "annotations of categories that it does not list")
    except ValueError as error:
        raise InputError(f"{path}: {error}; fix the file or export it again") from error
    images = [replace(image, annotations=tuple(annotations_of[key])) for key, image in image_of.items()]
    return CocoFile(path, tuple(images), tuple(dict.fromkeys(category_of.values())))


def read_ids(path: Path) -> CocoIds:
    """The ids of a COCO file; it need not hold annotations. Errors as for ``read_coco``."""
    content = _read_object(path)
    try:
        return CocoIds(_images(_entries(content, "images")), _categories(_entries(content, "categories")))
    except ValueError as error:
        raise InputError(f"{path}: {error}; fix the file or export it again") from error


def id_of(entry: Mapping[str, Any], name: str, label: str) -> str:
    """An id as text; ValueError where the entry has none. label: of the entry, for messages."""
    value = entry.get(name)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise ValueError(f"{label} has {name} {value!r}, expected a number or a text")
    return str(value)


def box_of(entry: Mapping[str, Any], label: str) -> BoxXYWH | None:
    """The box of an entry as given, ``None`` where it has none; ValueError for anything but four numbers."""
    box = entry.get("bbox") or None
    if box is None:
        return None
    if not isinstance(box, list) or len(box) != 4 or not all(is_finite(number) for number in box):
        raise ValueError(f"{label}: its bbox {box} is not four numbers (x, y, width, height)")
    x, y, width, height = map(float, box)
    return x, y, width, height


def is_finite(value: object) -> bool:
    """Whether a value is a number that a float holds: not nan, not infinite, no whole number beyond."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def shown(names: Sequence[str]) -> str:
    """The first names of a list and how many more there are."""
    more = f" and {len(names) - NUM_SHOWN} more" if len(names) > NUM_SHOWN else ""
    return ", ".join(names[:NUM_SHOWN]) + more


def _read_object(path: Path) -> Mapping[str, Any]:
    content = read_json(path, DAMAGED, "give the COCO file of the annotations")
    if isinstance(content, list):
        raise InputError(f"{path}: a list, as results of a detector are; give the file with images and categories")
    if not isinstance(content, Mapping):
        raise InputError(f"{path}: no COCO file; it must be an object with images, annotations and categories")
    return content


def _entries(content: Mapping[str, Any], name: str, required: bool = True) -> list[dict[str, Any]]:
    if name not in content and required:
        raise ValueError(f"it has no {name}")
    entries = content.get(name, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError(f"its {name} are not a list of objects")
    return entries


def _categories(entries: Iterable[dict[str, Any]]) -> dict[str, str]:
    category_of: dict[str, str] = {}
    for entry in entries:
        key = id_of(entry, "id", "a category")
        name = _text(entry, "name", f"category {key}")
        if not name:
            raise ValueError(f"category {key} has no name")
        if category_of.setdefault(key, name) != name:
            raise ValueError(f"id {key} stands for the categories {category_of[key]!r} and {name!r}")
    return category_of


def _images(entries: Iterable[dict[str, Any]]) -> dict[str, CocoImage]:
    image_of: dict[str, CocoImage] = {}
    id_of_name: dict[str, str] = {}
    for entry in entries:
        key = id_of(entry, "id", "an image")
        if key in image_of:
            raise ValueError(f"two images have the id {key}")
        image_of[key] = image = _image(entry, f"image {key}")
        if id_of_name.setdefault(image.file_name, key) != key:
            raise ValueError(f"images {id_of_name[image.file_name]} and {key} are both {image.file_name}")
    return image_of


def _image(entry: dict[str, Any], label: str) -> CocoImage:
    file_name = (_text(entry, FILE_NAME, label) or "").replace("\\", "/")
    if not file_name:
        raise ValueError(f"{label} has no file_name")
    group, patient = _text(entry, GROUP, label), _text(entry, PATIENT, label)
    known_kind = _text(entry, GROUP_KIND, label)
    return CocoImage(
        file_name=file_name,
        width=_length(entry, "width", label),
        height=_length(entry, "height", label),
        dataset=_text(entry, DATASET, label),
        group=group or patient,
        group_kind=known_kind or ("patient" if patient and not group else ""),
        source_name=_text(entry, SOURCE_NAME, label) or "",
        absent_phrases=_phrases(entry, ABSENT_PHRASES, label),
        phrase_order=_phrases(entry, PHRASE_ORDER, label),
        last_phrase=_text(entry, LAST_PHRASE, label) or "",
    )


def _annotation(entry: dict[str, Any], label: str, category: str) -> CocoAnnotation:
    return CocoAnnotation(label, category, box_of(entry, label), entry.get("segmentation"), bool(entry.get("iscrowd")))


def _text(entry: dict[str, Any], name: str, label: str) -> str | None:
    """A text, or a whole number as one; ``None`` where the field is missing or empty."""
    value = entry.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, int | str):
        # the value may be a patient's, so it is not shown
        raise ValueError(f"{label}: its {name} is a {type(value).__name__}, expected a text")
    if name != FILE_NAME and has_no_text(str(value)):  # the name of a file may be bytes that are not text
        raise ValueError(f"{label}: its {name} {value!a} holds bytes that are not text")
    return str(value)


def _length(entry: dict[str, Any], name: str, label: str) -> int | None:
    value = entry.get(name)
    if value is None:
        return None
    if not is_finite(value) or value <= 0 or value != int(value):
        raise ValueError(f"{label} has {name} {value!r}, expected a number of pixels")
    return int(value)


def _phrases(entry: dict[str, Any], name: str, label: str) -> tuple[str, ...]:
    value = entry.get(name) or []
    if not isinstance(value, list) or not all(isinstance(one, str) and not has_no_text(one) for one in value):
        raise ValueError(f"{label} has {name} {value!r}, expected a list of texts")
    return tuple(dict.fromkeys(value))


def _require_none(labels: Sequence[str], what: str) -> None:
    if labels:
        raise ValueError(f"{len(labels)} {what}: {shown(labels)}")
