"""Where the images of a COCO file lie, and the names they get: one folder has to hold what many folders did."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from gdinousam.data.coco.reading import shown
from gdinousam.errors import InputError

MAX_STEM = 150  # characters; the masks of an image add its phrase


def locate_images(file_names: Sequence[str], image_dir: Path) -> list[Path]:
    """The file of each name below a folder.

    Raises ``InputError`` for a folder that is not there, for names that lead outside of it, and for missing files.
    """
    if not image_dir.is_dir():
        raise InputError(f"{image_dir}: no such folder; give the one that the file names of the images start from")
    for name in file_names:
        if PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive or ".." in PurePosixPath(name).parts:
            raise InputError(
                f"{image_dir}: the image {name} lies outside of it; make file names relative to one folder"
            )
    paths = [image_dir / name for name in file_names]
    missing = [name for name, path in zip(file_names, paths, strict=True) if not path.is_file()]
    if missing:
        raise InputError(
            f"{image_dir}: {len(missing)} of {len(paths)} images are not there: {shown(missing)}; give the folder that "
            "the file names start from"
        )
    return paths


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
