"""The pictures of a case as files: 8-bit PNG images, and masks that say which pixels belong to which row."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image

from gdinousam.data.audit.picture_windows import Thumbnail, thumbnail
from gdinousam.data.contract.layout import Split
from gdinousam.data.masks import tight_box_xywh
from gdinousam.data.sources.mask_layers import layer_masks
from gdinousam.data.sources.public.interface import GroupKind, PaperRow, RawCase, RawImage
from gdinousam.records import BoxXYWH

PNG_LEVEL = 4  # of zlib: about as small as 9 for ultrasound, several times faster


@dataclass(frozen=True)
class PreparedRow:
    """One instance as a CSV row will tell it.

    paper_phrase: the paper's phrase. phrase: the one that is written. box_xywh: tight, in pixels. mask_file: file name
    in the mask folder. mask_value: the grey value of the instance in it.
    """

    paper_phrase: str
    phrase: str
    box_xywh: BoxXYWH
    mask_file: str
    mask_value: int


@dataclass(frozen=True, eq=False)
class PreparedImage:
    """One image whose files are written. file_name: of the image. rows: none in an image without an object."""

    name: str
    file_name: str
    width: int
    height: int
    label: str
    group: str
    group_kind: GroupKind
    official_split: Split | None
    rows: tuple[PreparedRow, ...]
    paper_rows: tuple[PaperRow, ...]
    remarks: tuple[str, ...]
    thumbnail: Thumbnail


def file_stem(tag: str, name: str) -> str:
    """A file name without suffix: tag and name in lower-case letters, digits, dashes and underscores."""
    return re.sub(r"[^a-z0-9-]+", "_", f"{tag}_{name}".lower()).strip("_")


def write_picture(
    case: RawCase, raw: RawImage, tag: str, phrases: Mapping[str, str], image_dir: Path, mask_dir: Path
) -> PreparedImage:
    """Write an image and its masks.

    phrases: for each of the paper's phrases the one to write. Returns what the CSV has to say of it. Raises
    ``OSError`` where a file cannot be written.
    """
    stem = file_stem(tag, raw.name)
    _write_png(raw.image, image_dir / f"{stem}.png")
    objects = [(phrases[one.phrase], one.mask_hw) for one in raw.instances]
    files, mask_names = layer_masks(objects, stem)
    for file_name, labels in files.items():
        _write_png(labels, mask_dir / file_name)
    rows = []
    for one, mask_name in zip(raw.instances, mask_names, strict=True):
        mask_file, _, value = mask_name.rpartition("#")
        box_xywh = tight_box_xywh(one.mask_hw)
        rows.append(PreparedRow(one.phrase, phrases[one.phrase], box_xywh, mask_file, int(value)))
    height, width = raw.image.shape[:2]
    return PreparedImage(
        name=raw.name,
        file_name=f"{stem}.png",
        width=width,
        height=height,
        label=case.label,
        group=case.group,
        group_kind=case.group_kind,
        official_split=case.official_split,
        rows=tuple(rows),
        paper_rows=raw.paper_rows,
        remarks=raw.remarks,
        thumbnail=thumbnail(raw.image),
    )


def _write_png(pixels: np.ndarray, path: Path) -> None:
    """Write (H, W) or (H, W, 3) uint8; a colour image without colour becomes a grey file."""
    if pixels.ndim == 3 and (pixels == pixels[:, :, :1]).all():
        pixels = pixels[:, :, 0]
    PIL.Image.fromarray(np.ascontiguousarray(pixels)).save(path, format="PNG", compress_level=PNG_LEVEL)
