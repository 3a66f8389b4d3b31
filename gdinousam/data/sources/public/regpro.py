"""RegPro (µ-RegPro challenge): transrectal ultrasound volumes of the prostate, made to be registered with MR volumes.

The labels' first channel is the prostate, the others are landmarks in it. The release's MR volumes are left alone.
The orientation in the headers is known to be wrong, so arrays are taken as stored: slices along the third axis, as in
the paper's script, the first axis down. In transrectal volumes of the same group these are transverse views with the
probe at the bottom.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gdinousam.data.contract.layout import Split
from gdinousam.data.sources.medical.libraries import library
from gdinousam.data.sources.public.interface import DatasetFacts, PaperRow, PublicDataset, RawCase, RawImage
from gdinousam.data.sources.public.pairing import release_files, require_any, require_files
from gdinousam.data.sources.public.raw_masks import num_script_contours
from gdinousam.data.sources.public.volumes import mask_slices, slice_instances

PHRASE = "prostate"
VOLUME = "volume"
FOLDERS = ("val", "train")  # in the order of the paper's script
IMAGES, LABELS = "us_images", "us_labels"


class RegPro(PublicDataset):
    facts = DatasetFacts(
        name="RegPro",
        aliases=("mu-RegPro", "µ-RegPro"),  # "muregpro" is what the paper's scripts call MicroSeg
        tag="regpro",
        organ="prostate",
        role="seen",
        homepage="https://muregpro.github.io/data.html",
        licence="public, terms at the home page; cite the challenge",
        phrases={PHRASE: PHRASE},
        expected={VOLUME: 73},
        paper_counts=(2952, 843, 423),
    )
    signature = (f"train/{IMAGES}", f"train/{LABELS}")

    def cases(self, root: Path) -> list[RawCase]:
        """The challenge's volumes for validation, which are the test split here, then those for training."""
        library("nibabel")
        found = []
        for folder in FOLDERS:
            images = release_files(root / folder / IMAGES, r"case\d+\.nii(\.gz)?")
            labels = release_files(root / folder / LABELS, r"case\d+\.nii(\.gz)?")
            require_any(images, f"{folder}/{IMAGES}/case*.nii.gz", root, self.facts.name)
            labels_of_images = [root / folder / LABELS / image.name for image in images]
            images_of_labels = [root / folder / IMAGES / label.name for label in labels]
            require_files([*labels_of_images, *images_of_labels], root, self.facts.name)
            for image, label in zip(images, labels_of_images, strict=True):
                name = image.name.partition(".")[0]
                official: Split | None = "test" if folder == "val" else None
                found.append(RawCase(name, VOLUME, image, (label,), name, "volume", official))
        return found

    def read(self, case: RawCase) -> Iterator[RawImage]:
        """The slices that hold prostate; one with hardly any has no object.

        The paper's script writes a picture for every contour of a slice, and table 1 counts those.
        """
        for one in mask_slices(case.image, case.masks[0], transposed=False, channels=True):
            name = f"{case.name}_{one.index:03d}"
            objects, remarks = slice_instances(one, PHRASE)
            num_rows = num_script_contours(one.script_mask_hw)
            rows = tuple(PaperRow(PHRASE, f"{name}_{contour}") for contour in range(num_rows))
            yield RawImage(name, one.image, objects, rows, remarks)
