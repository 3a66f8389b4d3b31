"""BUSI (Al-Dhabyani 2020): breast ultrasound of Baheya hospital, classes as folders, several masks for some images.

The release has no patient numbers and holds near-duplicates, some of them in both class folders. The paper's script
reads the first mask of an image only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gdinousam.data.images import read_image
from gdinousam.data.sources.public.interface import NORMAL, DatasetFacts, PublicDataset, RawCase, RawImage
from gdinousam.data.sources.public.pairing import release_files, require_any, require_files
from gdinousam.data.sources.public.raw_masks import binarise, instances, num_script_contours, paper_rows, read_grey_mask
from gdinousam.errors import InputError

MASK = r".*_mask(_\d+)?\.png"  # names of mask files
REPEATED = "objects that another mask file has too, taken once"


class Busi(PublicDataset):
    facts = DatasetFacts(
        name="BUSI",
        aliases=("Dataset_BUSI_with_GT",),
        tag="busi",
        organ="breast",
        role="seen",
        homepage="https://scholar.cu.edu.eg/?q=afahmy/pages/dataset",
        licence="public, free for research; cite the paper",
        phrases={"benign": "benign breast lesion", "malignant": "malignant breast lesion"},
        expected={"benign": 437, "malignant": 210, NORMAL: 133},
        paper_counts=(456, 132, 69),
        class_order=("malignant", "benign"),
    )
    signature = ("benign/benign (*).png", "malignant/malignant (*).png", "*/*_mask.png")

    def cases(self, root: Path) -> list[RawCase]:
        """The three class folders, each image with all of its mask files."""
        found, partners = [], []
        for label in (*self.facts.phrases, NORMAL):
            masks_of_image = _masks_of_image(root / label)
            partners += list(masks_of_image)
            for image in release_files(root / label, rf"(?!{MASK}).*\.png"):
                partners.append(_first_mask(image))
                masks = tuple(masks_of_image.get(image, ()))
                found.append(RawCase(image.stem, label, image, masks, image.stem, "image"))
        require_any([case.image for case in found], "benign/benign (1).png", root, self.facts.name)
        require_files(partners, root, self.facts.name)
        return found

    def read(self, case: RawCase) -> Iterator[RawImage]:
        """One picture. Every component of every mask file is an object; one that others cover adds nothing.

        Objects of two files may overlap by a few pixels. Raises ``InputError`` also for a normal image with an object.
        """
        image = read_image(case.image)
        objects, remarks, seen = [], [], np.zeros(image.shape[:2], dtype=bool)
        for path in case.masks:
            mask_hw, found = binarise(read_grey_mask(path), image.shape[:2], path)
            parts, dropped = instances(mask_hw, case.label)
            new = [one for one in parts if (one.mask_hw & ~seen).any()]
            objects += new
            remarks += [*found, *dropped, *((REPEATED,) if len(new) < len(parts) else ())]
            seen |= mask_hw
        if case.label == NORMAL:
            if objects:
                raise InputError(f"{case.masks[0]}: outlines an object in a normal image; fetch the file again")
            yield RawImage(case.name, image, (), remarks=tuple(dict.fromkeys(remarks)))
            return
        num_rows = num_script_contours(read_grey_mask(_first_mask(case.image)))
        rows = paper_rows(num_rows, case.label, case.name)
        yield RawImage(case.name, image, tuple(objects), rows, tuple(dict.fromkeys(remarks)))


def _first_mask(image: Path) -> Path:
    return image.with_name(f"{image.stem}_mask.png")


def _masks_of_image(folder: Path) -> dict[Path, list[Path]]:
    """The mask files of a class folder by the image they belong to, in natural order."""
    masks_of_image: dict[Path, list[Path]] = {}
    for path in release_files(folder, MASK):
        image = path.with_name(re.sub(r"_mask(_\d+)?\.png$", ".png", path.name, flags=re.IGNORECASE))
        masks_of_image.setdefault(image, []).append(path)
    return masks_of_image
