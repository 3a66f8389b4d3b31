"""The VGG Image Annotator, version 2: a saved project or exported annotations (JSON), by hand, because neither datumaro
nor supervision reads it.

Its shapes are polygons, rectangles, circles and ellipses; points and lines enclose nothing and are counted. Browsers
turn an image by its EXIF orientation before anybody draws on it. VIA does not note the size of an image.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gdinousam.data.sources.annotations.findings import Findings
from gdinousam.data.sources.annotations.options import ReadOptions
from gdinousam.data.sources.annotations.shapes import Shape, annotations_of, ellipse, polygon, rectangle
from gdinousam.data.sources.coco.importing import AnnotatedImages
from gdinousam.data.sources.coco.reading import CocoImage
from gdinousam.errors import InputError
from gdinousam.reading import read_json_object
from gdinousam.records import BoxXYWH

PROJECT = "_via_img_metadata"
Entry = Mapping[str, Any]


def is_via(content: object) -> bool:
    """Whether the content of a JSON file is VIA's, a project or exported annotations."""
    if not isinstance(content, Mapping) or not content:
        return False
    entries = content.values()
    return PROJECT in content or all(
        isinstance(one, Mapping) and {"filename", "regions"} <= one.keys() for one in entries
    )


def read_via(source: Path, options: ReadOptions) -> AnnotatedImages:
    """Read a project or exported annotations.

    The label is the value of the one region attribute, or of ``options.attribute``; of a checkbox, the one that is
    ticked. A project also tells which labels there are. An image without regions is one that nobody has called a
    negative. Raises ``DataProblems`` naming every image at fault, and ``InputError`` for a file of another kind.
    """
    content = read_json_object(source)
    if not is_via(content):
        raise InputError(f"{source}: no project and no exported annotations of VIA 2; export annotations as JSON")
    entries: Mapping[str, Entry] = content.get(PROJECT, content)
    findings = Findings(source)
    attribute = _attribute(source, entries, options.attribute)
    offered = content.get("_via_attributes", {}).get("region", {}).get(attribute, {}) if PROJECT in content else {}
    findings.categories = [str(value) for value in offered.get("options") or {}]
    for entry in entries.values():
        name = str(entry["filename"]).replace("\\", "/")
        try:
            shapes = [_shape(one, number, attribute) for number, one in enumerate(_regions(entry), start=1)]
            group, dataset = (_text(entry.get("file_attributes"), key) for key in ("group", "dataset"))
            image = CocoImage(name, dataset=dataset, group=group, annotations=annotations_of(shapes, None))
            findings.add(image, source)
        except ValueError as error:
            findings.problem(source, name, error, "a region as VIA writes it")
    return findings.result(options.images or source.parent, shows_upright=True)


def _regions(entry: Entry) -> list[Entry]:
    regions = entry["regions"]
    found = list(regions.values()) if isinstance(regions, Mapping) else regions  # version 1 numbers them
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise ValueError("regions is no list of objects")
    return found


def _text(attributes: object, key: str) -> str | None:
    value = attributes.get(key) if isinstance(attributes, Mapping) else None
    return value.strip() or None if isinstance(value, str) else None


def _attribute(source: Path, entries: Mapping[str, Entry], wanted: str | None) -> str:
    """The region attribute that holds the label."""
    regions: Iterable[Entry] = (one for entry in entries.values() for one in _regions(entry))
    names = dict.fromkeys(name for one in regions for name in one.get("region_attributes") or {})
    if wanted is not None and (wanted in names or not names):
        return wanted
    if wanted is None and len(names) <= 1:
        return next(iter(names), "")
    raise InputError(
        f"{source}: its regions have the attributes {', '.join(names)}; name the one of the labels with --attribute"
    )


def _shape(region: Entry, number: int, attribute: str) -> Shape:
    name = f"region {number}"
    label = _label((region.get("region_attributes") or {}).get(attribute), name)
    drawn = region.get("shape_attributes")
    if not isinstance(drawn, Mapping):
        raise ValueError(f"{name} has no shape")
    box: BoxXYWH | None = None
    segmentation: object = None
    try:
        match drawn.get("name"):
            case "polygon":
                xs, ys = drawn["all_points_x"], drawn["all_points_y"]
                if len(xs) != len(ys):
                    raise ValueError(f"{name} has {len(xs)} x and {len(ys)} y")
                segmentation = polygon(list(zip(xs, ys, strict=True)))
            case "rect":
                box, _ = rectangle([drawn[key] for key in ("x", "y", "width", "height")], 0, (0, 0))
            case "circle":
                segmentation = ellipse((drawn["cx"], drawn["cy"]), (drawn["r"], drawn["r"]))
            case "ellipse":
                angle = math.degrees(float(drawn.get("theta") or 0))
                segmentation = ellipse((drawn["cx"], drawn["cy"]), (drawn["rx"], drawn["ry"]), angle)
    except KeyError as error:
        raise ValueError(f"{name}: its {drawn.get('name')} has no {error.args[0]}") from error
    return Shape(name, label, box, segmentation)


def _label(value: object, name: str) -> str:
    if isinstance(value, Mapping):
        ticked = [str(key) for key, is_ticked in value.items() if is_ticked]
        if len(ticked) != 1:
            raise ValueError(f"{name} has {len(ticked)} labels")
        return ticked[0]
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name} has no label")
    return value.strip()
