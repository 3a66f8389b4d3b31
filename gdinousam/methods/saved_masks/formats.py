"""Mask files by their ending: their size from the head alone, and the mask itself.

NIfTI is read as everywhere here: the array as it is stored, its first axis across and its second down; the orientation
in the header is not applied.
"""

from __future__ import annotations

from pathlib import Path

from gdinousam.data.images import image_size, read_mask_file
from gdinousam.data.sources.medical.nifti import Volume, open_volume
from gdinousam.errors import InputError
from gdinousam.methods.saved_masks.answers import SizeHW
from gdinousam.methods.saved_masks.arrays import array_size, foreground, read_array_mask
from gdinousam.methods.saved_masks.settings import SavedMasksSettings
from gdinousam.records import Mask

PICTURE = ".png"
ARRAYS = (".npy", ".npz")
NIFTI = (".nii", ".nii.gz")
ENDINGS = (PICTURE, *ARRAYS, *NIFTI)


def mask_ending(name: str) -> str | None:
    """The ending of a file name that makes it a mask, in lower case; ``None``: it has none of them."""
    return next((ending for ending in ENDINGS if name.lower().endswith(ending)), None)


def mask_size(path: Path, settings: SavedMasksSettings) -> SizeHW:
    """(height, width) of a mask file; InputError for one that is missing, damaged or no mask."""
    ending = mask_ending(path.name)
    if ending in ARRAYS:
        return array_size(path, settings.array)
    if ending in NIFTI:
        width, height = _open_plane(path).shape[:2]
        return height, width
    width, height = image_size(path)
    return height, width


def read_mask(path: Path, settings: SavedMasksSettings) -> Mask:
    """The (H, W) bool mask of a file, as it is stored.

    Of a picture see ``gdinousam.data.masks``, of arrays and NIfTI ``arrays.foreground``.
    Raises InputError naming the file.
    """
    ending = mask_ending(path.name)
    if ending in ARRAYS:
        return read_array_mask(path, settings.array, settings.threshold)
    if ending in NIFTI:
        (plane,) = _open_plane(path).planes()
        return foreground(plane.swapaxes(0, 1), settings.threshold, path)
    return read_mask_file(path).foreground


def _open_plane(path: Path) -> Volume:
    volume = open_volume(path)
    if volume.is_colour or volume.num_planes != 1:
        found = "colours" if volume.is_colour else f"{volume.num_planes} planes"
        raise InputError(f"{path}: holds {found}, not the mask of one image; save one plane of numbers per image")
    return volume
