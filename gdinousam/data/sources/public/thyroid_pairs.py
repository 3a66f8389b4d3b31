"""What the thyroid datasets share: an image folder, a mask folder of equal file names, one phrase, two rows at most."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np

from gdinousam.data.images import read_image
from gdinousam.data.sources.public.interface import PublicDataset, RawCase, RawImage
from gdinousam.data.sources.public.pairing import release_files, require_any, require_files
from gdinousam.data.sources.public.raw_masks import (
    THRESHOLD,
    GreyMask,
    binarise,
    instances,
    num_script_contours,
    paper_rows,
    read_grey_mask,
)

MAX_SCRIPT_ROWS = 2  # the paper's scripts keep the two largest contours
JPEG_SUFFIXES = (".jpg", ".jpeg")


class ThyroidPairs(PublicDataset):
    """A dataset of images with one mask each and one phrase.

    area_floor: contour area in pixels of the stored mask, any value above 0 counted, below which the paper's script
    makes no row.
    """

    area_floor: ClassVar[float]

    @property
    def phrase(self) -> str:
        """The only phrase of the dataset, as the paper has it."""
        return next(iter(self.facts.phrases))

    def pairs(self, root: Path, image_folder: str, mask_folder: str, suffix: str) -> list[tuple[Path, Path]]:
        """Each image with its mask, in numeric order.

        image_folder, mask_folder: below ``root``. suffix: of both, in any letter case. Raises ``InputError`` where
        there is no image, and where an image or a mask lacks its partner.
        """
        pattern = rf".+{re.escape(suffix)}"
        images = release_files(root / image_folder, pattern)
        masks = release_files(root / mask_folder, pattern)
        require_any(images, f"{image_folder}/*{suffix}", root, self.facts.name)
        masks_of_images = [root / mask_folder / image.name for image in images]
        images_of_masks = [root / image_folder / mask.name for mask in masks]
        require_files([*masks_of_images, *images_of_masks], root, self.facts.name)
        return list(zip(images, masks_of_images, strict=True))

    def read(self, case: RawCase) -> Iterator[RawImage]:
        """One picture; each component of its mask is an object."""
        image = read_image(case.image)
        (path,) = case.masks
        grey_hw = read_grey_mask(path)
        mask_hw, remarks = binarise(_without_jpeg_noise(grey_hw, path), image.shape[:2], path)
        objects, dropped = instances(mask_hw, self.phrase)
        num_rows = num_script_contours(grey_hw, self.area_floor, MAX_SCRIPT_ROWS)
        rows = paper_rows(num_rows, self.phrase, case.name, instance_copies=True)
        yield RawImage(case.name, image, objects, rows, (*remarks, *dropped))


def _without_jpeg_noise(grey_hw: GreyMask, path: Path) -> GreyMask:
    """A black JPEG mask may hold a few pixels of value 1, which must not pass for a mask of the values 0 and 1."""
    if path.suffix.lower() in JPEG_SUFFIXES and grey_hw.max() < THRESHOLD:
        return np.zeros_like(grey_hw)
    return grey_hw
