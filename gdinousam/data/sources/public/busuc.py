"""BUSUC (BUS_UC, Iqbal and Sharif): 811 breast images in two class folders that use the same file names.

A third folder holds both classes once more and is left aside. Some masks differ in size from their image, some are said
to be empty.
"""

from __future__ import annotations

from pathlib import Path

from gdinousam.data.sources.public.interface import DatasetFacts, RawCase
from gdinousam.data.sources.public.pairing import release_files, require_any, require_files
from gdinousam.data.sources.public.single_mask import SingleMask


class Busuc(SingleMask):
    facts = DatasetFacts(
        name="BUSUC",
        aliases=("BUS_UC", "BUS-UC"),
        tag="busuc",
        organ="breast",
        role="seen",
        homepage="https://data.mendeley.com/datasets/3ksd7w7jkx/1",
        licence="public, terms at the home page; cite the paper",
        phrases={"benign": "benign breast lesion", "malignant": "malignant breast lesion"},
        expected={"benign": 358, "malignant": 453},
        paper_counts=(566, 161, 83),
        class_order=("benign", "malignant"),
    )
    signature = ("Benign/images/*.png", "Benign/masks/*.png", "Malignant/images/*.png")

    def cases(self, root: Path) -> list[RawCase]:
        """The benign images, then the malignant ones; the class is part of the name."""
        found, partners = [], []
        for label in self.facts.class_order:
            folder = root / label.capitalize()
            images, masks = (release_files(folder / part, r".*\.png") for part in ("images", "masks"))
            require_any(images, f"{folder.name}/images/<n>.png", root, self.facts.name)
            partners += [folder / "images" / path.name for path in masks]
            for image in images:
                mask = folder / "masks" / image.name
                partners.append(mask)
                name = f"{label}_{image.stem}"
                found.append(RawCase(name, label, image, (mask,), name, "image"))
        require_files(partners, root, self.facts.name)
        return found
