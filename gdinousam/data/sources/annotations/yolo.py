"""YOLO: one text file per image, with a line for each box or polygon, in shares of the image's width and height.

By hand: datumaro 1.13.12 refuses lines with polygons and takes ``names`` with numbers in the order of the file, not by
their numbers; supervision 0.31.2 reads images through OpenCV, which turns them by their EXIF orientation, and rounds
polygons to whole pixels.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import PIL.Image

from gdinousam.data.contract.layout import SPLITS, Split
from gdinousam.data.contract.names import natural_key
from gdinousam.data.images import image_size
from gdinousam.data.sources.annotations.findings import Findings
from gdinousam.data.sources.annotations.options import ReadOptions
from gdinousam.data.sources.coco.importing import AnnotatedImages
from gdinousam.data.sources.coco.reading import CocoAnnotation, CocoImage
from gdinousam.errors import InputError
from gdinousam.reading import reading
from gdinousam.yaml_files import read_yaml

logger = logging.getLogger(__name__)

NAME_LISTS = ("classes.txt", "obj.names", "_darknet.labels")  # of labelImg, Darknet and Roboflow
BOX_NUMBERS, POLYGON_NUMBERS = 4, 6  # after the class; a polygon has at least three corners


@dataclass(frozen=True)
class _Release:
    """folder: below which everything lies. names: by number. images: with their splits. is_pose: key points follow each
    box."""

    folder: Path
    names: dict[int, str]
    images: list[tuple[Path, Split | None]]
    is_pose: bool = False


def find_yaml(source: Path) -> Path | None:
    """The YAML file of a release: the source itself, or the one in the folder that has ``names``."""
    if source.is_file():
        return source if source.suffix.lower() in (".yaml", ".yml") else None
    files = sorted([*source.glob("*.yaml"), *source.glob("*.yml")])
    return next((path for path in files if isinstance(tree := _tree(path), dict) and "names" in tree), None)


def find_names(folder: Path) -> Path | None:
    """The list of names in a folder or its ``labels``; ``None`` where it has none."""
    lists = (folder / below / name for below in ("", "labels") for name in NAME_LISTS)
    return next((path for path in lists if path.is_file()), None)


def read_yolo(source: Path, options: ReadOptions) -> AnnotatedImages:
    """Read a release with its ``data.yaml``, or a folder with ``classes.txt`` or ``obj.names``.

    Label files lie in ``labels`` where images lie in ``images``, or beside the images. An image without a label file is
    not labelled and is left out; one with an empty file is one that nobody has called a negative. Raises
    ``DataProblems`` naming every line at fault, and ``InputError`` for missing files.
    """
    path = find_yaml(source)
    release = _of_yaml(path, options) if path else _of_folder(source, options)
    findings = Findings(path or source)
    findings.categories = list(release.names.values())
    num_unlabelled, paths = 0, {}
    for image_path, split in release.images:
        label_path = _label_file(image_path, release.folder)
        if label_path is None:
            num_unlabelled += 1
            continue
        name = image_path.relative_to(options.images or release.folder).as_posix()
        paths[name] = image_path
        annotations = tuple(_annotations(label_path, image_size(image_path), release, findings))
        findings.add(CocoImage(name, annotations=annotations, split=split), label_path)
    if num_unlabelled:
        logger.warning("%s: %d images have no label file and are left out", findings.source, num_unlabelled)
    return findings.result(release.folder, paths)


def _tree(path: Path) -> Any:
    return read_yaml(path, missing=f"{path}: no such file; give data.yaml")


def _of_yaml(path: Path, options: ReadOptions) -> _Release:
    tree = _tree(path)
    names = tree.get("names") if isinstance(tree, dict) else None
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not all(str(key).isdecimal() for key in names):
        raise InputError(f"{path}: has no names of classes; write names: [..., ...]")
    folder = path.parent
    images: list[tuple[Path, Split | None]] = []
    for split in SPLITS:
        entries = tree.get(split) or []
        for entry in entries if isinstance(entries, list) else [entries]:
            images += [(image, split) for image in _named_images(str(entry), str(tree.get("path") or ""), path)]
    if options.images is not None:
        images = [(image, None) for image in _images_below(options.images)]
        folder = options.images.parent
    numbered = {int(key): str(name) for key, name in sorted(names.items(), key=lambda item: int(item[0]))}
    return _Release(folder, numbered, images, "kpt_shape" in tree)


def _named_images(entry: str, root: str, path: Path) -> Iterator[Path]:
    """Images of a folder, or of a list of files, that the YAML file names; always below its own folder.

    The paths in it are relative to folders of the machine that wrote it, so each is looked for by its end.
    """
    place = _by_end(PurePosixPath(root.replace("\\", "/")) / entry.replace("\\", "/"), path.parent)
    if place is None:
        raise InputError(f"{path}: {entry} is not below its folder; put it there, or give the folder with --images")
    if place.is_dir():
        yield from _images_below(place)
        return
    with reading(place, "a list of images"):
        lines = [line.strip() for line in place.read_text("utf-8-sig").splitlines() if line.strip()]
    for line in lines:
        image = _by_end(PurePosixPath(line.replace("\\", "/")), path.parent)
        if image is None:
            raise InputError(f"{place}: {line} is not below {path.parent}; put the images there")
        yield image


def _by_end(place: PurePosixPath, folder: Path) -> Path | None:
    """What lies below a folder under the longest end of a path."""
    parts = [part for part in place.parts if part not in ("/", "..", ".") and not part.endswith(":")]
    found = (folder.joinpath(*parts[start:]) for start in range(len(parts)))
    return next((candidate for candidate in found if candidate.exists()), None)


def _of_folder(source: Path, options: ReadOptions) -> _Release:
    path = find_names(source)
    if path is None:
        raise InputError(f"{source}: has neither data.yaml nor {', '.join(NAME_LISTS)}; write the names of the classes")
    with reading(path, "a list of names"):
        names = dict(enumerate(line.strip() for line in path.read_text("utf-8-sig").splitlines() if line.strip()))
    folder = options.images or source
    return _Release(source, names, [(image, None) for image in _images_below(folder)])


def _images_below(folder: Path) -> list[Path]:
    suffixes = PIL.Image.registered_extensions()
    files = [path for path in folder.rglob("*") if path.suffix.lower() in suffixes and path.is_file()]
    return sorted(files, key=lambda path: (path.parent, natural_key(path)))


def _label_file(image: Path, folder: Path) -> Path | None:
    parts = list(image.parts)
    places = [place for place, part in enumerate(parts[:-1]) if part == "images" and place >= len(folder.parts) - 1]
    candidates = [image.with_suffix(".txt"), *(folder / below / f"{image.stem}.txt" for below in ("labels", ""))]
    if places:
        parts[places[-1]] = "labels"
        candidates.insert(0, Path(*parts).with_suffix(".txt"))
    return next((path for path in candidates if path.is_file()), None)


def _annotations(path: Path, size: tuple[int, int], release: _Release, findings: Findings) -> Iterator[CocoAnnotation]:
    with reading(path, "labels of YOLO"):
        lines = path.read_text("utf-8-sig").splitlines()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield _annotation(line.split(), size, release, f"line {number}")
        except ValueError as error:
            findings.problem(path, "label", line.strip(), str(error), number)


def _annotation(cells: list[str], size: tuple[int, int], release: _Release, name: str) -> CocoAnnotation:
    """size: (width, height) of the image. ``ValueError`` says what is expected."""
    try:
        first, *numbers = map(float, cells)
    except ValueError:
        raise ValueError("numbers: class, then a box or a polygon") from None
    if first not in release.names:
        raise ValueError(f"a class of the names, 0 to {max(release.names)}")
    label = release.names[int(first)]
    if release.is_pose:
        numbers = numbers[:BOX_NUMBERS]
    sides = [number * size[place % 2] for place, number in enumerate(numbers)]
    if len(sides) == BOX_NUMBERS:
        x, y, width, height = sides
        return CocoAnnotation(name, label, (x - width / 2, y - height / 2, width, height), None)
    if len(sides) < POLYGON_NUMBERS or len(sides) % 2:
        raise ValueError("class, x, y, width, height, or class and the corners of a polygon")
    return CocoAnnotation(name, label, None, [sides])
