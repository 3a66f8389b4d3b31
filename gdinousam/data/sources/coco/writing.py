"""Annotated images written as files and rows of the data contract, and held against it."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import PIL.Image
import PIL.ImageOps

from gdinousam.data.contract import reading as contract
from gdinousam.data.contract.check import check_table
from gdinousam.data.contract.check_files import MAX_THREADS
from gdinousam.data.contract.layout import SPLIT_FOLDERS, SPLITS, Split, csv_name
from gdinousam.data.preparation.commit import FILES, ROWS, write_rows
from gdinousam.data.sources.coco.instances import CocoInstance, read_instances
from gdinousam.data.sources.coco.reading import GROUP_KIND, SOURCE_NAME, CocoFile, CocoImage
from gdinousam.data.sources.mask_layers import layer_masks
from gdinousam.drawing import write_picture
from gdinousam.errors import InputError
from gdinousam.progress_bar import ProgressBar
from gdinousam.reading import reading
from gdinousam.records import ImageRecord, Instance

Shares = tuple[float, float, float]  # of the images, wanted in train, val and test; they sum to 1

NO_ANNOTATIONS = "images without annotations (--negatives takes them in as rows without a target)"
UNUSED = "categories without any annotation, of which nothing is known (--unused-categories takes them as absent)"
NONE_LEFT = "images whose annotations were all left out"


@dataclass(frozen=True)
class ImportOptions:
    """split: the one to write, the shares of train, val and test, or ``given``: those of the release.
    dataset: name for images that tell none; ``None``: the stem of the annotations' file.
    phrases: the phrase for category names that are none. negatives: take images without annotations in, as rows that
    say that no phrase of a category with annotations names anything; unused_categories: of the others neither.
    allow_odd: as for ``gdinousam.data.contract.check.check_table``. absent: categories or phrases that images without
    a target lack; empty: those of the file."""

    split: Split | Shares | Literal["given"]
    dataset: str | None = None
    phrases: Mapping[str, str] = field(default_factory=dict)
    negatives: bool = False
    allow_odd: bool = False
    unused_categories: bool = False
    absent: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """An image record with its file, its size and the name it gets. is_turned: the file has to be turned upright
    first, as its EXIF orientation says; size and name are of the upright image."""

    image: CocoImage
    path: Path
    size_hw: tuple[int, int]
    name: str
    is_turned: bool = False


def write_splits(
    folder: Path,
    coco: CocoFile,
    sources: Sequence[Source],
    split_of: Mapping[str, Split],
    phrase_of: Mapping[str, str],
    options: ImportOptions,
    progress: bool,
) -> Counter[str]:
    """Write images, masks and rows into a collecting folder and hold them against the contract.

    folder: as from ``collecting``. sources: the images of the file, in its order. split_of: of each image's new name;
    those without one are left out. phrase_of: the phrase of each
    category. Returns how often something was changed or left out. Raises ``InputError`` for masks and images that are
    damaged, for boxes that do not meet their mask, and where no image is left; ``OSError`` where writing fails.
    """
    for split in set(split_of.values()):
        for name in SPLIT_FOLDERS[split]:
            (folder / FILES / name).mkdir()
    used = used_categories(coco)

    def convert(source: Source) -> tuple[ImageRecord | None, Counter[str]]:
        instances, remarks = read_instances(source.image, source.size_hw, phrase_of)
        absent = _absent_phrases(source.image, instances, phrase_of, used, options)
        if not instances and not absent:
            remarks[NONE_LEFT if source.image.annotations else NO_ANNOTATIONS] += 1
            return None, remarks
        dataset = source.image.dataset or options.dataset or coco.path.stem
        image_dir, mask_dir = (folder / FILES / name for name in SPLIT_FOLDERS[split_of[source.name]])
        _copy_image(source, image_dir)
        placed = _write_masks(instances, source, mask_dir)
        return _record(source, image_dir, dataset, placed, absent, phrase_of), remarks

    records, total = [], Counter[str]()
    bar = ProgressBar(len(sources), "writing images", is_shown=progress)
    with bar, ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1)) as pool:
        for record, remarks in pool.map(convert, sources):
            total += remarks
            records += [record] if record else []
            bar.update()
    if options.negatives and not options.unused_categories:
        total[UNUSED] += len(phrase_of) - len(used)
    if not records:
        raise InputError(f"{coco.path}: no image has an annotation that can be used; --negatives takes empty images in")
    for split in SPLITS:
        of_split = [record for record in records if split_of[record.path.name] == split]
        _write_csv(folder, of_split, sources, split)
        if of_split:
            _require_sound(folder, sources, split, options, coco.path, progress)
    return total


def used_categories(coco: CocoFile) -> tuple[str, ...]:
    """The categories that something is annotated with, in the order of the file."""
    annotated = {one.category for image in coco.images for one in image.annotations}
    return tuple(name for name in coco.categories if name in annotated)


def _copy_image(source: Source, image_dir: Path) -> None:
    """As it is, byte for byte, or upright as a PNG file: its shapes were drawn on the upright image."""
    if not source.is_turned:
        shutil.copyfile(source.path, image_dir / source.name)
        return
    with reading(source.path, "an image"), PIL.Image.open(source.path) as picture:
        PIL.ImageOps.exif_transpose(picture).save(image_dir / source.name, exif=b"")


def _absent_phrases(
    image: CocoImage,
    instances: Sequence[CocoInstance],
    phrase_of: Mapping[str, str],
    used: tuple[str, ...],
    options: ImportOptions,
) -> tuple[str, ...]:
    """used: the categories that something in the file is annotated with."""
    present = {annotation.category for annotation in image.annotations}
    for name in image.absent_phrases:
        if name in present:
            raise InputError(f"{image.file_name}: {name!r} is annotated and among its absent_phrases; remove one")
    names = image.absent_phrases
    if (options.negatives or image.is_negative) and not image.annotations and not names:
        names = options.absent or (tuple(phrase_of) if options.unused_categories else used)
    phrases = dict.fromkeys(phrase_of.get(name, name) for name in names)
    # two categories may have been given one phrase
    named = {phrase_of[name] for name in present} | {instance.phrase for instance in instances}
    return tuple(phrase for phrase in phrases if phrase not in named)


def _write_masks(instances: Sequence[CocoInstance], source: Source, mask_dir: Path) -> tuple[Instance, ...]:
    """Write the mask files of an image; returns its objects as the contract knows them."""
    with_mask = [(instance.phrase, instance.mask_hw) for instance in instances if instance.mask_hw is not None]
    stem = Path(source.name).stem
    if len(with_mask) < len(instances):
        stem += ".masked"  # under the image's own name the file would also be the mask of rows that have none
    files, mask_names = layer_masks(with_mask, stem)
    for name, labels in files.items():
        write_picture(labels, mask_dir / name)
    names = iter(mask_names)
    return tuple(
        Instance(
            instance.phrase,
            instance.box_xywh,
            None if instance.mask_hw is None else contract.mask_reference(next(names), source.name, mask_dir),
        )
        for instance in instances
    )


def _record(
    source: Source,
    image_dir: Path,
    dataset: str,
    instances: tuple[Instance, ...],
    absent: tuple[str, ...],
    phrase_of: Mapping[str, str],
) -> ImageRecord:
    image = source.image
    height, width = source.size_hw
    used = [*(instance.phrase for instance in instances), *absent]
    order = [phrase_of.get(name, name) for name in image.phrase_order]
    return ImageRecord(
        path=image_dir / source.name,
        width=width,
        height=height,
        dataset=dataset,
        group=image.group,
        instances=instances,
        absent_phrases=absent,
        phrases=tuple(dict.fromkeys([*(phrase for phrase in order if phrase in used), *used])),
        last_phrase=phrase_of.get(image.last_phrase, image.last_phrase) or used[-1],
    )


def _write_csv(folder: Path, records: Sequence[ImageRecord], sources: Sequence[Source], split: Split) -> None:
    """Rows of the split, which may be none, with the two columns that the contract does not know."""
    if not records:
        write_rows(folder, split, [])
        return
    csv_path = folder / ROWS / csv_name(split)
    contract.write_records(records, csv_path)
    table = contract.read_table(csv_path)
    image_of = {source.name: source.image for source in sources}
    images = [image_of[name] for name in table[contract.IMAGE_NAME]]
    if any(image.group_kind for image in images):
        table[GROUP_KIND] = [image.group_kind for image in images]
    table[SOURCE_NAME] = [image.source_name or image.file_name for image in images]
    contract.write_table(table, csv_path)


def _require_sound(
    folder: Path, sources: Sequence[Source], split: Split, options: ImportOptions, path: Path, progress: bool
) -> None:
    """Hold what was written against the contract: this decodes every image, and a box must meet its mask."""
    csv_path = folder / ROWS / csv_name(split)
    image_dir, mask_dir = (folder / FILES / name for name in SPLIT_FOLDERS[split])
    problems = check_table(csv_path, image_dir, mask_dir, progress=progress, allow_odd=options.allow_odd)
    if problems:
        first, row = next((problem, problem.row) for problem in problems if problem.row is not None)
        causes = "".join(f"; expected {problem.expected}" for problem in problems if problem.row is None)
        name = contract.read_table(csv_path)[contract.IMAGE_NAME][row]
        source = next(source for source in sources if source.name == name)
        raise InputError(
            f"{path}: {len(problems)} of its objects or images are not sound, the first in "
            f"{source.image.file_name}: {first.column} {first.value}, expected {first.expected}{causes}"
        )
