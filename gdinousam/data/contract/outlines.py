"""Masks that are drawn outlines: thin closed curves round objects, scored as objects although they have no inside."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import PIL.Image
from scipy.ndimage import binary_fill_holes

from gdinousam.data.images import read_mask_file
from gdinousam.errors import InputError
from gdinousam.folders import replaced_folder
from gdinousam.records import Mask

Labels = npt.NDArray[Any]  # (H, W)

MAX_LINE = 3.0  # pixels from the middle of a drawn line to its edge
SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}
LOSSY = {".jpg", ".jpeg"}


def is_outline(mask_hw: Mask) -> bool:
    """Whether a mask, (H, W) bool, is nothing but thin lines that enclose at least as many pixels as they have."""
    num_pixels = int(mask_hw.sum())
    if not num_pixels or cv2.distanceTransform(mask_hw.astype(np.uint8), cv2.DIST_L2, 5).max() > MAX_LINE:
        return False
    return int((binary_fill_holes(mask_hw) & ~mask_hw).sum()) >= num_pixels


def write_filled(mask_dir: Path, out: Path) -> tuple[int, int]:
    """Copy a folder of masks, outlines filled; returns how many were filled and how many copied.

    Each value of a label file is filled by itself. A JPEG that is filled becomes a PNG of its stem. The folder appears
    once it is complete. Raises ``InputError`` for a folder in use, and for a mask that cannot be read or is in colour
    and an outline.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: is in use; name a new folder for the filled masks")
    paths = sorted(one for one in mask_dir.iterdir() if one.suffix.lower() in SUFFIXES)
    with replaced_folder(out.resolve()) as folder:
        num_filled = sum(_write(path, folder) for path in paths)
    return num_filled, len(paths) - num_filled


def _write(path: Path, folder: Path) -> bool:
    """Write one mask and tell whether it had to be filled."""
    mask_file = read_mask_file(path)
    values = mask_file.values
    if not is_outline(mask_file.foreground):
        shutil.copyfile(path, folder / path.name)
        return False
    if values is None:
        raise InputError(f"{path}: an outline in colour; store it grey to have it filled")
    is_soft = path.suffix.lower() in LOSSY or len(np.unique(values[mask_file.foreground])) > np.iinfo(np.uint8).max
    stored = np.where(mask_file.foreground, 255, 0).astype(np.uint8) if is_soft else values
    name = f"{path.stem}.png" if path.suffix.lower() in LOSSY else path.name
    PIL.Image.fromarray(_filled(stored)).save(folder / name)
    return True


def _filled(labels: Labels) -> Labels:
    """Each value filled by itself; large ones first, so that an object inside another one keeps its inside."""
    wholes = {value: binary_fill_holes(labels == value) for value in np.unique(labels[labels > 0])}
    filled = labels.copy()
    for value, whole_hw in sorted(wholes.items(), key=lambda item: -int(item[1].sum())):
        filled[whole_hw & (labels == 0)] = value
    return filled
