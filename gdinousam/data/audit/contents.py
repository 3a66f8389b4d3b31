"""Counts of images and boxes by dataset, phrase and split, and how large the boxes are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from gdinousam.data.audit.pictures import Picture
from gdinousam.data.audit.report import AREA_PERCENTS, Content
from gdinousam.data.layout import Part
from gdinousam.records import ImageRecord, Instance


class AuditedImage(NamedTuple):
    """An image of a split with what its CSV says and what its file holds."""

    split: Part
    record: ImageRecord
    picture: Picture


def contents_of(images: Sequence[AuditedImage], splits: Sequence[Part]) -> tuple[Content, ...]:
    """One entry for each dataset, then one for each of its phrases, in alphabetical order; without images none."""
    contents = []
    for dataset in sorted({image.record.dataset for image in images}):
        of_dataset = [image for image in images if image.record.dataset == dataset]
        phrases = sorted({phrase for image in of_dataset for phrase in image.record.phrases})
        contents += [_content(of_dataset, dataset, phrase, splits) for phrase in [None, *phrases]]
    return tuple(contents)


def _content(images: Iterable[AuditedImage], dataset: str, phrase: str | None, splits: Sequence[Part]) -> Content:
    num_images, num_boxes = dict.fromkeys(splits, 0), dict.fromkeys(splits, 0)
    num_absent, areas = 0, []
    for image in images:
        boxes = [box for box in image.record.instances if phrase is None or box.phrase == phrase]
        num_images[image.split] += phrase is None or bool(boxes)
        num_boxes[image.split] += len(boxes)
        num_absent += sum(phrase is None or absent == phrase for absent in image.record.absent_phrases)
        areas += [_area(box, image.picture) for box in boxes]
    quantiles = np.percentile(areas, AREA_PERCENTS).tolist() if areas else []
    box_areas = dict(zip(AREA_PERCENTS, quantiles, strict=True)) if areas else {}
    return Content(dataset, phrase, num_images, num_boxes, num_absent, box_areas)


def _area(instance: Instance, picture: Picture) -> float:
    _, _, width, height = instance.box_xywh
    return width * height / picture.num_pixels
