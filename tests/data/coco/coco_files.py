"""Small COCO files with their images, for the tests of import and export."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from gdinousam.data.contract.layout import SPLIT_FOLDERS, Split, csv_name
from gdinousam.data.images import read_mask
from gdinousam.data.sources.coco.segmentation import encode_rle
from gdinousam.records import ImageRecord, Mask

Entry = dict[str, Any]
WIDTH, HEIGHT = 30, 20
CATEGORIES = ({"id": 1, "name": "cyst"}, {"id": 2, "name": "left kidney"})


def rectangle(x: int, y: int, width: int, height: int) -> Mask:
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[y : y + height, x : x + width] = True
    return mask


def image(number: object, file_name: str, **fields: object) -> Entry:
    return {"id": number, "file_name": file_name, "width": WIDTH, "height": HEIGHT, **fields}


def annotation(number: object, image_id: object, mask: Mask | None = None, **fields: object) -> Entry:
    """One of category 1; with its run lengths where it has a mask."""
    segmentation = {} if mask is None else {"segmentation": encode_rle(mask)}
    return {"id": number, "image_id": image_id, "category_id": 1, **segmentation, **fields}


def write_coco(
    folder: Path, images: Sequence[Entry], annotations: Sequence[Entry], categories: Sequence[Entry] = CATEGORIES
) -> Path:
    """Write the file and a picture for every image record; returns the file, beside which the folder images lies."""
    for number, entry in enumerate(images):
        path = folder / "images" / entry["file_name"].replace("\\", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 255, (HEIGHT, WIDTH), dtype=np.uint8)
        PIL.Image.fromarray(pixels).save(path)
    path = folder / "instances.json"
    content = {"images": images, "annotations": annotations, "categories": categories}
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def split_paths(data: Path, split: Split) -> tuple[Path, Path, Path]:
    """CSV, images and masks of a split."""
    image_folder, mask_folder = SPLIT_FOLDERS[split]
    return data / csv_name(split), data / image_folder, data / mask_folder


def visible_files(folder: Path) -> dict[str, bytes]:
    """Everything below a folder that is not hidden, by relative path."""
    paths = [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []
    names = {path.relative_to(folder): path for path in paths}
    return {
        name.as_posix(): path.read_bytes()
        for name, path in sorted(names.items())
        if not any(part.startswith(".") for part in name.parts)
    }


def masks_of(record: ImageRecord) -> list[Mask | None]:
    """The decoded mask of every object."""
    return [None if instance.mask is None else read_mask(instance.mask) for instance in record.instances]
