"""A COCO results file as answers: any number of detections per image and phrase, each with its own mask, box and score.

What has no entry was not found. Detections of a phrase that their image is not asked for are left out and counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from gdinousam.data.sources.coco.file_names import plain_names
from gdinousam.data.sources.coco.instances import phrase_of_categories, read_phrase_mapping
from gdinousam.data.sources.coco.reading import CocoImage, read_ids, shown
from gdinousam.data.sources.coco.segmentation import CocoResult, decode_segmentation, read_results, stored_size
from gdinousam.errors import InputError
from gdinousam.methods.saved_masks.answers import SavedAnswer, SizeHW, listed
from gdinousam.methods.saved_masks.settings import SavedMasksSettings
from gdinousam.records import BoxXYXY, ImageRecord


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


class CocoResults:
    """See ``SavedAnswers``. Raises InputError for a file that cannot be read, and for ids that can mean two things."""

    wanted = (
        "Every entry needs image_id, category_id, score and segmentation; ids are those of the COCO file named in "
        "saved_masks.coco_file, or without it the name of the image file and the phrase. saved_masks.missing, unknown "
        "and resize say what else is allowed (docs/predictions.md)"
    )
    empty_is_answer = False

    def __init__(self, path: Path, records: Sequence[ImageRecord], settings: SavedMasksSettings) -> None:
        self.path = path
        results = read_results(path)
        meanings = _meanings(results, records, settings)
        self._size_of = meanings.sizes
        placed = _place(results, meanings, records)
        self._found = placed.found
        pairs = [(record, phrase) for record in records for phrase in record.phrases]
        self.num_wanted = len(pairs)
        self.missing = [
            f"{record.path.name} {phrase!r}"
            for record, phrase in pairs
            if record.path not in meanings.sizes or phrase not in meanings.named
        ]
        self.unknown = list(placed.unknown)
        wrong = [
            listed(placed.undefined, f"of ids that {settings.coco_file} does not have"),
            listed(placed.boxes, "with a box alone, without segmentation"),
            f"none of its {len(results)} entries is of the test file" if results and not placed.num_known else "",
        ]
        self.wrong = [text for text in wrong if text]
        self.remarks = [_remark(placed.num_unasked)] if placed.num_unasked else []

    def sizes(self, record: ImageRecord) -> dict[str, SizeHW]:
        """See ``SavedAnswers``; polygons are of the size of the image."""
        return {result.label: self._mask_size(record, result) for _, result in self._found[record.path]}

    def read(self, record: ImageRecord) -> list[SavedAnswer]:
        """See ``SavedAnswers``."""
        return [self._answer(record, phrase, result) for phrase, result in self._found[record.path]]

    def _mask_size(self, record: ImageRecord, result: CocoResult) -> SizeHW:
        return stored_size(result.segmentation) or self._size_of[record.path]

    def _answer(self, record: ImageRecord, phrase: str, result: CocoResult) -> SavedAnswer:
        try:
            mask_hw = decode_segmentation(result.segmentation, self._mask_size(record, result))
        except (ValueError, MemoryError) as error:
            raise InputError(f"{self.path}, {result.label}: {error}; fix it or write the results again") from error
        assert mask_hw is not None  # entries without a segmentation are in self.wrong
        return SavedAnswer(phrase, mask_hw, result.score, _box_xyxy(result))


@dataclass
class _Placed:
    """The entries of a file. found: by image, with their phrase. undefined, boxes: labels of those whose ids stand for
    nothing, and that have no mask. unknown: ids and categories that the test file does not have, each once.
    num_unasked: entries of a phrase that is asked, but not of their image."""

    found: dict[Path, list[tuple[str, CocoResult]]]
    undefined: list[str] = field(default_factory=list)
    boxes: list[str] = field(default_factory=list)
    unknown: dict[str, None] = field(default_factory=dict)
    num_unasked: int = 0

    @property
    def num_known(self) -> int:
        """How many entries are of an image and a phrase of the test file."""
        return self.num_unasked + len(self.boxes) + sum(map(len, self.found.values()))


def _place(results: Sequence[CocoResult], meanings: Meanings, records: Sequence[ImageRecord]) -> _Placed:
    placed = _Placed({record.path: [] for record in records})
    asked = {phrase for record in records for phrase in record.phrases}
    for result in results:
        if result.image not in meanings.images or result.category not in meanings.phrases:
            placed.undefined.append(f"{result.label} (image_id {result.image}, category_id {result.category})")
            continue
        record, phrase = meanings.images[result.image], meanings.phrases[result.category]
        if record is None or phrase not in asked:
            placed.unknown[f"image_id {result.image}" if record is None else f"category {phrase!r}"] = None
        elif phrase not in record.phrases:
            placed.num_unasked += 1
        elif not result.segmentation:
            placed.boxes.append(result.label)
        else:
            placed.found[record.path].append((phrase, result))
    return placed


def _meanings(results: Sequence[CocoResult], records: Sequence[ImageRecord], settings: SavedMasksSettings) -> Meanings:
    if settings.coco_file is not None:
        return meanings_by_file(settings.coco_file, settings.coco_phrases, records)
    images, categories = (dict.fromkeys(getattr(one, name) for one in results) for name in ("image", "category"))
    return meanings_by_name(images, categories, settings.coco_phrases, records)


def _box_xyxy(result: CocoResult) -> BoxXYXY | None:
    if result.box_xywh is None:
        return None
    x, y, width, height = result.box_xywh
    return x, y, x + width, y + height


def _remark(num_unasked: int) -> str:
    return f"{num_unasked} detections of a phrase that their image is not asked for were left out."
