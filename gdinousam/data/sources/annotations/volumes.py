"""Pictures and label maps in files that may hold many planes: NIfTI by nibabel, MetaImage and NRRD by SimpleITK."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gdinousam.data.images import MaskFile, read_mask_file
from gdinousam.data.sources.medical.formats import READERS, read_frames
from gdinousam.data.sources.medical.frames import as_rgb, scaled_alike
from gdinousam.data.sources.medical.libraries import library
from gdinousam.data.sources.medical.nifti import open_volume
from gdinousam.errors import InputError
from gdinousam.reading import reading, unreadable
from gdinousam.records import Image

NRRD = (".nrrd", ".nhdr")
NIFTI = (".nii.gz", ".nii")
VOLUMES = (*NIFTI, *(suffix for suffix in READERS if suffix not in NIFTI), *NRRD)

Labels = npt.NDArray[np.int64]  # (H, W)


def volume_suffix(name: str) -> str | None:
    """The suffix of a file that may hold many planes; ``None`` for other files."""
    return next((suffix for suffix in VOLUMES if name.lower().endswith(suffix)), None)


def image_planes(path: Path) -> Iterator[Image]:
    """The planes of a volume as (H, W, 3) uint8 RGB in [0, 255], scaled alike, the first axis across.

    Raises ``InputError`` naming the file for one that is missing or damaged, or whose library is not installed.
    """
    if volume_suffix(path.name) not in NRRD:
        yield from read_frames(path)
        return
    planes = _itk_planes(path)
    for plane in scaled_alike(lambda: iter(planes), path):
        yield np.ascontiguousarray(as_rgb(plane))


def label_planes(path: Path) -> list[Labels]:
    """The planes of a label map, one of a picture file.

    Raises ``InputError`` naming the file for one that is missing or damaged, for values that are no whole numbers of 0
    or more, and for a colour mask or a JPEG, which hold no labels.
    """
    suffix = volume_suffix(path.name)
    planes: list[npt.NDArray[Any]]
    if suffix in NIFTI:
        planes = [np.asarray(plane).T for plane in open_volume(path).planes()]
    elif suffix is not None:
        planes = list(_itk_planes(path))
    else:
        planes = [_values(read_mask_file(path))]
    return [_whole(plane, path) for plane in planes]


def _values(mask: MaskFile) -> npt.NDArray[Any]:
    if mask.values is None:
        raise InputError(f"{mask.path}: a colour mask has no values; save the labels grey or with a palette")
    return mask.values


def _whole(plane: npt.NDArray[Any], path: Path) -> Labels:
    if plane.ndim != 2 or plane.dtype.kind not in "buif":
        raise InputError(f"{path}: holds colours, not labels; save the labels as whole numbers")
    whole = np.rint(plane).astype(np.int64)
    if (whole != plane).any() or whole.min() < 0:
        raise InputError(f"{path}: holds values that are no labels, which are whole numbers of 0 or more")
    return whole


def _itk_planes(path: Path) -> npt.NDArray[Any]:
    """(N, H, W), or (N, H, W, 3) for colours."""
    itk = library("SimpleITK")
    with reading(path, "an image"), path.open("rb"):
        pass  # SimpleITK's own message on a missing file has several lines
    try:
        picture = itk.ReadImage(str(path))
        values = np.asarray(itk.GetArrayFromImage(picture))
    except Exception as error:
        raise unreadable(path, "NRRD or MetaImage", "damaged, cut off, or without its data file") from error
    channels = picture.GetNumberOfComponentsPerPixel()
    if channels == 1:
        return values.reshape(-1, *values.shape[-2:])
    return values[..., :3].reshape(-1, *values.shape[-3:-1], min(channels, 3))
