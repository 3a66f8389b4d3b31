"""Predictions in the form of COCO: images, categories, and one result with run lengths for every detection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gdinousam.errors import InputError
from gdinousam.prediction.results import Prediction
from gdinousam.prediction.writing.tables import as_record, coco_images, coco_results


def coco_of(
    predictions: Sequence[Prediction],
    image_ids: Sequence[int] | None = None,
    category_ids: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """Predictions as one dictionary that ``json`` writes and pycocotools reads.

    image_ids: one for each prediction, from 1 on by default. category_ids: by phrase; by default the phrases in the
    order asked, from 1 on. Give those of the truth where the results are to be scored against it.

    Returns ``images`` (id, file_name, width, height), ``categories`` (id, name) and ``annotations``, one for each
    detection: image_id, category_id, bbox as (x, y, width, height) in pixels, score, area in pixels, and for one with a
    mask its segmentation as compressed run lengths. The whole is a COCO file; ``annotations`` alone is the list that
    ``COCO.loadRes`` takes, empty where nothing was found. Raises InputError for a phrase without an id.
    """
    records = [as_record(one) for one in predictions]
    content, results = coco_images(records), coco_results(records)
    ids = range(1, len(predictions) + 1) if image_ids is None else image_ids
    for image, image_id in zip(content["images"], ids, strict=True):
        image["id"] = image_id
    new_id = {one["id"]: _id_of(one["name"], category_ids, one["id"]) for one in content["categories"]}
    for category in content["categories"]:
        category["id"] = new_id[category["id"]]
    detections = [detection for one in predictions for detection in one.detections]
    for number, (result, detection) in enumerate(zip(results, detections, strict=True), start=1):
        width, height = result["bbox"][2:]
        area = width * height if detection.mask_hw is None else int(detection.mask_hw.sum())
        of_truth = {"image_id": ids[result["image_id"] - 1], "category_id": new_id[result["category_id"]]}
        result |= {"id": number, **of_truth, "area": area, "iscrowd": 0}
    return content | {"annotations": results}


def _id_of(phrase: str, category_ids: Mapping[str, int] | None, otherwise: int) -> int:
    if category_ids is None:
        return otherwise
    if phrase not in category_ids:
        raise InputError(f"category_ids has no id for {phrase!r}; give one for every phrase that was asked")
    return category_ids[phrase]
