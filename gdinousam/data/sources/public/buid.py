"""BUID (QAMEBI): 232 breast images in two class folders, each with a mask and a drawn-over copy for viewing.

Masks are not strictly binary, so that the paper's script, which takes every value above 0, sees specks as lesions.
"""

from __future__ import annotations

import re
from pathlib import Path

from gdinousam.data.sources.public.interface import DatasetFacts, RawCase
from gdinousam.data.sources.public.pairing import release_files, require_any, require_files
from gdinousam.data.sources.public.single_mask import SingleMask

IMAGE_ENDING, MASK_ENDING = "Image.bmp", "Mask.tif"


class Buid(SingleMask):
    facts = DatasetFacts(
        name="BUID",
        aliases=("QAMEBI",),
        tag="buid",
        organ="breast",
        role="seen",
        homepage="https://qamebi.com/breast-ultrasound-images-database/",
        licence="public, terms at the home page; cite the paper",
        phrases={"benign": "benign breast lesion", "malignant": "malignant breast lesion"},
        expected={"malignant": 123, "benign": 109},
        paper_counts=(161, 46, 26),
        class_order=("malignant", "benign"),
    )
    signature = (f"Benign/* Benign {IMAGE_ENDING}", f"Malignant/* Malignant {IMAGE_ENDING}")

    def cases(self, root: Path) -> list[RawCase]:
        """The malignant images, then the benign ones, by their numbers, which start again in every class."""
        found, partners = [], []
        for label in self.facts.class_order:
            folder = root / label.capitalize()
            images = release_files(folder, rf"\d+ .*{re.escape(IMAGE_ENDING)}")
            masks = release_files(folder, rf"\d+ .*{re.escape(MASK_ENDING)}")
            require_any(images, f"{folder.name}/1 {folder.name} {IMAGE_ENDING}", root, self.facts.name)
            partners += [path.with_name(path.name[: -len(MASK_ENDING)] + IMAGE_ENDING) for path in masks]
            for image in images:
                mask = image.with_name(image.name[: -len(IMAGE_ENDING)] + MASK_ENDING)
                partners.append(mask)
                name = f"{label}_{image.name.split()[0]}"
                found.append(RawCase(name, label, image, (mask,), name, "image"))
        require_files(partners, root, self.facts.name)
        return found
