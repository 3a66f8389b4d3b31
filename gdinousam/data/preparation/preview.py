"""A contact sheet of a prepared dataset: pictures with the masks, boxes and phrases that its rows tell of."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import PIL.Image

from gdinousam.data.contract.layout import PART_FOLDERS, PARTS, Part, csv_name
from gdinousam.data.contract.reading import find_csv, read_records
from gdinousam.data.images import read_image, read_mask
from gdinousam.drawing import PALETTE, TILE_SIDE, contact_sheet, draw_box, overlay_mask, tile
from gdinousam.errors import InputError
from gdinousam.files import replaced_file
from gdinousam.records import Image, ImageRecord


def write_preview(data: Path, tag: str, path: Path, num_images: int = 24) -> None:
    """Draw images of one prepared dataset, evenly over its splits and its support set, as a PNG or JPEG file.

    data: folder of the prepared datasets. tag: the dataset's value in the CSV column. num_images: at most. Raises
    ``InputError`` where the folder holds nothing of the dataset and where the picture cannot be written.
    """
    records = [(split, record) for split in PARTS for record in _records(data, split) if record.dataset == tag]
    if not records:
        raise InputError(f"{data}: holds no image of {tag}; prepare it first")
    number = min(num_images, len(records))
    chosen = [records[index * len(records) // number] for index in range(number)]
    tiles = [_tile(split, record) for split, record in chosen]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced_file(path) as new:
            PIL.Image.fromarray(contact_sheet(tiles)).save(new, format=_format_of(path))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: the preview cannot be written ({error}); name a .png or .jpg file") from error


def _format_of(path: Path) -> str:
    formats = PIL.Image.registered_extensions()
    if path.suffix.lower() not in formats:
        raise ValueError(f"unknown file extension: {path.suffix}")
    return formats[path.suffix.lower()]


def _records(data: Path, split: Part) -> tuple[ImageRecord, ...]:
    image_folder, mask_folder = PART_FOLDERS[split]
    try:
        csv_path = find_csv(data / csv_name(split))
    except InputError:
        return ()
    return read_records(csv_path, data / image_folder, data / mask_folder)


def _tile(split: Part, record: ImageRecord) -> Image:
    """The image in the middle of a square, its objects drawn after it was brought to the tile's size."""
    image = read_image(record.path)
    scale = TILE_SIDE / max(image.shape[:2])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    drawn = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    for number, instance in enumerate(record.instances):
        color = PALETTE[record.phrases.index(instance.phrase) % len(PALETTE)]
        if instance.mask is not None:
            mask_hw = cv2.resize(read_mask(instance.mask).astype(np.uint8), size, interpolation=cv2.INTER_NEAREST_EXACT)
            drawn = overlay_mask(drawn, mask_hw > 0, color, opacity=0.2)
        x0, y0, x1, y1 = (edge * scale for edge in instance.box_xyxy)
        drawn = draw_box(drawn, (x0, y0, x1, y1), color, str(number + 1) if len(record.instances) > 1 else "")
    phrases = ", ".join(record.phrases) if record.instances else "none of: " + ", ".join(record.absent_phrases)
    return tile(drawn, [f"{split}: {record.path.stem}", phrases])
