"""What most datasets of one mask file per image share: the way from a case to its picture and objects."""

from __future__ import annotations

from collections.abc import Iterator

from gdinousam.data.images import read_image
from gdinousam.data.sources.public.interface import PublicDataset, RawCase, RawImage
from gdinousam.data.sources.public.raw_masks import (
    GreyMask,
    binarise,
    instances,
    num_script_contours,
    paper_rows,
    read_grey_mask,
)
from gdinousam.errors import InputError


class SingleMask(PublicDataset):
    """A dataset in which an image has one mask or none, and ``RawCase.label`` is the phrase of all that it outlines."""

    def read(self, case: RawCase) -> Iterator[RawImage]:
        """One picture; each component of its mask is an object. A mask without any pixel may have any size.

        Raises ``InputError`` also for a picture that is black all over, as one that is wholly transparent comes out.
        """
        image = read_image(case.image)
        if not image.any():
            raise InputError(f"{case.image}: shows nothing, all of it is black or transparent; fetch the file again")
        grey_hw = read_grey_mask(case.masks[0]) if case.masks else None
        if grey_hw is None or not grey_hw.any():
            yield RawImage(case.name, image, ())
            return
        mask_hw, remarks = binarise(grey_hw, image.shape[:2], case.masks[0])
        objects, dropped = instances(mask_hw, case.label)
        rows = paper_rows(self.num_script_rows(grey_hw), case.label, case.name)
        yield RawImage(case.name, image, objects, rows, (*remarks, *dropped))

    def num_script_rows(self, grey_hw: GreyMask) -> int:
        """How many rows the paper's script makes of a mask with foreground, (H, W) uint8 as stored: its contours."""
        return num_script_contours(grey_hw)
