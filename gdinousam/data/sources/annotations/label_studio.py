"""Label Studio: the full JSON export, by hand, because neither datumaro nor supervision reads it.

Coordinates are percent of the image. Polygons, rectangles and ellipses (also turned ones) and brush strokes; key points
enclose nothing and are counted. Predictions, drafts, skipped annotations and results of other kinds (choices, texts)
are no objects. Label Studio turns an image by its EXIF orientation before anybody draws on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import PIL.Image

from gdinousam.data.sources.annotations.brush import decode_brush
from gdinousam.data.sources.annotations.findings import Findings
from gdinousam.data.sources.annotations.options import ReadOptions
from gdinousam.data.sources.annotations.shapes import Shape, annotations_of, ellipse, placed_mask, polygon, rectangle
from gdinousam.data.sources.coco.importing import AnnotatedImages
from gdinousam.data.sources.coco.reading import CocoImage
from gdinousam.errors import InputError
from gdinousam.progress_bar import ProgressBar
from gdinousam.reading import read_json
from gdinousam.records import BoxXYWH

Entry = Mapping[str, Any]
LABELS = "labels"  # how the names of result types end
GROUP_KEYS = ("group", "patient_id", "patient")


def is_label_studio(content: object) -> bool:
    """Whether the content of a JSON file is a full export of tasks."""
    return (
        isinstance(content, list)
        and bool(content)
        and all(
            isinstance(task, Mapping) and "data" in task and isinstance(task.get("annotations"), list)
            for task in content
        )
    )


def read_label_studio(source: Path, options: ReadOptions) -> AnnotatedImages:
    """Read a full JSON export.

    A task whose annotation was submitted without an object is a negative; one without an annotation is left out. Fields
    ``group``, ``patient_id`` or ``patient``, and ``dataset`` of a task's data are kept. Raises ``DataProblems`` naming
    every task at fault, among them those with several annotations unless ``options.several`` says which one counts, and
    ``InputError`` for a file of another kind.
    """
    content = read_json(source)
    if not is_label_studio(content):
        raise InputError(f"{source}: no list of tasks with data and annotations; export from Label Studio as JSON")
    findings = Findings(source)
    bar = ProgressBar(len(content), "reading tasks", is_shown=options.progress)
    for task in bar.over(content):
        label = f"task {task.get('id', '?')}"
        try:
            image = _image(task, options)
            if image is not None:
                findings.add(image, source)
        except ValueError as error:
            findings.problem(source, label, error, "a task as Label Studio exports it")
    if not findings.images and not findings.problems:
        raise InputError(f"{source}: no task has an annotation that was submitted; label and submit some")
    return findings.result(options.images or source.parent, shows_upright=True)


def _image(task: Entry, options: ReadOptions) -> CocoImage | None:
    """The image of a task, ``None`` where nobody has annotated it."""
    submitted = [one for one in task["annotations"] if isinstance(one, Mapping) and not one.get("was_cancelled")]
    truths = [one for one in submitted if one.get("ground_truth")]
    submitted = truths if len(truths) == 1 else submitted
    if not submitted:
        return None
    if len(submitted) > 1 and options.several is None:
        raise ValueError(f"{len(submitted)} annotations, so choose with --several first or last")
    results = submitted[0 if options.several == "first" else -1].get("result")
    if not isinstance(results, list) or not all(isinstance(one, Mapping) for one in results):
        raise ValueError("result is no list of objects")
    data = task["data"] if isinstance(task["data"], Mapping) else {}
    drawn = list(_merged(results))
    sizes = {(one["original_height"], one["original_width"]) for one in drawn}
    if len(sizes) > 1:
        raise ValueError("results of images of several sizes, expected one image")
    size_hw = next(iter(sizes), None)
    shapes = [_shape(one, number) for number, one in enumerate(drawn, start=1)]
    return CocoImage(
        _image_name(data),
        size_hw and size_hw[1],
        size_hw and size_hw[0],
        dataset=_text(data, "dataset"),
        group=next((text for key in GROUP_KEYS if (text := _text(data, key))), None),
        annotations=annotations_of(shapes, size_hw),
        is_negative=not shapes,
    )


def _text(data: Entry, key: str) -> str | None:
    value = data.get(key)
    return str(value) if isinstance(value, str | int) and str(value).strip() else None


def _image_name(data: Entry) -> str:
    """Address or path of the image of a task."""
    named = {key: value for key, value in data.items() if isinstance(value, str) and _is_picture(value)}
    if "image" in named:
        return named["image"]
    if len(named) != 1:
        raise ValueError(f"its data name {len(named)} images, expected one")
    return next(iter(named.values()))


def _is_picture(text: str) -> bool:
    parts = urlsplit(text)
    name = unquote(parts.query.partition("d=")[2] or parts.path)
    return PurePosixPath(name).suffix.lower() in PIL.Image.registered_extensions()


def _merged(results: Sequence[Entry]) -> Iterator[dict[str, Any]]:
    """Each shape with its label; controls that part the two give two results of one id."""
    of_id: dict[object, dict[str, Any]] = {}
    for number, result in enumerate(results):
        value = result.get("value")
        if isinstance(value, Mapping) and {"original_width", "original_height"} <= result.keys():
            entry = of_id.setdefault(result.get("id", number), {"value": {}})
            entry |= {**result, "value": {**entry["value"], **value}}
    yield from of_id.values()


def _shape(result: Entry, number: int) -> Shape:
    value, name = result["value"], f"result {number}"
    if result.get("image_rotation"):
        raise ValueError(f"{name} was drawn on an image turned by {result['image_rotation']} degrees; turn it back")
    labels = [one for key, found in value.items() if key.endswith(LABELS) and isinstance(found, list) for one in found]
    if len(labels) != 1 or not isinstance(labels[0], str):
        raise ValueError(f"{name} has {len(labels)} labels, expected one")
    height, width = result["original_height"], result["original_width"]
    if not all(type(side) is int and side > 0 for side in (height, width)):
        raise ValueError(f"{name}: size {width} x {height}, expected pixels")
    across, down = width / 100, height / 100
    box: BoxXYWH | None = None
    segmentation: object = None
    try:
        if "points" in value:
            segmentation = polygon([(x * across, y * down) for x, y in value["points"]])
        elif "rle" in value:
            segmentation = placed_mask(decode_brush(value["rle"], (height, width)), 0, 0, (height, width))
        elif "radiusX" in value:
            radii = value["radiusX"] * across, value["radiusY"] * down
            segmentation = ellipse((value["x"] * across, value["y"] * down), radii, value.get("rotation") or 0)
        elif value.get("width") and "height" in value:
            x, y = value["x"] * across, value["y"] * down
            sides = value["width"] * across, value["height"] * down
            box, segmentation = rectangle((x, y, *sides), value.get("rotation") or 0, (x, y))
    except (KeyError, TypeError) as error:
        raise ValueError(f"{name}: its shape is incomplete") from error
    return Shape(name, labels[0], box, segmentation)
