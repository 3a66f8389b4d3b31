"""105US (Hann 2017): 105 liver images with metastases of pancreatic cancer, each with one mask of grey edges.

The paper's script wants both folders renamed; they are taken under either name.
"""

from __future__ import annotations

import re
from pathlib import Path

from gdinousam.data.sources.public.interface import DatasetFacts, RawCase
from gdinousam.data.sources.public.pairing import release_files, require_any, require_files
from gdinousam.data.sources.public.single_mask import SingleMask

PHRASE = "pancreatic cancer liver metastases"
IMAGE_FOLDERS = ("105 US Images", "Images")  # as released, as renamed
MASK_FOLDERS = ("105 US Masks", "Masks")
MASK_ENDING = " G man.png"


class Us105(SingleMask):
    facts = DatasetFacts(
        name="105US",
        tag="105us",
        organ="liver",
        role="seen",
        homepage="https://www.researchgate.net/publication/329586355_100_2D_US_Images_and_Tumor_Segmentation_Masks",
        licence="public, terms not stated; cite the source",
        phrases={PHRASE: PHRASE},
        expected={PHRASE: 105},
        paper_counts=(73, 21, 11),
    )
    signature = ("*Images/*.png", f"*Masks/*{MASK_ENDING}")  # no other release has such names of masks

    def cases(self, root: Path) -> list[RawCase]:
        """The images by their number; nothing is known of patients."""
        image_folder, mask_folder = _first_folder(root, IMAGE_FOLDERS), _first_folder(root, MASK_FOLDERS)
        images = release_files(image_folder, r".*\.png")
        masks = release_files(mask_folder, rf".*{re.escape(MASK_ENDING)}")
        require_any(images, f"{image_folder.name}/001.png", root, self.facts.name)
        masks_of_images = [mask_folder / f"{image.stem}{MASK_ENDING}" for image in images]
        images_of_masks = [image_folder / f"{mask.name[: -len(MASK_ENDING)]}.png" for mask in masks]
        require_files([*masks_of_images, *images_of_masks], root, self.facts.name)
        return [
            RawCase(image.stem, PHRASE, image, (mask,), image.stem, "image")
            for image, mask in zip(images, masks_of_images, strict=True)
        ]


def _first_folder(root: Path, names: tuple[str, ...]) -> Path:
    """The folder of the first name that there is; of the first name where there is none."""
    return next((root / name for name in names if (root / name).is_dir()), root / names[0])
