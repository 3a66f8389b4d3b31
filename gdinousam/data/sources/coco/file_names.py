"""Where the images of a COCO file lie, and the names they get: one folder has to hold what many folders did."""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import unquote, urlsplit

from gdinousam.data.sources.coco.reading import shown
from gdinousam.errors import InputError

logger = logging.getLogger(__name__)

UPLOADED = re.compile(r"^[0-9a-f]{8}-(?=.)")  # what Label Studio puts before the name of an uploaded file
LOCAL_FILE = "/local-files/?d="  # before the path of a file on its own disk
MAX_STEM = 150  # characters; the masks of an image add its phrase


def locate_images(file_names: Sequence[str], image_dir: Path) -> list[Path]:
    """The file of each name below a folder.

    A name that is not a path below the folder, as labelling tools write them (an address, an absolute path, one that
    leads outside, ``%20`` for a space, another Unicode form, Label Studio's eight letters in front), is looked for by
    its end: its last folders and file name, as many as the folder has. Raises ``InputError`` for a folder that is not
    there, for missing files, and for two names that lead to one file.
    """
    if not image_dir.is_dir():
        raise InputError(f"{image_dir}: no such folder; give the one that the file names of the images start from")
    found = [next((path for path in _candidates(name, image_dir) if path.is_file()), None) for name in file_names]
    missing = [name for name, path in zip(file_names, found, strict=True) if path is None]
    if missing:
        raise InputError(
            f"{image_dir}: {len(missing)} of {len(found)} images are not there: {shown(missing)}; give the folder that "
            "the file names start from, or the one that holds the images, where the names are addresses"
        )
    paths = [path for path in found if path is not None]
    name_of: dict[Path, str] = {}
    for name, path in zip(file_names, paths, strict=True):
        if name_of.setdefault(path, name) != name:
            raise InputError(
                f"{image_dir}: the images {name_of[path]} and {name} both lead to {path.name}; give the folder that "
                "their file names start from"
            )
    by_end = [name for name, path in zip(file_names, paths, strict=True) if path != image_dir / name]
    if by_end:
        logger.warning("%s: %d images were found by the end of their names: %s", image_dir, len(by_end), shown(by_end))
    return paths


def path_told(name: str) -> PurePosixPath:
    """The path that a labelling tool means by a name: without the address and the eight letters in front."""
    path = PurePosixPath(unquote(_address(name)))
    return path.with_name(UPLOADED.sub("", path.name)) if path.name else path


def _address(name: str) -> str:
    return name.partition(LOCAL_FILE)[2] or (urlsplit(name).path if "://" in name else name)


def _candidates(name: str, image_dir: Path) -> Iterator[Path]:
    """Where an image may lie: by its name, then by ever shorter ends of it; always below the folder."""
    address = _address(name)
    for text in dict.fromkeys((name, address, unquote(address), *_other_forms(address))):
        path = PurePosixPath(text)
        if not (path.is_absolute() or PureWindowsPath(text).drive or ".." in path.parts or "://" in text):
            yield image_dir / path
    for text in dict.fromkeys((address, unquote(address), *_other_forms(address))):
        parts = [part for part in PurePosixPath(text).parts if part != "/"]
        ends = [parts[start:] for start in range(1, len(parts))] if parts else []
        for end in [parts, *ends]:
            if end and ".." not in end and not PureWindowsPath(end[0]).drive:
                yield image_dir.joinpath(*end)
        if parts and UPLOADED.match(parts[-1]):
            yield image_dir / UPLOADED.sub("", parts[-1])


def _other_forms(address: str) -> tuple[str, ...]:
    """The name with its accents as single characters and as parts: file systems change one into the other."""
    return tuple(unicodedata.normalize(form, unquote(address)) for form in ("NFC", "NFD"))


def plain_names(file_names: Sequence[str]) -> list[str]:
    """A name for each image that is fit for one folder: ``A/b 1.PNG`` becomes ``a-b_1.png``.

    The folders stay part of the name. What comes before the suffix is made of lower-case letters, digits, dashes and
    underscores, and differs between any two images: equal ones get ``-2``, ``-3`` in order. Suffixes are kept.
    """
    names = []
    taken: set[str] = set()
    for file_name in file_names:
        path = PurePosixPath(unicodedata.normalize("NFKD", file_name).lower())
        parts = [re.sub(r"[^a-z0-9-]+", "_", part).strip("_") for part in (*path.parts[:-1], path.stem)]
        base = "-".join(part for part in parts if part)[-MAX_STEM:] or "image"
        stem, number = base, 1
        while stem in taken:
            number += 1
            stem = f"{base}-{number}"
        taken.add(stem)
        names.append(stem + path.suffix)
    return names
