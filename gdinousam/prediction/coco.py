"""Predictions in the form of COCO: images, categories, and one result with run lengths for every detection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pycocotools import mask as coco_mask

from gdinousam.errors import InputError
from gdinousam.prediction.results import Prediction
from gdinousam.prediction.writing.as_records import Record, as_record


def coco_of(
    predictions: Sequence[Prediction],
    image_ids: Sequence[int] | None = None,
    category_ids: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """Predictions as one dictionary that ``json`` writes and pycocotools reads; see ``coco_of_records``."""
    return coco_of_records([as_record(one) for one in predictions], image_ids, category_ids)


def coco_of_records(
    records: Sequence[Record],
    image_ids: Sequence[int] | None = None,
    category_ids: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """The same of the records of predictions.

    image_ids: one for each prediction, from 1 on by default. category_ids: by phrase; by default the phrases in the
    order asked, from 1 on. Give those of the truth where the results are to be scored against it.

    Returns ``images`` (id, file_name, width, height), ``categories`` (id, name) and ``annotations``, one for each
    detection: image_id, category_id, bbox as (x, y, width, height) in pixels, score, and for one with a mask its
    segmentation as compressed run lengths and its area in pixels. The whole is a COCO file; ``annotations`` alone is
    the list that ``COCO.loadRes`` takes, empty where nothing was found. Raises InputError for a phrase without an id.
    """
    ids = range(1, len(records) + 1) if image_ids is None else image_ids
    phrases = dict.fromkeys(phrase for one in records for phrase in one["phrases"])
    if category_ids is None:
        category_ids = {phrase: number for number, phrase in enumerate(phrases, start=1)}
    unknown = next((phrase for phrase in phrases if phrase not in category_ids), None)
    if unknown is not None:
        raise InputError(f"category_ids has no id for {unknown!r}; give one for every phrase that was asked")
    images = []
    annotations: list[dict[str, Any]] = []
    for image_id, one in zip(ids, records, strict=True):
        images.append({"id": image_id, "file_name": one["image"], "width": one["width"], "height": one["height"]})
        for detection in one["detections"]:
            entry = {"id": len(annotations) + 1, "image_id": image_id, "category_id": category_ids[detection["phrase"]]}
            annotations.append(entry | _result(detection))
    categories = [{"id": category_ids[phrase], "name": phrase} for phrase in phrases]
    return {"images": images, "categories": categories, "annotations": annotations}


def _result(detection: Record) -> dict[str, Any]:
    x0, y0, x1, y1 = detection["box_xyxy"]
    result: dict[str, Any] = {"bbox": [x0, y0, x1 - x0, y1 - y0], "score": detection["score"], "iscrowd": 0}
    rle = detection["segmentation"]
    if rle is None:
        return result | {"area": (x1 - x0) * (y1 - y0)}
    return result | {"segmentation": rle, "area": int(coco_mask.area(rle))}
