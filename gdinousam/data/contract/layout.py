"""Where the files of a prepared dataset lie: the folders and CSVs of each split below one folder.

Beside the splits there may be a support set: images of datasets that are only tested, which are neither trained on nor
tested, but shown as examples to a method that asks for some.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
Part = Literal["train", "val", "test", "support"]
SUPPORT: Literal["support"] = "support"
PARTS: tuple[Part, ...] = (*SPLITS, SUPPORT)

# part: folder of its images, folder of its masks
PART_FOLDERS: dict[Part, tuple[str, str]] = {
    "train": ("train", "train_mask"),
    "val": ("val", "val_mask"),
    "test": ("test_image", "test_mask"),
    "support": ("support", "support_mask"),
}
SPLIT_FOLDERS: dict[Split, tuple[str, str]] = {split: PART_FOLDERS[split] for split in SPLITS}


def layout_settings(folder: Path, program: Literal["train", "test"]) -> dict[str, str]:
    """The settings of a config that name files, for a folder in this layout: by dotted key, relative as ``folder`` is.

    Validation images are named where they are there, masks of the training where they are.
    """
    named: dict[str, str] = {}
    parts: list[tuple[str, Split]] = [("data", "test"), ("validation", "val")]
    if program == "train":
        parts = [("data", "train"), ("data", "val")]
    for group, split in parts:
        images, masks = (folder / name for name in SPLIT_FOLDERS[split])
        if split == "val" and not images.is_dir():
            continue
        named |= {f"{group}.{split}_dir": str(images), f"{group}.{split}_ann": str(folder / csv_name(split))}
        if program == "test" or masks.is_dir():
            named[f"{group}.{split}_masks"] = str(masks)
    return named


def csv_name(part: Part) -> str:
    """File name of a part's CSV, in the letter case of the paper's public code."""
    return f"{part}.CSV"
