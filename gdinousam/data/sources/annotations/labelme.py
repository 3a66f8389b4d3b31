"""LabelMe: one JSON file per image, by hand, because datumaro and supervision read only the XML of the older web tool.

Polygons, rectangles, circles and masks; points and lines enclose nothing and are counted.
Shapes of one label and one ``group_id`` are parts of one object. LabelMe turns an image by its EXIF orientation before
anybody draws on it, and notes the size of the turned one.
"""

from __future__ import annotations

import base64
import binascii
import io
import math
import posixpath
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
import PIL.Image

from gdinousam.data.contract.names import natural_key
from gdinousam.data.sources.annotations.findings import Findings
from gdinousam.data.sources.annotations.options import ReadOptions
from gdinousam.data.sources.annotations.shapes import (
    Shape,
    annotations_of,
    box_between,
    ellipse,
    placed_mask,
    polygon,
)
from gdinousam.data.sources.coco.importing import AnnotatedImages
from gdinousam.data.sources.coco.reading import CocoImage
from gdinousam.errors import InputError
from gdinousam.reading import read_json
from gdinousam.records import BoxXYWH

POLYGONS = ("polygon", "oriented_rectangle")


def is_labelme(content: object) -> bool:
    """Whether the content of a JSON file is LabelMe's."""
    return isinstance(content, Mapping) and "shapes" in content and "imagePath" in content


def read_labelme(source: Path, options: ReadOptions) -> AnnotatedImages:
    """Read a file or every JSON file of LabelMe below a folder; JSON files of other programs are passed over.

    An image without shapes is one that nobody has called a negative. Raises ``DataProblems`` naming every file at
    fault, and ``InputError`` where there is none.
    """
    files = sorted(source.rglob("*.json"), key=lambda path: (path.parent, natural_key(path))) if source.is_dir() else []
    findings = Findings(source)
    folder = source if source.is_dir() else source.parent
    for path in files or [source]:
        content = read_json(path)
        if isinstance(content, Mapping) and is_labelme(content):
            try:
                findings.add(_image(content, path.parent.relative_to(folder).as_posix()), path)
            except ValueError as error:
                findings.problem(path, "shapes", error, "a shape as LabelMe writes it")
    if not findings.images and not findings.problems:
        raise InputError(f"{source}: holds no JSON file of LabelMe, with imagePath and shapes; check the folder")
    return findings.result(options.images or folder, shows_upright=True)


def _image(content: Mapping[str, Any], below: str) -> CocoImage:
    """below: folder of the JSON file, relative to the source."""
    name = str(content["imagePath"]).replace("\\", "/")
    if not (name.startswith("/") or PureWindowsPath(name).drive):
        name = posixpath.normpath(posixpath.join(below, name))
    width, height = content.get("imageWidth"), content.get("imageHeight")
    size_hw = (height, width) if isinstance(width, int) and isinstance(height, int) else None
    entries = content["shapes"]
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise ValueError("shapes is no list of objects")
    shapes = [_shape(entry, number, size_hw) for number, entry in enumerate(entries, start=1)]
    return CocoImage(
        name,
        size_hw and size_hw[1],
        size_hw and size_hw[0],
        annotations=annotations_of(shapes, size_hw),
    )


def _shape(entry: Mapping[str, Any], number: int, size_hw: tuple[int, int] | None) -> Shape:
    kind, label, points = entry.get("shape_type") or "polygon", entry.get("label"), entry.get("points")
    name, group = f"shape {number}", entry.get("group_id")
    if not isinstance(label, str) or not label.strip():
        raise ValueError(f"{name} has no label")
    if not isinstance(points, list):
        raise ValueError(f"{name} has no points")
    box: BoxXYWH | None = None
    segmentation: object = None
    if kind in POLYGONS:
        segmentation = polygon(points)
    elif kind == "rectangle":
        box = box_between(*_two(points, name))
    elif kind == "circle":
        center, edge = _two(points, name)
        radius = math.hypot(*box_between(center, edge)[2:])
        segmentation = ellipse(center, (radius, radius))
    elif kind == "mask":
        left, top, _, _ = box_between(*_two(points, name))
        segmentation = _mask(entry.get("mask"), (round(left), round(top)), size_hw, name)
    return Shape(name, label, box, segmentation, None if group is None else str(group))


def _two(points: list[Any], name: str) -> tuple[Any, Any]:
    if len(points) < 2:
        raise ValueError(f"{name} has {len(points)} points, expected 2")
    return points[0], points[1]


def _mask(text: object, left_top: tuple[int, int], size_hw: tuple[int, int] | None, name: str) -> object:
    """Run lengths of a mask, a PNG picture of the part between its two points."""
    if size_hw is None:
        raise ValueError(f"{name} is a mask, and imageWidth and imageHeight are not told")
    try:
        with PIL.Image.open(io.BytesIO(base64.b64decode(str(text), validate=True))) as picture:
            part_hw = np.asarray(picture.convert("L")) > 0
    except (binascii.Error, OSError, SyntaxError) as error:
        raise ValueError(f"{name}: its mask is damaged") from error
    return placed_mask(part_hw, *left_top, size_hw)
