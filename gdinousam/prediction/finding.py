"""Which files are meant by files, folders and patterns, and what their results are called."""

from __future__ import annotations

import glob
import logging
from collections.abc import Sequence
from pathlib import Path

from gdinousam.data.contract.names import natural_key
from gdinousam.data.sources.medical.dicom_opening import is_dicom
from gdinousam.data.sources.medical.formats import READERS
from gdinousam.data.sources.video import SUFFIXES as VIDEO_SUFFIXES
from gdinousam.errors import InputError
from gdinousam.prediction.sources import PICTURE_SUFFIXES

logger = logging.getLogger(__name__)

SUFFIXES = (*PICTURE_SUFFIXES, *READERS, *VIDEO_SUFFIXES)
_PATTERN = "*?["


def find_sources(given: Sequence[str | Path], folders_are_clips: bool = False) -> list[Path]:
    """The files that files, folders and patterns stand for, each once, in the order given.

    Of a folder it is every picture, video and medical file right in it, in natural order of the names; hidden files do
    not count. A pattern is ``scans/*.png`` or ``scans/**/*.dcm`` (all depths). folders_are_clips: a folder is one clip
    and stands for itself. Raises InputError for what is not there, and for a folder or pattern without any such file.
    """
    found: dict[Path, Path] = {}
    for one in given:
        for path in _meant(one, folders_are_clips):
            found.setdefault(path.resolve(), path)
    return list(found.values())


def _meant(given: str | Path, folders_are_clips: bool) -> list[Path]:
    path = Path(given)
    if path.is_dir() and not folders_are_clips:
        return _in_folder(path)
    if path.exists():
        return [path]
    if not any(letter in str(given) for letter in _PATTERN):
        raise InputError(f"{given}: no such image file; check the path")
    matches = [Path(match) for match in glob.glob(str(given), recursive=True)]  # noqa: PTH207 (Path.glob is relative)
    wanted = [match for match in matches if match.is_dir() == folders_are_clips and (match.is_dir() or _is_kind(match))]
    if not wanted:
        raise InputError(f"{given}: no image file has such a name; check the pattern")
    return sorted(wanted, key=natural_key)


def _in_folder(folder: Path) -> list[Path]:
    files = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    pictures = sorted((path for path in files if _is_kind(path)), key=natural_key)
    if not pictures:
        raise InputError(f"{folder}: no image right in this folder ({', '.join(SUFFIXES)}, DICOM); name one that has")
    if len(pictures) < len(files):
        logger.info("%s: left out because they are no pictures: %d", folder, len(files) - len(pictures))
    return pictures


def _is_kind(path: Path) -> bool:
    return path.name.lower().endswith(SUFFIXES) or is_dicom(path)


def result_name(path: Path) -> str:
    """What the results of a file are called: its name without the ending that tells its kind.

    Other endings stay, such as the last number of a DICOM file that is called by its UID.
    """
    name = path.name or path.resolve().name
    known = [suffix for suffix in SUFFIXES if name.lower().endswith(suffix) and len(name) > len(suffix)]
    return name[: -max(map(len, known))] if known else name
