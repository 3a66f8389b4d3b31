"""A folder of images and a folder of masks: label maps of ITK-SNAP, nnU-Net or anything else, and plain masks.

By hand: datumaro 1.13.12 and supervision 0.31.2 read colour masks and no NIfTI, NRRD or label descriptions. A label is
one object in an image, with all its parts and holes, unless ``ReadOptions.each_part``.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from gdinousam.data.contract.names import natural_key
from gdinousam.data.images import JPEG_SUFFIXES, image_size, read_mask_file
from gdinousam.data.sources.annotations.findings import Findings
from gdinousam.data.sources.annotations.label_names import LABELS_FILE, named_values
from gdinousam.data.sources.annotations.options import ReadOptions
from gdinousam.data.sources.annotations.volumes import Labels, image_planes, label_planes, volume_suffix
from gdinousam.data.sources.coco.importing import AnnotatedImages
from gdinousam.data.sources.coco.reading import CocoAnnotation, CocoImage, shown
from gdinousam.data.sources.coco.segmentation import encode_rle
from gdinousam.drawing import write_picture
from gdinousam.errors import InputError
from gdinousam.progress_bar import ProgressBar
from gdinousam.records import Mask

logger = logging.getLogger(__name__)

FOLDERS = (("imagesTr", "labelsTr"), ("images", "masks"), ("images", "labels"), ("image", "mask"), ("img", "mask"))
MASK_ENDINGS = ("", "_mask", "_masks", "_seg", "_segmentation", "_label", "_labels", "-mask", "-seg", "-label")
_CHANNEL = re.compile(r"_(\d{4})$")  # nnU-Net's number of the channel
VOLUME = "volume"  # kind of the group that the planes of a file are
EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True)
class _Names:
    """values_of: the values of each label; empty: every pixel that is not black is the one phrase."""

    values_of: Mapping[str, tuple[int, ...]]
    phrase: str | None
    passed_over: frozenset[int] = frozenset()


def mask_folders(source: Path) -> tuple[Path, Path] | None:
    """The folders of images and masks below a source; ``None`` where it has no such pair."""
    pairs = ((source / images, source / masks) for images, masks in FOLDERS)
    return next((pair for pair in pairs if pair[0].is_dir() and pair[1].is_dir()), None)


def read_label_maps(source: Path, options: ReadOptions) -> AnnotatedImages:
    """Read pairs of equal stems. Planes of a volume become images of one group.

    source: folder with both folders, or, beside ``options.images``, the folder of the masks. Images without a mask are
    not labelled and are left out; one whose mask is black is one that nobody has called a negative. Raises
    ``DataProblems`` naming every mask at fault, and ``InputError`` where the folders or the meaning of the values are
    not told.
    """
    image_dir, mask_dir = _folders(source, options)
    names = _names(source, mask_dir, options)
    findings = Findings(source)
    findings.categories = list(names.values_of) or [str(names.phrase)]
    paths: dict[str, Path] = {}
    pairs = list(_pairs(image_dir, mask_dir, findings))
    bar = ProgressBar(len(pairs), "reading masks", is_shown=options.progress)
    for image_path, mask_path in bar.over(pairs):
        try:
            for record, place in _images(image_path, mask_path, names, options):
                paths[record.file_name] = place
                findings.add(record, mask_path)
        except InputError:
            raise
        except ValueError as error:
            findings.problem(mask_path, "mask", mask_path.name, str(error))
    return findings.result(image_dir, paths)


def _folders(source: Path, options: ReadOptions) -> tuple[Path, Path]:
    found = mask_folders(source)
    image_dir = options.images or (found[0] if found else None)
    mask_dir = options.masks or (found[1] if found else source if options.images else None)
    if image_dir is None or mask_dir is None:
        raise InputError(f"{source}: has no folders images and masks; name them with --images and --masks")
    for folder in (image_dir, mask_dir):
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; name the folders with --images and --masks")
    return image_dir, mask_dir


def _names(source: Path, mask_dir: Path, options: ReadOptions) -> _Names:
    numbers = {key: phrase for key, phrase in options.phrases.items() if key.isdecimal()}
    described = source / LABELS_FILE if (source / LABELS_FILE).is_file() else mask_dir.parent / LABELS_FILE
    if options.phrase is not None:
        return _Names({}, options.phrase)
    if numbers:
        values_of: dict[str, tuple[int, ...]] = {}
        for key, phrase in numbers.items():
            values_of[phrase] = (*values_of.get(phrase, ()), int(key))
        return _Names(values_of, None)
    if described.is_file():
        values, ignored = named_values(described)
        return _Names(values, None, ignored)
    raise InputError(
        f"{mask_dir}: nobody says what the values of the masks mean; give --phrases FILE with lines VALUE: PHRASE, or "
        "--phrase TEXT where all that is not black is one thing"
    )


def _pairs(image_dir: Path, mask_dir: Path, findings: Findings) -> Iterator[tuple[Path, Path]]:
    """Each image with its mask, in natural order; what does not fit together is a problem."""
    masks = {_stem(path): path for path in _files(mask_dir)}
    images: dict[str, Path] = {}
    stems = [_stem(path) for path in _files(image_dir)]
    has_channels = bool(stems) and all(_CHANNEL.search(stem) for stem in stems) and not masks.keys() & set(stems)
    for path in _files(image_dir):
        stem = _CHANNEL.sub("", _stem(path)) if has_channels else _stem(path)
        if stem in images:
            findings.problem(path, "image", path.name, f"one image per mask; there is {images[stem].name} too")
        images.setdefault(stem, path)
    unmasked = []
    for stem, path in images.items():
        mask = next((found for ending in MASK_ENDINGS if (found := masks.pop(stem + ending, None))), None)
        if mask is None:
            unmasked.append(path.name)
        else:
            yield path, mask
    for path in masks.values():
        findings.problem(path, "mask", path.name, f"an image of the same name in {image_dir}")
    if unmasked:
        logger.warning("%s: %d images have no mask and are left out: %s", image_dir, len(unmasked), shown(unmasked))


def _files(folder: Path) -> list[Path]:
    files = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    pictures = [path for path in files if path.suffix.lower() not in (".json", ".txt", ".csv", ".yaml", ".yml", ".raw")]
    return sorted(pictures, key=natural_key)


def _stem(path: Path) -> str:
    suffix = volume_suffix(path.name)
    return path.name[: -len(suffix)] if suffix else path.stem


def _images(image_path: Path, mask_path: Path, names: _Names, options: ReadOptions) -> Iterator[tuple[CocoImage, Path]]:
    """The image records of a pair and their files: one, or one per plane."""
    planes = _mask_planes(mask_path, names)
    if volume_suffix(image_path.name) is None:
        if len(planes) != 1:
            raise ValueError(f"one plane, as the image has; it has {len(planes)}")
        _require_size(planes[0], image_size(image_path))
        yield CocoImage(image_path.name, annotations=_objects(planes[0], names, options)), image_path
        return
    stem, count = _stem(image_path), 0
    for count, pixels in enumerate(image_planes(image_path), start=1):
        if count <= len(planes):
            _require_size(planes[count - 1], (pixels.shape[1], pixels.shape[0]))
            name = f"{stem}.png" if len(planes) == 1 else f"{stem}-{count:04d}.png"
            is_grey = (pixels == pixels[:, :, :1]).all()
            write_picture(pixels[:, :, 0] if is_grey else pixels, options.scratch / name)
            objects = _objects(planes[count - 1], names, options)
            group, kind = (stem, VOLUME) if len(planes) > 1 else (None, "")
            record = CocoImage(name, group=group, group_kind=kind, source_name=image_path.name, annotations=objects)
            yield record, options.scratch / name
    if count != len(planes):
        raise ValueError(f"{count} planes, as the image has; it has {len(planes)}")


def _require_size(labels: Labels, size: tuple[int, int]) -> None:
    if labels.shape[::-1] != size:
        raise ValueError(f"{size[0]} x {size[1]}, as the image; it is {labels.shape[1]} x {labels.shape[0]}")


def _mask_planes(path: Path, names: _Names) -> Sequence[Labels]:
    """Labels of each plane; 1 for the one phrase, 0 elsewhere."""
    if names.phrase is not None and volume_suffix(path.name) is None:
        return [read_mask_file(path).foreground.astype(np.int64)]
    if path.suffix.lower() in JPEG_SUFFIXES:
        raise ValueError("labels, which a JPEG cannot hold; save it as PNG, or give --phrase for all of it")
    planes = label_planes(path)
    if names.phrase is not None:
        return [(plane > 0).astype(np.int64) for plane in planes]
    known = {0, *names.passed_over, *(value for values in names.values_of.values() for value in values)}
    unknown = sorted({int(value) for plane in planes for value in np.unique(plane)} - known)
    if unknown:
        told = ", ".join(map(str, sorted(known - {0})))
        raise ValueError(f"values with a phrase ({told}); it has {shown([str(value) for value in unknown])} too")
    return planes


def _objects(labels: Labels, names: _Names, options: ReadOptions) -> tuple[CocoAnnotation, ...]:
    values_of = {names.phrase: (1,)} if names.phrase is not None else names.values_of
    objects = []
    for phrase, values in values_of.items():
        mask_hw = np.isin(labels, values)
        for number, part_hw in enumerate(_parts(mask_hw, options.each_part), start=1):
            objects.append(CocoAnnotation(f"{phrase} {number}", str(phrase), None, encode_rle(part_hw)))
    return tuple(objects)


def _parts(mask_hw: Mask, each_part: bool) -> Iterator[Mask]:
    """The mask, or its 8-connected parts; nothing of an empty one."""
    if not each_part:
        yield from [mask_hw] if mask_hw.any() else []
        return
    numbers, count = ndimage.label(mask_hw, structure=EIGHT_NEIGHBOURS)
    for number in range(1, count + 1):
        yield numbers == number
