"""STU-Hospital (Zhuang 2019): 42 small breast images of one tumour each, most with a mask three to four times as large.

The paper's script takes box and size from the mask as it is stored, so that 36 of its 42 boxes lie outside the image.
"""

from __future__ import annotations

from pathlib import Path

from gdinousam.data.sources.public.interface import DatasetFacts, RawCase
from gdinousam.data.sources.public.pairing import release_files, require_any, require_files
from gdinousam.data.sources.public.single_mask import SingleMask

PHRASE = "tumor"
IMAGE_PREFIX, MASK_PREFIX = "Test_Image_", "mask_"


class Stu(SingleMask):
    facts = DatasetFacts(
        name="STU",
        aliases=("STU-Hospital",),
        tag="stu",
        organ="breast",
        role="seen",
        homepage="https://github.com/xbhlk/STU-Hospital",
        licence="public, terms not stated; cite the paper",
        phrases={PHRASE: "breast tumor"},
        expected={PHRASE: 42},
        paper_counts=(29, 8, 5),
    )
    signature = (f"{IMAGE_PREFIX}*.png", f"{MASK_PREFIX}*.png")

    def cases(self, root: Path) -> list[RawCase]:
        """The images by their number; nothing is known of patients."""
        images = release_files(root, rf"{IMAGE_PREFIX}.*\.png")
        masks = release_files(root, rf"{MASK_PREFIX}.*\.png")
        require_any(images, f"{IMAGE_PREFIX}1.png", root, self.facts.name)
        masks_of_images = [root / (MASK_PREFIX + path.name[len(IMAGE_PREFIX) :]) for path in images]
        images_of_masks = [root / (IMAGE_PREFIX + path.name[len(MASK_PREFIX) :]) for path in masks]
        require_files([*masks_of_images, *images_of_masks], root, self.facts.name)
        return [
            RawCase(image.stem, PHRASE, image, (mask,), image.stem, "image")
            for image, mask in zip(images, masks_of_images, strict=True)
        ]
