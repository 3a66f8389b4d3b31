"""Where the files of a prepared dataset lie: the folders and CSVs of each split below one folder."""

from __future__ import annotations

from typing import Literal

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")

# split: folder of its images, folder of its masks
SPLIT_FOLDERS: dict[Split, tuple[str, str]] = {
    "train": ("train", "train_mask"),
    "val": ("val", "val_mask"),
    "test": ("test_image", "test_mask"),
}


def csv_name(split: Split) -> str:
    """File name of a split's CSV, in the letter case of the paper's public code."""
    return f"{split}.CSV"
