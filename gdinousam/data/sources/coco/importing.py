"""Annotated images as splits of the data contract: all of them, or nothing.

COCO files come in here, and so does what ``gdinousam.data.sources.annotations`` reads in other formats.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import PIL.ExifTags
import PIL.Image
import PIL.ImageOps

from gdinousam.data.contract import reading as contract
from gdinousam.data.contract.layout import SPLIT_FOLDERS, SPLITS, Split, csv_name
from gdinousam.data.images import image_size
from gdinousam.data.preparation.commit import collecting, commit
from gdinousam.data.sources.coco.file_names import locate_images, plain_names
from gdinousam.data.sources.coco.instances import CHANGES, phrase_of_categories
from gdinousam.data.sources.coco.reading import CocoFile, CocoImage, read_coco, shown
from gdinousam.data.sources.coco.writing import ImportOptions, Source, write_splits
from gdinousam.data.splits.grouped_split import grouped_split
from gdinousam.data.splits.plan import SplitImage
from gdinousam.errors import InputError
from gdinousam.progress_bar import ProgressBar
from gdinousam.reading import reading
from gdinousam.records import ImageRecord


@dataclass(frozen=True)
class AnnotatedImages:
    """What a reader of annotations found.

    file: the records, as a COCO file would hold them. image_dir: where the file names start. paths: by file name, of
    the images whose place is known. shows_upright: the tool turns images by their EXIF orientation before anybody draws
    on them; ``False``: it is not known to.
    """

    file: CocoFile
    image_dir: Path
    paths: Mapping[str, Path] = field(default_factory=dict)
    shows_upright: bool = False


@dataclass(frozen=True)
class ImportReport:
    """What came of it. written: records of each CSV, as it reads. remarks: how often something was changed or left
    out."""

    written: Mapping[Path, tuple[ImageRecord, ...]]
    remarks: Counter[str]

    @property
    def records(self) -> tuple[ImageRecord, ...]:
        """Those of all splits."""
        return tuple(record for records in self.written.values() for record in records)

    def text(self) -> str:
        """A line and one per phrase for each split, one per remark."""
        lines = [line for csv_path, records in self.written.items() for line in _counts(csv_path, records)]
        for remark, number in sorted(self.remarks.items()):
            if number:
                lines.append(f"{'changed' if remark in CHANGES else 'left out'}: {number} {remark}")
        return "\n".join(lines)


def _counts(csv_path: Path, records: Sequence[ImageRecord]) -> list[str]:
    instances = [instance for record in records for instance in record.instances]
    num_masks = sum(instance.mask is not None for instance in instances)
    lines = [f"{csv_path}: {len(records)} images, {len(instances)} objects, {num_masks} of them with a mask"]
    for phrase in sorted({phrase for record in records for phrase in record.phrases}):
        of_phrase = [record for record in records if phrase in record.phrases]
        num_objects = sum(instance.phrase == phrase for instance in instances)
        num_absent = sum(phrase in record.absent_phrases for record in of_phrase)
        absent = f", absent in {num_absent}" if num_absent else ""
        lines.append(f"  {phrase}: {num_objects} objects in {len(of_phrase) - num_absent} images{absent}")
    return lines


def import_coco(
    annotations: str | Path, image_dir: str | Path, data: str | Path, options: ImportOptions, progress: bool = True
) -> ImportReport:
    """Write splits of the data contract from a COCO file.

    annotations: the file. image_dir: the folder that its file names start from. The rest as for ``import_images``;
    raises ``InputError`` also for whatever ``read_coco`` refuses.
    """
    return import_images(AnnotatedImages(read_coco(annotations), Path(image_dir)), data, options, progress)


def import_images(
    images: AnnotatedImages, data: str | Path, options: ImportOptions, progress: bool = True
) -> ImportReport:
    """Write splits of the data contract.

    data: folder of the splits; it may
    hold others. progress: bars in a terminal where it takes a while. The result passes the contract's checker. Raises
    ``InputError`` for images that are missing, damaged or of another size than the
    file says, for masks that cannot be decoded, and where a split exists; then nothing is written.
    """
    data, coco = Path(data), images.file
    phrase_of = phrase_of_categories(coco.categories, options.phrases)
    sources = _sources(images, progress)
    split_of = _split_of(sources, coco, phrase_of, options)
    splits = [split for split in SPLITS if split in split_of.values()]
    tag = f"coco-import-{'-'.join(splits)}"  # no dataset's name, because a commit replaces the rows of that dataset
    try:
        with collecting(data, tag) as folder:
            for split in splits:
                _require_new_split(data, split)
            remarks = write_splits(folder, coco, sources, split_of, phrase_of, options, progress)
            commit(data, tag, folder)
    except OSError as error:
        raise InputError(f"{data}: cannot be written ({error.strerror}); nothing was imported") from error
    return ImportReport({data / csv_name(split): _records_of(data, split) for split in splits}, remarks)


def _records_of(data: Path, split: Split) -> tuple[ImageRecord, ...]:
    image_folder, mask_folder = SPLIT_FOLDERS[split]
    return contract.read_records(data / csv_name(split), data / image_folder, data / mask_folder)


def _require_new_split(data: Path, split: Split) -> None:
    names = {csv_name(split).lower(), *SPLIT_FOLDERS[split]}
    taken = sorted(path.name for path in data.iterdir() if path.name.lower() in names)
    if taken:
        raise InputError(f"{data}: holds {taken[0]} of an earlier {split} split; name another folder or another split")


def _split_of(
    sources: Sequence[Source], coco: CocoFile, phrase_of: Mapping[str, str], options: ImportOptions
) -> dict[str, Split]:
    """The split of each image by its new name; shares are shared out by whole groups, and without images left out."""
    if options.split == "given":
        without = [source.image.file_name for source in sources if source.image.split is None]
        if without:
            raise InputError(f"{coco.path}: tells no split of {len(without)} images: {shown(without)}; name one split")
        return {source.name: source.image.split for source in sources if source.image.split is not None}
    if isinstance(options.split, str):
        return {source.name: options.split for source in sources}
    taken = [source for source in sources if _has_rows(source.image, options)]
    split_images = [
        SplitImage(
            source.name,
            source.image.group or source.name,
            tuple(dict.fromkeys(phrase_of[annotation.category] for annotation in source.image.annotations)),
        )
        for source in taken
    ]
    plan = grouped_split(split_images, "seen", options.dataset or coco.path.stem, options.split)
    chosen: dict[str, Split] = {source.name: "train" for source in sources}  # where nothing comes of an image
    return chosen | {name: split for split in SPLITS for name in plan.members[split]}


def _has_rows(image: CocoImage, options: ImportOptions) -> bool:
    return bool(image.annotations or image.absent_phrases or image.is_negative or options.negatives)


def _sources(images: AnnotatedImages, progress: bool) -> list[Source]:
    """Every image with its file; nothing but the heads of the files is read."""
    coco = images.file
    elsewhere = [image.file_name for image in coco.images if image.file_name not in images.paths]
    paths = dict(images.paths) | dict(zip(elsewhere, locate_images(elsewhere, images.image_dir), strict=True))
    turned = {name for name in paths if images.shows_upright and _is_turned(paths[name])}
    names = plain_names([str(Path(name).with_suffix(".png")) if name in turned else name for name in paths])
    name_of = dict(zip(paths, names, strict=True))
    sources, wrong = [], []
    bar = ProgressBar(len(paths), "reading sizes", is_shown=progress)
    for image in bar.over(coco.images):
        path = paths[image.file_name]
        width, height = _upright_size(path) if image.file_name in turned else image_size(path)
        if (image.width or width, image.height or height) != (width, height):
            wrong.append(f"{image.file_name} ({image.width} x {image.height} there, {width} x {height} in the file)")
        sources.append(Source(image, path, (height, width), name_of[image.file_name], image.file_name in turned))
    if wrong:
        raise InputError(f"{coco.path}: {len(wrong)} images have another size: {shown(wrong)}; give the right images")
    return sources


def _is_turned(path: Path) -> bool:
    """Whether EXIF says that the image is to be turned or mirrored. A TIFF that is turned is refused elsewhere."""
    with reading(path, "an image"), PIL.Image.open(path) as picture:
        return picture.format != "TIFF" and picture.getexif().get(PIL.ExifTags.Base.Orientation, 1) in range(2, 9)


def _upright_size(path: Path) -> tuple[int, int]:
    """(width, height) of the image turned upright."""
    with reading(path, "an image"), PIL.Image.open(path) as picture:
        return PIL.ImageOps.exif_transpose(picture).size
