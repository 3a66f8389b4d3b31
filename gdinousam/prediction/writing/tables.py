"""What was found as records for other programs: JSON lines, COCO results and a CSV of measurements.

The record of an image (``as_record``) holds everything but pixels; the COCO files and the CSV are made of records, so
they can be made again at any time.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from gdinousam.data.sources.coco.segmentation import encode_rle
from gdinousam.files import csv_file, write_text
from gdinousam.prediction.measuring import Measurement, measure
from gdinousam.prediction.results import Prediction
from gdinousam.records import Detection

RECORDS = "predictions.jsonl"
COCO_IMAGES, COCO_RESULTS = "coco_images.json", "coco_results.json"
MEASUREMENTS = "measurements.csv"

Record = dict[str, Any]  # what JSON can hold

_OF_DETECTION = ("phrase", "score", "box_xyxy")  # of a measurement, which the detection has as well
_SIZES = tuple(field.name for field in fields(Measurement) if field.name not in _OF_DETECTION)
_CSV_DIGITS = 4  # behind the point; predictions.jsonl has all
_EDGES = ("x0", "y0", "x1", "y1")


def as_record(prediction: Prediction) -> Record:
    """All of a prediction but the pixels of its image.

    Keys: ``image`` (its name), ``width``, ``height``, ``spacing_mm`` ([across, down] or null), ``phrases``,
    ``detections`` and ``made_by`` (see ``MadeBy``). A detection has ``phrase``, ``score``, ``box_xyxy`` in pixels,
    ``segmentation`` (COCO run lengths, {size, counts}) and ``measurement`` (see ``Measurement``), both null where the
    method gives no mask.
    """
    height, width = prediction.size_hw
    return {
        "image": prediction.source,
        "width": width,
        "height": height,
        "spacing_mm": prediction.spacing_mm and list(prediction.spacing_mm),
        "phrases": list(prediction.phrases),
        "detections": [_detection(one, prediction) for one in prediction.detections],
        "made_by": asdict(prediction.made_by),
    }


def _detection(detection: Detection, prediction: Prediction) -> Record:
    content: Record = {
        "phrase": detection.phrase,
        "score": float(detection.score),
        "box_xyxy": [float(edge) for edge in detection.box_xyxy],
        "segmentation": None,
        "measurement": None,
    }
    if detection.mask_hw is None:
        return content
    sizes = asdict(measure(detection, prediction.spacing_mm))
    return content | {
        "segmentation": encode_rle(detection.mask_hw),
        "measurement": {name: sizes[name] for name in _SIZES},
    }


def json_line(record: Record) -> str:
    """A record as one line of JSON, without its end; letters of every script stay as they are."""
    return json.dumps(record, ensure_ascii=False)


def coco_images(records: Sequence[Record]) -> Record:
    """The images of records and their phrases as a COCO data set without annotations, which ``coco_results`` name.

    Images and categories are numbered from 1 on, images in the order of the records, phrases as they first appear.
    """
    images = [
        {"id": number, "file_name": record["image"], "width": record["width"], "height": record["height"]}
        for number, record in enumerate(records, start=1)
    ]
    categories = [{"id": number, "name": phrase} for phrase, number in _category_ids(records).items()]
    return {"images": images, "annotations": [], "categories": categories}


def coco_results(records: Sequence[Record]) -> list[Record]:
    """Every detection of records as an entry of a COCO results file: image_id, category_id, bbox, score and, where it
    has a mask, segmentation (run lengths). Numbers as ``coco_images`` gives them; bbox is x, y, width, height in
    pixels.
    """
    category_ids = _category_ids(records)
    results = []
    for image_id, record in enumerate(records, start=1):
        for one in record["detections"]:
            x0, y0, x1, y1 = one["box_xyxy"]
            entry = {
                "image_id": image_id,
                "category_id": category_ids[one["phrase"]],
                "bbox": [x0, y0, x1 - x0, y1 - y0],
                "score": one["score"],
            }
            if one["segmentation"] is not None:
                entry["segmentation"] = one["segmentation"]
            results.append(entry)
    return results


def _category_ids(records: Sequence[Record]) -> dict[str, int]:
    phrases = dict.fromkeys(phrase for record in records for phrase in record["phrases"])
    return {phrase: number for number, phrase in enumerate(phrases, start=1)}


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
    """Write the COCO files and the CSV of records into a folder, in the place of earlier ones."""
    write_text(folder / COCO_IMAGES, json.dumps(coco_images(records), ensure_ascii=False))
    write_text(folder / COCO_RESULTS, json.dumps(coco_results(records), ensure_ascii=False))
    with csv_file(folder / MEASUREMENTS) as file:
        writer = csv.DictWriter(file, ["image", "phrase", "number", "score", *_SIZES, *_EDGES])
        writer.writeheader()
        writer.writerows({key: _rounded(value) for key, value in row.items()} for row in measurement_rows(records))


def _rounded(value: object) -> object:
    return round(value, _CSV_DIGITS) if isinstance(value, float) else value


def is_record(content: object) -> bool:
    """Whether something from a file looks like what ``as_record`` makes."""
    wanted = {"image": str, "width": int, "height": int, "phrases": list, "detections": list, "made_by": dict}
    return isinstance(content, Mapping) and all(isinstance(content.get(key), kind) for key, kind in wanted.items())
