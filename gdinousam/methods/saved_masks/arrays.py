"""Masks and scores as arrays of numpy: ``.npy``, and ``.npz`` with one array of two axes that is meant.

Files are taken for what they hold, not for their ending, and nothing in them is ever run: pickles are refused.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gdinousam.errors import InputError
from gdinousam.methods.saved_masks.answers import SizeHW
from gdinousam.reading import reading
from gdinousam.records import Mask

# How the scripts of the paper's study call the array: BiomedParse; MedCLIP-SAM, -SAMv2 and UniverSeg; SAMUS.
STUDY_NAMES = ("logits", "arr", "prediction")
_ENDING = ".npy"  # of the members of an archive
_WHAT, _REMEDY = "an array", "save the array again"

Array = npt.NDArray[Any]


def array_size(path: Path, name: str | None) -> SizeHW:
    """(height, width) of the array in a file, from its head alone.

    name: of the array in an archive; ``None``: the only one or that of the study. Raises InputError for a file that is
    missing, damaged, a pickle, or holds no array of two axes with pixels.
    """
    with reading(path, _WHAT, _REMEDY):
        if not zipfile.is_zipfile(path):
            # mapped, a file that is cut off is noticed, and nothing is read
            return _size_of(np.load(path, mmap_mode="r", allow_pickle=False), path)
        with zipfile.ZipFile(path) as archive:
            member = archive.getinfo(_chosen(archive, name, path) + _ENDING)
            with archive.open(member) as file:
                shape, dtype = _read_head(file)
                num_bytes = member.file_size - file.tell()
            size_hw = _size_of(np.broadcast_to(np.zeros((), dtype), shape), path)
            if num_bytes != shape[0] * shape[1] * dtype.itemsize:
                raise ValueError("it is cut off")
            return size_hw


def read_array_mask(path: Path, name: str | None, threshold: float) -> Mask:
    """The (H, W) bool mask of a file; see ``foreground`` and ``array_size`` for its values and errors."""
    with reading(path, _WHAT, _REMEDY):
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                chosen = _chosen(archive, name, path)
            with np.load(path, allow_pickle=False) as arrays:
                values = arrays[chosen]
        else:
            values = np.load(path, allow_pickle=False)
        _size_of(values, path)
    return foreground(values, threshold, path)


def foreground(values: Array, threshold: float, path: Path) -> Mask:
    """Where the object is.

    values: (H, W) bool, whole numbers of 0 and more (every one but 0 belongs to the object) or decimal scores (those
    from the threshold on do). Raises InputError, naming the file, for other numbers, negative whole numbers and scores
    that are nan or infinite.
    """
    _require_numbers(values, path)
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise InputError(f"{path}: holds nan or infinite scores; save it again without them")
        return np.asarray(values >= threshold)
    if values.dtype.kind == "i" and values.min() < 0:
        raise InputError(
            f"{path}: holds negative whole numbers, which are not a mask; save a mask, or scores as decimals"
        )
    return np.asarray(values != 0)


def _size_of(values: Array, path: Path) -> SizeHW:
    _require_numbers(values, path)
    if values.ndim != 2 or not values.size:
        shape = " x ".join(map(str, values.shape)) or "a single value"
        raise InputError(f"{path}: holds an array of {shape}, not of height x width; save one mask as two axes")
    return values.shape[0], values.shape[1]


def _require_numbers(values: Array, path: Path) -> None:
    if values.dtype.kind not in "biuf":
        raise InputError(f"{path}: holds {values.dtype.name} values; save bool, whole or decimal numbers")


def _chosen(archive: zipfile.ZipFile, name: str | None, path: Path) -> str:
    """The name of the array that is meant."""
    names = [member.removesuffix(_ENDING) for member in archive.namelist() if member.endswith(_ENDING)]
    of_study = [one for one in STUDY_NAMES if one in names]
    choice = [name] if name is not None else names if len(names) == 1 else of_study
    if len(choice) == 1 and choice[0] in names:
        return choice[0]
    there = f"the arrays {', '.join(names)}" if names else "no array"
    if name is not None:
        raise InputError(f"{path}: holds {there}, none of the name {name}; correct saved_masks.array")
    raise InputError(f"{path}: holds {there}; name the one that is meant in saved_masks.array")


def _read_head(file: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype
