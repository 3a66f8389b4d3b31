"""Which files are medical pictures, and the one function that reads any of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from gdinousam.data.contract.names import natural_key
from gdinousam.data.sources.medical.dicom import has_picture, read_dicom
from gdinousam.data.sources.medical.dicom_opening import is_dicom
from gdinousam.data.sources.medical.frames import MedicalFrames
from gdinousam.data.sources.medical.libraries import MissingLibraryError
from gdinousam.data.sources.medical.metaimage import read_metaimage
from gdinousam.data.sources.medical.nifti import read_nifti
from gdinousam.errors import InputError

DICOM_SUFFIXES = (".dcm", ".dicom")
READERS = {".nii": read_nifti, ".nii.gz": read_nifti, ".mha": read_metaimage, ".mhd": read_metaimage}
READERS |= dict.fromkeys(DICOM_SUFFIXES, read_dicom)


def read_frames(path: str | Path) -> MedicalFrames:
    """Open a DICOM, NIfTI or MetaImage file; the kind is told by its suffix, DICOM without one by its content.

    Raises ``InputError`` naming the file where it is of no such kind, missing or damaged, and naming what to install
    where the library of its format is missing.
    """
    path = Path(path)
    for suffix, reader in READERS.items():
        if path.name.lower().endswith(suffix):
            return reader(path)
    if is_dicom(path):
        return read_dicom(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the name and the folder")
    raise InputError(f"{path}: neither DICOM nor one of {', '.join(READERS)}; leave it out or rename it")


def medical_files(sources: Sequence[Path]) -> tuple[list[Path], int]:
    """The files to read, and how many others the folders hold.

    sources: files, taken as they are, and folders, of which every medical picture at any depth is taken in natural
    order. Others are those of no medical format and those that hold no picture, such as reports; hidden files do
    not count. A file that is named twice comes once. Raises ``InputError`` for a source that does not exist.
    """
    found: dict[Path, Path] = {}
    num_others = 0
    for source in sources:
        if not source.exists():
            raise InputError(f"{source}: no such file or folder; check the path")
        for path in _files_below(source) if source.is_dir() else [source]:
            if path == source or _is_picture(path):
                found.setdefault(path.resolve(), path)
            else:
                num_others += 1
    return list(found.values()), num_others


def _files_below(folder: Path) -> list[Path]:
    names = [path.relative_to(folder).parts for path in _walk(folder) if path.is_file()]
    shown = [parts for parts in names if not any(part.startswith(".") for part in parts)]
    return [folder.joinpath(*parts) for parts in sorted(shown, key=lambda parts: [natural_key(part) for part in parts])]


def _walk(folder: Path) -> Iterator[Path]:
    """Every entry that is not a folder, at any depth. Linked folders are entered, each real folder once."""
    entered: set[Path] = set()
    for below, folders, files in os.walk(folder, followlinks=True):
        entered.add(Path(below).resolve())
        folders[:] = [name for name in sorted(folders) if Path(below, name).resolve() not in entered]
        entered.update(Path(below, name).resolve() for name in folders)
        yield from (Path(below, name) for name in files)


def _is_picture(path: Path) -> bool:
    if is_dicom(path):
        try:
            return has_picture(path)
        except MissingLibraryError:
            raise
        except InputError:
            return True  # a damaged one; its reader says so
    return path.name.lower().endswith(tuple(READERS))
