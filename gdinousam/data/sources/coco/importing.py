"""A COCO file and its images as one split of the data contract: all of it, or nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from gdinousam.data.contract import reading as contract
from gdinousam.data.contract.layout import SPLIT_FOLDERS, Split, csv_name
from gdinousam.data.images import image_size
from gdinousam.data.preparation.commit import collecting, commit
from gdinousam.data.sources.coco.file_names import locate_images, plain_names
from gdinousam.data.sources.coco.instances import CHANGES, phrase_of_categories
from gdinousam.data.sources.coco.reading import CocoFile, read_coco, shown
from gdinousam.data.sources.coco.writing import ImportOptions, Source, write_split
from gdinousam.errors import InputError
from gdinousam.progress_bar import ProgressBar
from gdinousam.records import ImageRecord


@dataclass(frozen=True)
class ImportReport:
    """What came of it. records: as the written CSV reads. remarks: how often something was changed or left out."""

    csv_path: Path
    records: tuple[ImageRecord, ...]
    remarks: Counter[str]

    def text(self) -> str:
        """One line on the whole, one per phrase, one per remark."""
        instances = [instance for record in self.records for instance in record.instances]
        num_masks = sum(instance.mask is not None for instance in instances)
        lines = [
            f"{self.csv_path}: {len(self.records)} images, {len(instances)} objects, {num_masks} of them with a mask"
        ]
        phrases = dict.fromkeys(phrase for record in self.records for phrase in record.phrases)
        for phrase in sorted(phrases):
            of_phrase = [record for record in self.records if phrase in record.phrases]
            num_objects = sum(instance.phrase == phrase for instance in instances)
            num_absent = sum(phrase in record.absent_phrases for record in of_phrase)
            absent = f", absent in {num_absent}" if num_absent else ""
            lines.append(f"  {phrase}: {num_objects} objects in {len(of_phrase) - num_absent} images{absent}")
        for remark, number in sorted(self.remarks.items()):
            if number:
                lines.append(f"{'changed' if remark in CHANGES else 'left out'}: {number} {remark}")
        return "\n".join(lines)


def import_coco(
    annotations: str | Path, image_dir: str | Path, data: str | Path, options: ImportOptions, progress: bool = True
) -> ImportReport:
    """Write a split of the data contract from a COCO file.

    annotations: the file. image_dir: the folder that its file names start from. data: folder of the splits; it may
    hold others. progress: bars in a terminal where it takes a while. The result passes the contract's checker. Raises
    ``InputError`` for whatever ``read_coco`` refuses, for images that are missing, damaged or of another size than the
    file says, for masks that cannot be decoded, and where the split exists; then nothing is written.
    """
    coco, data = read_coco(annotations), Path(data)
    phrase_of = phrase_of_categories(coco.categories, options.phrases)
    sources = _sources(coco, Path(image_dir), progress)
    tag = f"coco-import-{options.split}"  # no dataset's name, because a commit replaces the rows of that dataset
    try:
        with collecting(data, tag) as folder:
            _require_new_split(data, options.split)
            remarks = write_split(folder, coco, sources, phrase_of, options, progress)
            commit(data, tag, folder)
    except OSError as error:
        raise InputError(f"{data}: cannot be written ({error.strerror}); nothing was imported") from error
    csv_path = data / csv_name(options.split)
    image_folder, mask_folder = SPLIT_FOLDERS[options.split]
    records = contract.read_records(csv_path, data / image_folder, data / mask_folder)
    return ImportReport(csv_path, records, remarks)


def _require_new_split(data: Path, split: Split) -> None:
    names = {csv_name(split).lower(), *SPLIT_FOLDERS[split]}
    taken = sorted(path.name for path in data.iterdir() if path.name.lower() in names)
    if taken:
        raise InputError(f"{data}: holds {taken[0]} of an earlier {split} split; name another folder or another split")


def _sources(coco: CocoFile, image_dir: Path, progress: bool) -> list[Source]:
    """Every image with its file; nothing but the heads of the files is read."""
    paths = locate_images([image.file_name for image in coco.images], image_dir)
    names = plain_names([image.file_name for image in coco.images])
    sources, wrong = [], []
    bar = ProgressBar(len(paths), "reading sizes", is_shown=progress)
    for image, path, name in zip(coco.images, bar.over(paths), names, strict=True):
        width, height = image_size(path)
        if (image.width or width, image.height or height) != (width, height):
            wrong.append(f"{image.file_name} ({image.width} x {image.height} there, {width} x {height} in the file)")
        sources.append(Source(image, path, (height, width), name))
    if wrong:
        raise InputError(f"{coco.path}: {len(wrong)} images have another size: {shown(wrong)}; give the right images")
    return sources
