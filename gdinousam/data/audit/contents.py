"""Counts of images and boxes by dataset, phrase and split, and how large the boxes are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from gdinousam.data.audit.pictures import Picture
from gdinousam.data.audit.report import AREA_PERCENTS, Content, UntrainedPhrase
from gdinousam.data.contract.layout import Part
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


def untrained_phrases(records: Mapping[Part, Sequence[ImageRecord]]) -> tuple[UntrainedPhrase, ...]:
    """The phrases of val and test that no row of the training images has; none without training images.

    Letter case and spaces make no difference, as for a model.
    """
    if not records.get("train"):
        return ()
    trained = {_plain(phrase) for record in records["train"] for phrase in record.phrases}
    untrained = []
    for split in ("val", "test"):
        counts = Counter(phrase for record in records.get(split, ()) for phrase in record.phrases)
        untrained += [
            UntrainedPhrase(phrase, split, num)
            for phrase, num in sorted(counts.items())
            if _plain(phrase) not in trained
        ]
    return tuple(untrained)


def _plain(phrase: str) -> str:
    return " ".join(phrase.lower().split())


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
