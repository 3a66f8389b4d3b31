"""A function for CVAT's automatic annotation: phrases in, rectangles or masks out.

``cvat-cli task auto-annotate 7 --function-module gdinousam.labelling.cvat -p labels=str:"cyst,solid mass"`` calls
``create`` with what follows each ``-p`` and hands every image of the task to what it returns; ``annotate_task`` of
cvat-sdk does the same from Python. Labels of the task are matched by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import PIL.Image
import PIL.ImageOps

from gdinousam.data.images import SCALED_MODES, on_black, scale_to_uint8
from gdinousam.data.sources.annotations.phrases import read_phrase_table
from gdinousam.data.sources.coco.segmentation import outline_polygons
from gdinousam.data.sources.medical.libraries import library
from gdinousam.errors import InputError
from gdinousam.labelling.matching import found_for
from gdinousam.models.weights.training_note import trained_phrases
from gdinousam.prediction.models import model_names
from gdinousam.prediction.segmenter import Segmenter
from gdinousam.records import Detection

if TYPE_CHECKING:
    from cvat_sdk.auto_annotation import DetectionFunctionContext, DetectionFunctionSpec
    from cvat_sdk.models import LabeledShapeRequest

Shapes = Literal["mask", "rectangle"]
EXTRA = "cvat"
FIRST_GROUP = 1  # CVAT's group 0 is none


def create(
    model: str = "small",
    labels: str = "",
    phrases: str = "",
    shapes: Shapes = "mask",
    threshold: float | None = None,
    max_detections: int | None = None,
    adapter: str | None = None,
    mask_head: str | None = None,
    device: str = "auto",
) -> AnnotationFunction:
    """What CVAT calls to get the function.

    model, adapter, mask_head, device: as for ``Segmenter.load``. labels: names of labels of the task, parted by commas,
    each asked for as it is written. phrases: a file with the phrase of each label, as ``gdinousam import --phrases``
    takes it; without labels its labels count. With neither, every phrase of the model's training is a label, and CVAT
    has to be told ``--allow-unmatched-labels`` where the task lacks some. shapes: ``mask`` (polygons where CVAT asks
    for them) or ``rectangle``. threshold, max_detections: as for ``Segmenter.predict``; CVAT's own threshold goes
    first. Raises InputError for what cannot be taken, and where cvat-sdk is missing.
    """
    if shapes not in get_args(Shapes):
        raise InputError(f"shapes = {shapes!r}; give mask or rectangle")
    library("cvat_sdk.auto_annotation", EXTRA)
    phrase_of = _phrase_of_labels(labels, phrases)
    if not phrase_of:
        names = model_names(model, adapter, mask_head)
        phrase_of = {phrase: phrase for phrase in trained_phrases(names.adapter or names.detector)}
    if not phrase_of:
        raise InputError(f"{model} tells no phrases of its training; name labels of the task, labels=str:'cyst,liver'")
    segmenter = Segmenter.load(model, adapter=adapter, mask_head=mask_head, device=device)
    return AnnotationFunction(segmenter, phrase_of, shapes, threshold, max_detections)


def _phrase_of_labels(labels: str, phrases: str) -> dict[str, str]:
    table = read_phrase_table(Path(phrases)) if phrases else {}
    names = [name.strip() for name in labels.split(",") if name.strip()] or list(table)
    return {name: table.get(name, name) for name in names}


class AnnotationFunction:
    """A detection function as cvat-sdk defines it.

    phrase_of: by label, what is asked for it. The rest as for ``create``.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        phrase_of: Mapping[str, str],
        shapes: Shapes = "mask",
        threshold: float | None = None,
        max_detections: int | None = None,
    ) -> None:
        self._segmenter = segmenter
        self._phrase_of = dict(phrase_of)
        self._shapes: Shapes = shapes
        self._threshold = threshold
        self._max_detections = max_detections

    @property
    def spec(self) -> DetectionFunctionSpec:
        """The labels, numbered in their order, with the type of their shapes."""
        cvat = library("cvat_sdk.auto_annotation", EXTRA)
        labels = [cvat.label_spec(name, number, type=self._shapes) for number, name in enumerate(self._phrase_of)]
        return cvat.DetectionFunctionSpec(labels=labels)

    def detect(self, context: DetectionFunctionContext, image: PIL.Image.Image) -> list[LabeledShapeRequest]:
        """The objects of one image, in the order of the labels, then by falling score; empty where nothing was found.

        image: of any mode; it is turned upright as its EXIF data say, as CVAT shows it. Rectangles are (x0, y0, x1, y1)
        in pixels, masks run lengths with their box, polygons outer outlines, those of one object in one group.
        """
        threshold = self._threshold if context.conf_threshold is None else context.conf_threshold
        prediction = self._segmenter.predict(
            _plain(image),
            list(self._phrase_of.values()),
            threshold=threshold,
            max_detections=self._max_detections,
        )
        return [
            shape
            for label, phrase in enumerate(self._phrase_of.values())
            for group, one in enumerate(found_for(phrase, prediction), start=FIRST_GROUP)
            for shape in self._drawn(one, label, group, context.conv_mask_to_poly)
        ]

    def _drawn(self, one: Detection, label: int, group: int, as_polygons: bool) -> Iterator[LabeledShapeRequest]:
        cvat = library("cvat_sdk.auto_annotation", EXTRA)
        if self._shapes == "rectangle":
            yield cvat.rectangle(label, list(one.box_xyxy))
        elif one.mask_hw is None or not one.mask_hw.any():
            return
        elif as_polygons:
            rings = outline_polygons(one.mask_hw)
            grouped: dict[str, Any] = {"group": group} if len(rings) > 1 else {}
            for ring in rings:
                yield cvat.polygon(label, ring, **grouped)
        else:
            yield cvat.mask(label, library("cvat_sdk.masks", EXTRA).encode_mask(one.mask_hw))


def _plain(image: PIL.Image.Image) -> PIL.Image.Image:
    """The image upright, with 8 bits a channel and nothing transparent, as ``gdinousam.read_image`` reads its file."""
    upright = PIL.ImageOps.exif_transpose(image)
    if upright.mode in SCALED_MODES:
        return PIL.Image.fromarray(scale_to_uint8(np.asarray(upright)))
    return on_black(upright) if upright.has_transparency_data else upright.convert("RGB")
