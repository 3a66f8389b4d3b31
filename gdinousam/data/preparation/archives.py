"""Releases that come as archives: unpacked into a scratch folder, and nowhere else."""

from __future__ import annotations

import os
import stat
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import TypeVar

from gdinousam.errors import InputError
from gdinousam.progress_bar import ProgressBar
from gdinousam.reading import reason_of

MAX_NESTING = 2  # releases that are archives within archives go no deeper
Member = TypeVar("Member")
_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


def with_lower_suffixes(release: Path, scratch: Path) -> Path:
    """The folder of a release in which every suffix is lower-case, as its readers expect: ``1.PNG`` is ``1.png``.

    The folder itself where that is so already, else ``scratch``, with links to its files. Raises ``InputError`` where
    two files would get one name.
    """
    files = [Path(below, name) for below, _, names in os.walk(release, followlinks=True) for name in names]
    if all(path.suffix == path.suffix.lower() for path in files):
        return release
    for path in files:
        link = scratch / path.relative_to(release).with_suffix(path.suffix.lower())
        if link.is_symlink():
            raise InputError(f"{release}: holds {path.name} in two letter cases of its suffix; remove one")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path.resolve())
    return scratch


def is_archive(path: Path) -> bool:
    """Whether a path is a zip or tar file (also compressed by gzip, bzip2 or xz), seen from its content.

    A compressed file that is cut off or damaged is one by its name, and unpacking it says what is wrong.
    """
    if not path.is_file():
        return False
    try:
        return zipfile.is_zipfile(path) or tarfile.is_tarfile(path)
    except Exception:  # what the decompressors raise
        return path.name.lower().endswith(_SUFFIXES)


def unpacked(raw: Path, scratch: Path, progress: bool = True) -> Path:
    """The folder of a release: ``raw`` itself, or ``scratch`` after unpacking the archive or the folder of archives.

    A folder without any archive is returned as it is. Where a folder holds archives, their content goes to
    ``scratch``, each into a folder of the archive's name, and the folder's other files are linked beside them.
    Raises ``InputError`` for a path that does not exist, for a file that is damaged or not an archive, and for an
    archive with a path that leads outside; nothing outside ``scratch`` is ever written.
    """
    if raw.is_dir():
        archives = [path for path in sorted(raw.iterdir()) if _looks_like_archive(path)]
        if not archives:
            return raw
        scratch.mkdir(parents=True)
        for path in sorted(raw.iterdir()):
            if path not in archives:
                (scratch / path.name).symlink_to(path.resolve())
        for path in archives:
            if not (raw / _stem(path)).exists():  # else it has been unpacked by hand
                _unpack(path, scratch / _stem(path), progress)
        return scratch
    if not raw.exists():
        raise InputError(f"{raw}: no such folder or archive; check the path")
    if not is_archive(raw):
        raise InputError(f"{raw}: neither a folder nor a zip or tar archive; unpack it and give its folder")
    _unpack(raw, scratch, progress)
    return scratch


def _unpack(archive: Path, folder: Path, progress: bool, depth: int = 0) -> None:
    """Unpack an archive and the archives in it."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if zipfile.is_zipfile(archive):
            _unpack_zip(archive, folder, progress)
        else:
            _unpack_tar(archive, folder, progress)
    except InputError:
        raise
    except Exception as error:  # of many decompressors
        if isinstance(error, OSError) and error.errno is not None:
            raise InputError(
                f"{archive.name}: could not be unpacked to {folder} ({error.strerror}); check the room and rights there"
            ) from error
        raise InputError(f"{archive.name}: damaged archive ({reason_of(error)}); fetch it again") from error
    _unwrap(folder)
    if depth < MAX_NESTING:
        for inner in [path for path in sorted(folder.rglob("*")) if _looks_like_archive(path)]:
            _unpack(inner, inner.with_name(_stem(inner)), progress, depth + 1)
            inner.unlink()


def _unpack_zip(archive: Path, folder: Path, progress: bool) -> None:
    with zipfile.ZipFile(archive) as file:
        members = file.infolist()
        for member in members:
            is_link = stat.S_ISLNK(member.external_attr >> 16)
            _require_inside(member.filename, archive, is_link)
        for member in _bar(members, archive, progress):
            # Windows' own programs put backslashes between folders, which elsewhere are letters of a name
            member.filename = member.filename.replace("\\", "/")
            file.extract(member, folder)


def _unpack_tar(archive: Path, folder: Path, progress: bool) -> None:
    with tarfile.open(archive) as file:
        members = file.getmembers()
        for member in members:
            _require_inside(member.name, archive, not (member.isfile() or member.isdir()))
        for member in _bar(members, archive, progress):
            file.extract(member, folder, filter="data")


def _unwrap(folder: Path) -> None:
    """Where an archive wraps all it holds in one folder of its own name, keep that folder's content only."""
    entries = list(folder.iterdir())
    if len(entries) == 1 and entries[0].is_dir() and entries[0].name.lower() == folder.name.lower():
        wrapping = entries[0].rename(folder.with_name(f".{folder.name}.wrapped"))
        folder.rmdir()
        wrapping.rename(folder)


def _require_inside(name: str, archive: Path, is_link: bool) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in "".join(path.parts[:1]) or is_link:
        raise InputError(f"{archive}: holds {name!r}, which leads outside its folder; do not use this archive")


def _looks_like_archive(path: Path) -> bool:
    """Whether a file is an archive by name and content: a spreadsheet is a zip file too."""
    return path.name.lower().endswith(_SUFFIXES) and is_archive(path)


def _stem(archive: Path) -> str:
    name = archive.name
    for suffix in (".tar.gz", ".tar.bz2", ".tar.xz", archive.suffix):
        if name.lower().endswith(suffix.lower()):
            return name[: -len(suffix)]
    return name


def _bar(members: list[Member], archive: Path, progress: bool) -> Iterable[Member]:
    return ProgressBar(len(members), f"unpacking {archive.name}", "file", progress).over(members)
