"""CVAT XML for images, of a project, a task or a job.

By hand: datumaro 1.13.12 drops ellipses without a word, refuses the export of a job, takes a label that the file does
not declare for none, needs the images beside the file, and stops at the first that is missing; supervision 0.31.2 does
not read the format.

Polygons, boxes (also turned ones), ellipses and masks; points, lines and skeletons enclose nothing and are counted,
tags are no objects. Shapes of one label and one ``group_id`` are parts of one object. CVAT turns an image by its EXIF
orientation before anybody draws on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from gdinousam.data.sources.annotations.findings import Findings
from gdinousam.data.sources.annotations.options import ReadOptions
from gdinousam.data.sources.annotations.shapes import (
    Shape,
    annotations_of,
    ellipse,
    placed_mask,
    polygon,
    rectangle,
)
from gdinousam.data.sources.annotations.split_names import split_named
from gdinousam.data.sources.annotations.xml_files import read_xml, text_of
from gdinousam.data.sources.coco.importing import AnnotatedImages
from gdinousam.data.sources.coco.reading import CocoImage
from gdinousam.errors import InputError
from gdinousam.records import BoxXYWH

ROOT = "annotations"
FILE_NAME = "annotations.xml"
WITHOUT_AREA = ("polyline", "points", "skeleton", "cuboid")
SHAPES = ("polygon", "box", "ellipse", "mask", *WITHOUT_AREA)


def read_cvat(source: Path, options: ReadOptions) -> AnnotatedImages:
    """Read a file, or ``annotations.xml`` in a folder; the images lie in ``images`` beside it, or beside it.

    An image without shapes is one that nobody has called a negative. Labels are those that the file declares. Raises
    ``DataProblems`` naming every image at fault, and ``InputError`` for a file of another kind.
    """
    path = source / FILE_NAME if source.is_dir() else source
    root = read_xml(path)
    if root.tag != ROOT:
        raise InputError(f"{path}: its root is <{root.tag}>, not <{ROOT}>; export as CVAT for images")
    if root.find("track") is not None:
        raise InputError(f"{path}: holds tracks of a video; export as CVAT for images")
    findings = Findings(path)
    findings.categories = [name for label in root.iter("label") if (name := text_of(label, "name"))]
    for element in root.iter("image"):
        name = element.get("name", "").replace("\\", "/")
        try:
            findings.add(_image(element, name, findings), path)
        except ValueError as error:
            findings.problem(path, name, error, "a shape as CVAT writes it")
    beside = path.parent / "images"
    folder = options.images or (beside if beside.is_dir() else path.parent)
    return findings.result(folder, shows_upright=True)


def _image(element: Element, name: str, findings: Findings) -> CocoImage:
    sides = [element.get(side, "") for side in ("height", "width")]
    if not all(side.isdecimal() for side in sides):
        raise ValueError(f"height and width are {sides}")
    size_hw = int(sides[0]), int(sides[1])
    shapes = []
    for number, child in enumerate((one for one in element if one.tag in SHAPES), start=1):
        label = child.get("label", "")
        if label not in findings.categories:
            findings.problem(findings.source, name, label, f"a label of the file: {', '.join(findings.categories)}")
        shapes.append(_shape(child, label, f"{child.tag} {number}", size_hw))
    split = split_named(element.get("subset"))
    return CocoImage(name, size_hw[1], size_hw[0], annotations=annotations_of(shapes, size_hw), split=split)


def _shape(element: Element, label: str, name: str, size_hw: tuple[int, int]) -> Shape:
    group = element.get("group_id")
    group = None if group in (None, "", "0") else group
    box: BoxXYWH | None = None
    segmentation: object = None
    values = element.attrib
    angle = float(values.get("rotation") or 0)
    try:
        if element.tag == "polygon":
            segmentation = polygon([pair.split(",") for pair in values["points"].split(";")])  # type: ignore[misc]
        elif element.tag == "box":
            x0, y0, x1, y1 = (float(values[key]) for key in ("xtl", "ytl", "xbr", "ybr"))
            box, segmentation = rectangle((x0, y0, x1 - x0, y1 - y0), angle, ((x0 + x1) / 2, (y0 + y1) / 2))
        elif element.tag == "ellipse":
            cx, cy, rx, ry = (float(values[key]) for key in ("cx", "cy", "rx", "ry"))
            segmentation = ellipse((cx, cy), (rx, ry), angle)
        elif element.tag == "mask":
            segmentation = _mask(values, size_hw)
    except KeyError as error:
        raise ValueError(f"{name} has no {error.args[0]}") from error
    return Shape(name, label, box, segmentation, group)


def _mask(values: Mapping[str, str], size_hw: tuple[int, int]) -> object:
    """Run lengths of the image from those of its part, which go along the rows, background first."""
    left, top, width, height = (int(values[key]) for key in ("left", "top", "width", "height"))
    runs = [int(run) for run in values["rle"].split(",")]
    if min(runs) < 0 or sum(runs) != width * height:
        raise ValueError("the run lengths of a mask are cut off or damaged")
    part_hw = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)
    return placed_mask(part_hw, left, top, size_hw)
