"""Small folders in the CSV layout, written row by row, for tests of the audit."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import PIL.Image

from gdinousam.data.contract import reading as contract
from gdinousam.data.contract.layout import SPLIT_FOLDERS, Split, csv_name
from gdinousam.data.sources.phantoms import make_phantom
from gdinousam.records import BoxXYWH, Image


@dataclass(frozen=True)
class Row:
    """One row; its image shows phantom number ``scan``. box_xywh: ``None`` for a phrase that names nothing."""

    image_name: str
    scan: int
    phrase: str = "lesion"
    box_xywh: BoxXYWH | None = (10, 10, 20, 30)
    dataset: str = "busi"
    group: str = ""


@cache
def scan(number: int) -> Image:
    """Phantom of this number."""
    return make_phantom(np.random.default_rng(number)).image


def write_folder(
    folder: Path, rows_of_split: Mapping[Split, Sequence[Row]], group_column: bool = True, suffix: str = ".CSV"
) -> Path:
    """Write the CSVs and images of some splits and return the folder; there are no masks."""
    for split, rows in rows_of_split.items():
        image_dir = folder / SPLIT_FOLDERS[split][0]
        image_dir.mkdir(parents=True)
        cells = [_cells(row) for row in rows]
        columns = [*contract.COLUMNS, *([contract.GROUP] if group_column else [])]
        with (folder / csv_name(split)).with_suffix(suffix).open("w", newline="") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(cells)
        for row in rows:
            PIL.Image.fromarray(scan(row.scan)).save(image_dir / row.image_name)
    return folder


def _cells(row: Row) -> dict[str, object]:
    height, width, _ = scan(row.scan).shape
    box_cells = row.box_xywh or ("", "", "", "")
    return {
        contract.PHRASE: row.phrase,
        **dict(zip(contract.BOX_COLUMNS, box_cells, strict=True)),
        contract.IMAGE_NAME: row.image_name,
        contract.IMAGE_WIDTH: width,
        contract.IMAGE_HEIGHT: height,
        contract.DATASET: row.dataset,
        contract.GROUP: row.group,
    }
