"""The tables of a folder of results: COCO files for scoring and a CSV of measurements, made of its records."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from gdinousam.files import csv_file, write_text
from gdinousam.prediction.coco import coco_of_records
from gdinousam.prediction.writing.as_records import SIZES, Record, is_of_clip

COCO_IMAGES, COCO_RESULTS = "coco_images.json", "coco_results.json"
MEASUREMENTS = "measurements.csv"

_EDGES = ("x0", "y0", "x1", "y1")
_CSV_DIGITS = 4  # behind the point; predictions.jsonl has all


def measurement_rows(records: Sequence[Record]) -> list[dict[str, object]]:
    """A row for each detection with a mask: image, phrase, its number among those of the phrase from 1 on, score, the
    sizes of ``Measurement``, and the box as x0, y0, x1, y1 in pixels. An image without findings has no row.
    """
    rows: list[dict[str, object]] = []
    for record in records:
        number_of: dict[str, int] = {}
        for one in record["detections"]:
            number_of[one["phrase"]] = number_of.get(one["phrase"], 0) + 1
            if one["measurement"] is not None:
                rows.append(
                    {
                        "image": record["image"],
                        "phrase": one["phrase"],
                        "number": number_of[one["phrase"]],
                        "score": one["score"],
                        **one["measurement"],
                        **dict(zip(_EDGES, one["box_xyxy"], strict=True)),
                    }
                )
    return rows


def write_tables(folder: Path, records: Sequence[Record]) -> None:
    """Write the COCO files and the CSV of records into a folder, in the place of earlier ones.

    ``coco_images.json`` is a data set of the images and phrases without annotations; its ``loadRes`` in pycocotools
    takes ``coco_results.json``, the list of all detections.
    """
    records = [one for one in records if not is_of_clip(one)]  # each clip has a table of its own
    content = coco_of_records(records)
    write_text(folder / COCO_RESULTS, json.dumps(content["annotations"], ensure_ascii=False))
    write_text(folder / COCO_IMAGES, json.dumps(content | {"annotations": []}, ensure_ascii=False))
    with csv_file(folder / MEASUREMENTS) as file:
        write_measurements(file, records)


def write_measurements(file: TextIO, records: Sequence[Record]) -> None:
    """Write ``measurement_rows`` as a CSV with a header into a file that is open for text."""
    writer = csv.DictWriter(file, ["image", "phrase", "number", "score", *SIZES, *_EDGES])
    writer.writeheader()
    writer.writerows({key: _rounded(value) for key, value in row.items()} for row in measurement_rows(records))


def _rounded(value: object) -> object:
    return round(value, _CSV_DIGITS) if isinstance(value, float) else value
