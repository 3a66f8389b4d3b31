"""A table of the data contract as a COCO file, from which importing makes the same records again."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from gdinousam.data.contract import reading as contract
from gdinousam.data.contract.check import require_valid
from gdinousam.data.contract.check_files import MAX_THREADS
from gdinousam.data.images import read_mask_file
from gdinousam.data.sources.coco import reading
from gdinousam.data.sources.coco.ids import CocoIds, coco_ids
from gdinousam.data.sources.coco.segmentation import encode_rle, has_holes, outline_polygons
from gdinousam.errors import InputError
from gdinousam.files import write_text
from gdinousam.progress_bar import ProgressBar
from gdinousam.records import ImageRecord, Mask, MaskReference

CARRIED_COLUMNS = (reading.GROUP_KIND, reading.SOURCE_NAME)  # beyond the contract's, kept where the CSV has them
HOLES = "masks with holes, which polygons fill; without --polygons they are kept"
SHARED = "objects share their mask with another one, so each holds all of it"
NO_MASK = "objects without a mask: no segmentation, and the box's area"

Entry = dict[str, Any]  # one object of a JSON file


@dataclass(frozen=True)
class ExportReport:
    """What was written. remarks: how often something has to be known about it."""

    path: Path
    num_images: int
    num_annotations: int
    categories: tuple[str, ...]
    remarks: Counter[str]

    def text(self) -> str:
        """One line on the whole, one per remark."""
        counts = f"{self.num_images} images, {self.num_annotations} annotations, {len(self.categories)} categories"
        notes = [f"note: {number} {remark}" for remark, number in sorted(self.remarks.items()) if number]
        return "\n".join([f"{self.path}: {counts}", *notes])


def export_coco(
    csv_path: str | Path,
    image_dir: str | Path,
    mask_dir: str | Path | None,
    out: str | Path,
    polygons: bool = False,
    overwrite: bool = False,
    progress: bool = True,
    allow_odd: bool = False,
) -> ExportReport:
    """Write a CSV of the contract as a COCO file, which appears at once or not at all.

    image_dir, mask_dir: folders of the files it names; without masks there are no segmentations. out: the file; it is
    replaced only if ``overwrite``. polygons: outlines instead of run lengths; they fill holes. progress: bars in a
    terminal where it takes a while. allow_odd: as for ``check_table``.
    Raises ``DataProblems`` where the data breaks the contract, and ``InputError`` for
    a CSV that is none and a file that exists or cannot be written.
    """
    out = Path(out)
    if out.exists() and not overwrite:
        raise InputError(f"{out}: exists; name another file or add --overwrite")
    require_valid(csv_path, image_dir, mask_dir, allow_odd=allow_odd)
    table = contract.read_table(csv_path)
    records = contract.records_from_table(table, image_dir, mask_dir)
    carried = {
        row[contract.IMAGE_NAME]: {column: row[column] for column in CARRIED_COLUMNS if row.get(column)}
        for _, row in contract.iterate_rows(table)
    }
    ids = coco_ids(records)
    annotations, remarks = _annotations(records, ids, polygons, progress)
    content = {
        "info": {"description": f"{contract.find_csv(csv_path).name}, written by gdinousam"},
        "images": [_image(ids.images[one.path], one, carried[one.path.name]) for one in records],
        "annotations": annotations,
        "categories": [
            {"id": number, "name": phrase, "supercategory": ""} for phrase, number in ids.categories.items()
        ],
    }
    _write_json(content, out)
    return ExportReport(out, len(records), len(annotations), tuple(ids.categories), remarks)


def _image(number: int, record: ImageRecord, carried: Mapping[str, str]) -> Entry:
    entry: Entry = {
        "id": number,
        "file_name": record.path.name,
        "width": record.width,
        "height": record.height,
        reading.DATASET: record.dataset,
    }
    entry |= {reading.GROUP: record.group} if record.group else {}
    entry |= carried
    if record.absent_phrases:
        entry[reading.ABSENT_PHRASES] = list(record.absent_phrases)
        # where absent phrases stand between the others; the published test scripts keep an image's last row only
        entry[reading.PHRASE_ORDER] = list(record.phrases)
        entry[reading.LAST_PHRASE] = record.last_phrase
    return entry


def _annotations(
    records: Sequence[ImageRecord], ids: CocoIds, polygons: bool, progress: bool
) -> tuple[list[Entry], Counter[str]]:
    annotations: list[Entry] = []
    total = Counter[str]()
    bar = ProgressBar(len(records), "reading masks", is_shown=progress)
    convert = partial(_annotations_of_image, id_of=ids.categories, polygons=polygons)
    with bar, ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1)) as pool:
        for record, (entries, remarks) in zip(records, pool.map(convert, records), strict=True):
            for entry in entries:
                annotations.append({"id": len(annotations) + 1, "image_id": ids.images[record.path], **entry})
            total += remarks
            bar.update()
    return annotations, total


def _annotations_of_image(
    record: ImageRecord, id_of: Mapping[str, int], polygons: bool
) -> tuple[list[Entry], Counter[str]]:
    """The annotations without ids of their own and of the image, and remarks."""
    entries, remarks = [], Counter[str]()
    references = [instance.mask for instance in record.instances if instance.mask is not None]
    files = {path: read_mask_file(path) for path in {reference.path for reference in references}}
    for instance in record.instances:
        _, _, width, height = instance.box_xywh
        entry: Entry = {
            "category_id": id_of[instance.phrase],
            "bbox": list(instance.box_xywh),
            "area": width * height,
            "iscrowd": 0,
        }
        if instance.mask is None:
            remarks[NO_MASK] += 1
        else:
            mask_hw = files[instance.mask.path].select(instance.mask.value)
            entry |= {"area": int(mask_hw.sum()), "segmentation": _segmentation(mask_hw, polygons, remarks)}
            remarks[SHARED] += _is_shared(instance.mask, references)
        entries.append(entry)
    return entries, remarks


def _segmentation(mask_hw: Mask, polygons: bool, remarks: Counter[str]) -> object:
    if not polygons:
        return encode_rle(mask_hw)
    remarks[HOLES] += has_holes(mask_hw)
    return outline_polygons(mask_hw)


def _is_shared(mask: MaskReference, references: Sequence[MaskReference]) -> bool:
    """Whether another object of the image claims the same pixels of the same file."""
    same_file = [reference for reference in references if reference.path == mask.path]
    return sum(mask.value in (None, reference.value) or reference.value is None for reference in same_file) > 1


def _write_json(content: Entry, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(content, ensure_ascii=False))
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); name another file") from error
