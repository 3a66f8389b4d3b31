"""Masks as label maps: NIfTI or MetaImage files in which each voxel holds the number of its object.

A label lies exactly where its picture lies: the geometry of a NIfTI or MetaImage source is taken over as it stands in
the source, and nothing else of its header. Planes are written one at a time to NIfTI, so that a long clip need not fit
into memory. A table beside the file, ``NAME_labels.json``, tells what the numbers mean.
"""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from gdinousam.data.sources.medical.libraries import library
from gdinousam.errors import InputError
from gdinousam.files import replaced_file, write_json
from gdinousam.prediction.sources import NIFTI_SUFFIXES, Clip, Picture
from gdinousam.prediction.writing.masks import FrameMasks, Objects
from gdinousam.reading import reading

Labels = npt.NDArray[np.uint16]  # (H, W): number of the object, 0 where there is none
DTYPE = np.dtype("<u2")
VOXELS_AT = 352  # bytes: header of 348, then 4 that say that no extension follows (NIfTI-1)
# NIfTI's axes point to the right and to the front, those of DICOM and ITK to the left and to the back
FLIPPED = (-1.0, -1.0, 1.0)
# the fields of a header that say where voxels lie, of NIfTI-1 and NIfTI-2
GEOMETRY = (
    "pixdim", "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z",
    "srow_x", "srow_y", "srow_z", "xyzt_units",
)  # fmt: skip


@dataclass
class _Counts:
    """hidden: pixels of an object that another one covers, because a voxel has one number only."""

    num_frames: int = 0
    hidden: int = 0


def write_label_map(path: Path, source: Picture | Clip, frames: Iterable[FrameMasks], objects: Objects) -> Path:
    """Write masks as one label map of the size of the source, and its table of labels; returns the table's path.

    path: ``.nii`` or ``.nii.gz``, of a MetaImage source ``.mha`` too. frames: the masks of each frame in the order of
    the source, taken one at a time; one item for a picture. objects: may grow until the last frame is taken. Where two
    objects lie over each other the lower number stays, and the table says how many pixels of others that hides. A
    source without geometry of its own, such as a video, gets its spacing where that is known, else pixels of 1. Raises
    ``InputError`` for masks of another size, and another number of frames.
    """
    name = path.name.lower()
    if not name.endswith(NIFTI_SUFFIXES) and not (name.endswith(".mha") and source.format == "MetaImage"):
        raise InputError(
            f"{path}: label maps are written as .nii.gz or .nii, of MetaImage files as .mha too; rename it"
        )
    counts = _Counts()
    planes = _planes(source, frames, counts)
    if source.format == "MetaImage" and source.path is not None:
        _write_like_metaimage(path, source.path, planes)
    else:
        _write_nifti(path, source, planes)
    table = path.with_name(f"{path.name[: -len(_suffix(name))]}_labels.json")
    content = {str(number): phrase for number, phrase in sorted(objects.items())}
    write_json(table, {"labels": content, "hidden_pixels": counts.hidden})
    return table


def _suffix(name: str) -> str:
    return next(suffix for suffix in (".nii.gz", ".nii", ".mha") if name.endswith(suffix))


def _planes(source: Picture | Clip, frames: Iterable[FrameMasks], counts: _Counts) -> Iterator[Labels]:
    expected = len(source) if isinstance(source, Clip) else 1
    for counts.num_frames, masks in enumerate(frames, start=1):
        labels = np.zeros(source.size_hw, dtype=DTYPE)
        for number, mask_hw in sorted(masks.items()):
            if mask_hw.shape != labels.shape:
                raise InputError(f"a mask of {mask_hw.shape} for frames of {source.size_hw} (H, W); give their size")
            counts.hidden += int((mask_hw & (labels > 0)).sum())
            labels[mask_hw & (labels == 0)] = number
        yield labels
    if counts.num_frames != expected:
        raise InputError(f"{source.name}: masks of {counts.num_frames} frames for {expected}; give those of every one")


def _write_nifti(path: Path, source: Picture | Clip, planes: Iterable[Labels]) -> None:
    """A plane of (H, W) labels, row by row, is a plane of NIfTI's (X, Y) in its order, column by column."""
    header = _header(source)
    with replaced_file(path) as new, _opened(new, path.name.lower().endswith(".gz")) as file:
        header.write_to(file)
        file.write(b"\0" * (int(header["vox_offset"]) - file.tell()))
        for labels in planes:
            file.write(labels.tobytes())


@contextmanager
def _opened(path: Path, is_compressed: bool) -> Iterator[BinaryIO | gzip.GzipFile]:
    """The file for writing; compressed without name and time, so that equal label maps are equal files."""
    with path.open("wb") as raw:
        if not is_compressed:
            yield raw
            return
        with gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as packed:
            yield packed


def _header(source: Picture | Clip) -> Any:
    nibabel = library("nibabel")
    if source.format == "NIfTI" and source.path is not None:
        with reading(source.path, "NIfTI"):
            picture = nibabel.load(source.path)
        stored = picture.header
        is_second = isinstance(stored, nibabel.Nifti2Header)  # which derives from the first
        header = nibabel.Nifti2Header() if is_second else nibabel.Nifti1Header()
        header.set_data_shape(picture.shape)
        for name in GEOMETRY:
            header[name] = stored[name]
        header["vox_offset"] = 544 if is_second else VOXELS_AT
    else:
        header = nibabel.Nifti1Header()
        num_frames = len(source) if isinstance(source, Clip) else 1
        height, width = source.size_hw
        header.set_data_shape((width, height, num_frames))
        slice_mm = source.slice_mm if isinstance(source, Clip) else None
        distances = (*(source.spacing_mm or (1.0, 1.0)), slice_mm or 1.0)
        affine = np.diag([*(sign * distance for sign, distance in zip(FLIPPED, distances, strict=True)), 1.0])
        header.set_zooms(distances)
        header.set_sform(affine, code="scanner")
        header.set_qform(affine, code="scanner")
        header.set_xyzt_units("mm" if source.spacing_mm else "unknown")
        header["vox_offset"] = VOXELS_AT
    header.set_data_dtype(DTYPE)
    header.set_slope_inter(1, 0)
    return header


def _write_like_metaimage(path: Path, source: Path, planes: Iterable[Labels]) -> None:
    itk = library("SimpleITK")
    with reading(source, "MetaImage"):
        reader = itk.ImageFileReader()
        reader.SetFileName(str(source))
        reader.ReadImageInformation()
        size = reader.GetSize()
    stacked = np.stack(list(planes)).reshape([*reversed(size)])
    picture = itk.GetImageFromArray(stacked, isVector=False)
    picture.SetSpacing(reader.GetSpacing())
    picture.SetOrigin(reader.GetOrigin())
    picture.SetDirection(reader.GetDirection())
    with replaced_file(path) as new, tempfile.TemporaryDirectory(prefix=".", dir=path.parent) as folder:
        whole = Path(folder, path.name)  # SimpleITK tells the format by the suffix
        itk.WriteImage(picture, str(whole), useCompression=True)
        whole.replace(new)
