"""Small exports as annotation tools write them, with their images, and what comes of importing them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from gdinousam.data.contract.check import check_table
from gdinousam.data.contract.layout import SPLIT_FOLDERS, Split
from gdinousam.data.images import read_mask
from gdinousam.data.sources.annotations.importing import import_annotations
from gdinousam.data.sources.annotations.options import ReadOptions
from gdinousam.data.sources.coco.importing import ImportReport
from gdinousam.data.sources.coco.writing import ImportOptions
from gdinousam.records import ImageRecord, Mask

WIDTH, HEIGHT = 40, 30
ROTATED = 6  # EXIF: the stored picture has to be turned clockwise to stand upright
READING = ("images", "masks", "phrase", "attribute", "several", "each_part", "one_based")


def write_image(path: Path, seed: int = 0, size: tuple[int, int] = (WIDTH, HEIGHT), orientation: int = 1) -> Path:
    """A picture of noise. size: (width, height) as stored."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0]), dtype=np.uint8)
    exif = PIL.Image.Exif()
    if orientation != 1:
        exif[274] = orientation
    PIL.Image.fromarray(pixels).save(path, exif=exif)
    return path


def write_json(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def blank() -> Mask:
    return np.zeros((HEIGHT, WIDTH), dtype=bool)


def rectangle(x: int, y: int, width: int, height: int) -> Mask:
    mask = blank()
    mask[y : y + height, x : x + width] = True
    return mask


def imported(
    source: Path,
    out: Path,
    format_name: str | None = None,
    group: str | None = None,
    split: Any = "train",
    **named: Any,
) -> ImportReport:
    """Import a source; whatever is written must pass the checker."""
    reading = ReadOptions(**{key: named.pop(key) for key in READING if key in named})
    report = import_annotations(source, out, ImportOptions(split, **named), reading, format_name, group, progress=False)
    for csv_path in report.written:
        written: Split = csv_path.stem  # type: ignore[assignment]
        image_dir, mask_dir = (out / name for name in SPLIT_FOLDERS[written])
        assert check_table(csv_path, image_dir, mask_dir if mask_dir.exists() else None) == []
    return report


def objects_of(record: ImageRecord) -> list[tuple[str, Mask | None]]:
    """Phrase and mask of each object."""
    return [(one.phrase, None if one.mask is None else read_mask(one.mask)) for one in record.instances]


def only(report: ImportReport) -> ImageRecord:
    (record,) = report.records
    return record
