"""A COCO results file as answers: any number of detections per image and phrase, each with its own mask, box and score.

What has no entry was not found. Detections of a phrase that their image is not asked for are left out and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gdinousam.data.sources.coco.results import CocoResult, read_results
from gdinousam.data.sources.coco.segmentation import decode_segmentation, stored_size
from gdinousam.errors import InputError
from gdinousam.methods.saved_masks.answers import SavedAnswer, SizeHW, listed
from gdinousam.methods.saved_masks.coco_ids import Meanings, meanings_by_file, meanings_by_name
from gdinousam.methods.saved_masks.settings import SavedMasksSettings
from gdinousam.records import BoxXYXY, ImageRecord


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
