"""TN3K (Gong 2021): thyroid nodules of 2,421 patients, with a test folder that shares none of them with the rest.

Patient numbers are withheld, so that separation is all that is known of patients; the paper's script undoes it. The
masks are JPEG files and hold every grey value round their edges.
"""

from __future__ import annotations

import json
from pathlib import Path

from gdinousam.data.contract.layout import Split
from gdinousam.data.sources.public.interface import DatasetFacts, RawCase
from gdinousam.data.sources.public.thyroid_pairs import ThyroidPairs
from gdinousam.errors import InputError
from gdinousam.reading import reading

FOLD_FILE = "tn3k-trainval-fold0.json"


class Tn3k(ThyroidPairs):
    facts = DatasetFacts(
        name="TN3K",
        tag="tn3k",
        organ="thyroid",
        role="seen",
        homepage="https://github.com/haifangong/TRFE-Net-for-thyroid-nodule-segmentation",
        licence="public, terms not stated; cite the paper",
        phrases={"thyroid nodule": "thyroid nodule"},
        expected={"thyroid nodule": 3493},
        paper_counts=(2442, 703, 348),
    )
    signature = ("trainval-image/*.jpg", "trainval-mask")
    area_floor = 300

    def cases(self, root: Path) -> list[RawCase]:
        """The images for training, then those for testing, in which the numbers start again.

        The official test images are the test split. Fold 0 divides the others into train and val where its file is
        there; without it they have no official split. Raises ``InputError`` also for a fold file that does not list
        each of them once.
        """
        trainval = self.pairs(root, "trainval-image", "trainval-mask", ".jpg")
        test = self.pairs(root, "test-image", "test-mask", ".jpg")
        splits = _fold_splits(root / FOLD_FILE, len(trainval))
        return [self._case("trainval", *pair, split) for pair, split in zip(trainval, splits, strict=True)] + [
            self._case("test", *pair, "test") for pair in test
        ]

    def _case(self, part: str, image: Path, mask: Path, split: Split | None) -> RawCase:
        name = f"{part}_{image.stem}"
        return RawCase(name, self.phrase, image, (mask,), name, "image", split)


def _fold_splits(path: Path, num_images: int) -> list[Split | None]:
    """The split of each image for training by its position in numeric order; ``None`` for all without the file."""
    if not path.is_file():
        return [None] * num_images
    with reading(path, "lists of positions under train and val", "fetch the file again"):
        fold = json.loads(path.read_bytes())
        split_of: dict[int, Split] = {position: "train" for position in fold["train"]}
        split_of |= {position: "val" for position in fold["val"]}
        num_listed = len(fold["train"]) + len(fold["val"])
    if set(split_of) != set(range(num_images)) or num_listed != num_images:
        raise InputError(
            f"{path}: lists {num_listed} positions, but trainval-image holds {num_images} images, each of which it "
            "should list once; fetch the release again"
        )
    return [split_of[position] for position in range(num_images)]
