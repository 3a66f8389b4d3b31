"""Formats that we have no reader for, through datumaro (an extra): ``--format datumaro:open_images``.

Boxes (also turned ones), polygons, ellipses and masks; points, lines and labels of whole images are no objects. What
datumaro drops is lost, so the formats that it reads badly have readers of their own here, which say what it drops.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gdinousam.data.sources.annotations.findings import Findings
from gdinousam.data.sources.annotations.options import ReadOptions
from gdinousam.data.sources.annotations.shapes import Shape, annotations_of, ellipse, rectangle
from gdinousam.data.sources.annotations.split_names import split_named
from gdinousam.data.sources.coco.importing import AnnotatedImages
from gdinousam.data.sources.coco.reading import CocoImage
from gdinousam.data.sources.coco.segmentation import encode_rle
from gdinousam.data.sources.medical.libraries import library
from gdinousam.errors import InputError
from gdinousam.reading import reading
from gdinousam.records import BoxXYWH

PREFIX = "datumaro:"
EXTRA = "import"
OWN_READERS = {"cvat": "cvat", "voc": "voc", "yolo": "yolo", "coco": "coco"}  # and datumaro's variants of them
NO_OBJECTS = ("label", "points", "polyline", "caption")  # kinds of annotations


def read_by_datumaro(source: Path, options: ReadOptions, name: str) -> AnnotatedImages:
    """Read a source in a format of datumaro.

    name: datumaro's name of the format. An image without objects is one that nobody has called a negative. Objects of
    one label and one group are parts of one object. Raises ``InputError`` where datumaro is missing or cannot read the
    source, and for a format that we read ourselves.
    """
    own = next((ours for start, ours in OWN_READERS.items() if name.startswith(start)), None)
    if own is not None:
        remedy = "use gdinousam coco import" if own == "coco" else f"use --format {own}"
        raise InputError(f"--format {PREFIX}{name}: datumaro drops some of it; {remedy}")
    dataset_module = library("datumaro.components.dataset", EXTRA)
    kinds = library("datumaro.components.annotation", EXTRA).AnnotationType
    findings = Findings(source)
    paths: dict[str, Path] = {}
    with reading(source, f"datumaro's {name}", "check the format and its folders"):
        dataset = dataset_module.Dataset.import_from(str(source), name)
        findings.categories = [item.name for item in dataset.categories()[kinds.label].items]
        for item in dataset:
            record, path = _image(item, findings.categories, source)
            paths[record.file_name] = path
            findings.add(record, source)
    return findings.result(options.images or source, paths)


def _image(item: Any, categories: list[str], source: Path) -> tuple[CocoImage, Path]:
    path = Path(item.media.path)
    if not path.is_file():
        raise InputError(f"{source}: the image of {item.id} is not there; put the images where the format has them")
    shapes = tuple(_shapes(item, categories))
    height, width = item.media.size
    name = f"{item.subset}/{item.id}{path.suffix}"
    return CocoImage(name, annotations=annotations_of(shapes, (height, width)), split=split_named(item.subset)), path


def _shapes(item: Any, categories: list[str]) -> Iterator[Shape]:
    for number, annotation in enumerate(item.annotations, start=1):
        kind, name = annotation.type.name, f"annotation {number}"
        if kind in NO_OBJECTS:
            continue
        if annotation.label is None:
            raise InputError(f"{item.id}: {name} has no label; fix it")
        box: BoxXYWH | None = None
        segmentation: object = None
        if kind == "bbox":
            x, y, width, height = map(float, annotation.get_bbox())
            box = x, y, width, height
        elif kind == "polygon":
            segmentation = [list(map(float, annotation.points))]
        elif kind == "mask":
            segmentation = encode_rle(np.asarray(annotation.image) > 0)
        elif kind == "ellipse":
            x0, y0, x1, y1 = annotation.points
            segmentation = ellipse(((x0 + x1) / 2, (y0 + y1) / 2), ((x1 - x0) / 2, (y1 - y0) / 2))
        elif kind == "rotated_bbox":
            corner = annotation.cx - annotation.w / 2, annotation.cy - annotation.h / 2
            sides = annotation.w, annotation.h
            box, segmentation = rectangle((*corner, *sides), annotation.r, (annotation.cx, annotation.cy))
        else:
            raise InputError(f"{item.id}: {name} is a {kind}, which is no object here; leave it out")
        yield Shape(name, categories[annotation.label], box, segmentation, str(annotation.group or number))
