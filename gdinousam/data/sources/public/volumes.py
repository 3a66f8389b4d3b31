"""What the prostate datasets share: NIfTI volumes with labels, made into the slices that hold an object.

A volume is read slice by slice. All its slices get one grey scale, unlike in the paper's scripts, which stretch each
slice on its own and so change the brightness of the same tissue from slice to slice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from gdinousam.data.images import Pixels
from gdinousam.data.sources.medical.frames import as_rgb, scaled_alike
from gdinousam.data.sources.medical.nifti import Volume, open_volume
from gdinousam.data.sources.public.interface import RawInstance
from gdinousam.data.sources.public.raw_masks import MIN_PIXELS, MIN_SHARE, instances
from gdinousam.errors import InputError
from gdinousam.records import Image, Mask

GREY_EDGES = "mask with grey edges, cut at half of its highest value"
NUM_SHOWN = 4  # values that a message names
TOO_SMALL = "slice with hardly any mask"


@dataclass(frozen=True, eq=False)
class Slice:
    """One slice of a volume whose mask is not empty.

    index: along the third axis, from 0. image: (H, W, 3) uint8 RGB in [0, 255]. mask_hw: (H, W) bool. script_mask_hw:
    (H, W) bool, what the paper's scripts take for the object: every value above 0. too_small: whether the mask is but
    the first or last trace of the object. remarks: as for ``RawImage``.
    """

    index: int
    image: Image
    mask_hw: Mask
    script_mask_hw: Mask
    too_small: bool
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class _LabelValues:
    """What the labels of a volume hold. threshold: lowest value of the object. largest: pixels above 0 of a slice."""

    threshold: float
    largest: int
    has_grey_edges: bool


def mask_slices(image_path: Path, label_path: Path, transposed: bool, channels: bool = False) -> Iterator[Slice]:
    """The slices along the third axis that have any label above 0, in order.

    transposed: lay the first axis across, as a display does with x, instead of down. channels: labels may have a fourth
    axis of several structures, of which the first is taken. A slice whose mask is smaller than what
    ``raw_masks.components`` drops as a speck, measured against the largest slice of the volume, is ``too_small``: where
    an organ ends, the outline of the last slices is a matter of chance. Raises ``InputError`` naming the file for one
    that is missing or damaged, for labels of another size than the image, and for values that are not those of a mask.
    """
    image, label = open_volume(image_path), open_volume(label_path)
    _require_same_voxels(image, label, channels)
    values = _label_values(label)
    floor = max(MIN_PIXELS, MIN_SHARE * values.largest)
    remarks = (GREY_EDGES,) if values.has_grey_edges else ()
    pairs = zip(scaled_alike(image.planes, image_path), _label_planes(label), strict=True)
    for index, (pixels, labels) in enumerate(pairs):
        if not labels.any():
            continue
        if transposed:
            pixels, labels = pixels.swapaxes(0, 1), labels.T
        mask_hw = np.ascontiguousarray(labels >= values.threshold)
        too_small = int(mask_hw.sum()) < floor
        rgb = np.ascontiguousarray(as_rgb(pixels))
        yield Slice(index, rgb, mask_hw, np.ascontiguousarray(labels > 0), too_small, remarks)


def slice_instances(one: Slice, phrase: str) -> tuple[tuple[RawInstance, ...], tuple[str, ...]]:
    """Each component of a slice's mask as an instance, none where it is too small, and remarks."""
    if one.too_small:
        return (), (*one.remarks, TOO_SMALL)
    objects, dropped = instances(one.mask_hw, phrase)
    return objects, (*one.remarks, *dropped)


def _require_same_voxels(image: Volume, label: Volume, channels: bool) -> None:
    if len(image.shape) != 3:
        raise InputError(f"{image.path}: has {len(image.shape)} axes, but a volume has 3; fetch it again")
    if label.is_colour or (len(label.shape) != 3 and not (channels and len(label.shape) == 4)):
        raise InputError(f"{label.path}: has {len(label.shape)} axes, but labels have 3 and no colours; fetch it again")
    if label.shape[:3] != image.shape:
        given, size = (" x ".join(map(str, shape)) for shape in (label.shape[:3], image.shape))
        raise InputError(f"{label.path}: labels of {given} voxels for a volume of {size}; fetch it again")


def _label_planes(label: Volume) -> Iterator[Pixels]:
    """The planes of the only structure or the first one, which lies first in the file."""
    return islice(label.planes(), label.shape[2])


def _label_values(label: Volume) -> _LabelValues:
    """Look through the labels once: 0 and one other value, or shares of an object from resampling, which are cut."""
    found: set[float] = set()
    largest = 0
    for plane in _label_planes(label):
        lowest, highest = plane.min(), plane.max()
        # sorting whole planes for their distinct values would take most of the time of a dataset
        others = plane[(plane != lowest) & (plane != highest)]
        found.update((float(lowest), float(highest)), np.unique(others).tolist())
        largest = max(largest, int(np.count_nonzero(plane)))
    if not np.isfinite(list(found)).all() or min(found) < 0:
        raise InputError(f"{label.path}: holds values below 0, nan or infinite, which are not labels; fetch it again")
    is_whole = all(value == int(value) for value in found)
    if is_whole and len(found - {0}) > 1:
        known = ", ".join(f"{value:g}" for value in sorted(found)[:NUM_SHOWN])
        raise InputError(f"{label.path}: holds the values {known}, but one structure has one value; fetch it again")
    return _LabelValues(max(found) / 2, largest, not is_whole)
