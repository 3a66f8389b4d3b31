"""The server's JSON as the records that the package has everywhere."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import PIL.Image

from gdinousam.findings import Findings, MadeBy, Measurement
from gdinousam.prediction.clips.answers import TrackedObject
from gdinousam.records import BoxXYXY, Detection, Image, Mask

Content = Mapping[str, Any]


@dataclass(frozen=True, eq=False, repr=False)
class Prediction(Findings):
    """What a server found in one image; ``gdinousam.Prediction`` has the same fields.

    image: (H, W, 3) uint8 RGB where pixels were given, ``None`` where a file was sent, which only the server decodes.
    sizes: what the server measured, by detection. height, width: of the image in pixels. The rest as there.
    """

    image: Image | None
    phrases: tuple[str, ...]
    detections: tuple[Detection, ...]
    made_by: MadeBy
    source: str
    spacing_mm: tuple[float, float] | None
    notes: tuple[str, ...]
    sizes: tuple[Measurement, ...]
    height: int
    width: int

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the image in pixels."""
        return self.height, self.width

    def measurements(self) -> tuple[Measurement, ...]:
        """The size of every detection, in the order of ``detections``; in mm where ``spacing_mm`` is known."""
        return self.sizes


@dataclass(frozen=True, eq=False)
class ClipFrame:
    """What a server found in one frame: a ``FrameAnswer`` without its image.

    index: of the frame, from 0. time_s: seconds since the first frame, ``None`` where the clip does not tell its speed.
    is_key: whether the detector looked at it. objects: by phrase as asked, then by number; may be empty.
    """

    index: int
    time_s: float | None
    is_key: bool
    objects: tuple[TrackedObject, ...]


def prediction(content: Content, image: Image | None) -> Prediction:
    """The answer to one image. content: of ``/v1/segment`` or ``/v1/correct`` with masks as PNG."""
    found = content["detections"]
    detections = tuple(map(_detection, found))
    sizes = [(one["measurement"], its) for one, its in zip(found, detections, strict=True) if one["measurement"]]
    height, width = content["size_hw"]
    spacing_mm = content["spacing_mm"]
    return Prediction(
        image=image,
        phrases=tuple(content["phrases"]),
        detections=detections,
        made_by=MadeBy(**content["made_by"]),
        source=content["source"],
        spacing_mm=None if spacing_mm is None else (spacing_mm[0], spacing_mm[1]),
        notes=tuple(content["notes"]),
        sizes=tuple(_size(size, detection) for size, detection in sizes),
        height=height,
        width=width,
    )


def clip_frame(content: Content) -> ClipFrame:
    """The answer to one frame of a clip with masks as PNG."""
    objects = [TrackedObject(one["track"], _detection(one), one["is_detected"]) for one in content["objects"]]
    return ClipFrame(content["index"], content["time_s"], content["is_key"], tuple(objects))


def _detection(content: Content) -> Detection:
    mask = content["mask"]
    mask_hw = None if mask is None else _mask(mask["png"])
    return Detection(content["phrase"], _box(content["box_xyxy"]), content["score"], mask_hw, content["quality"])


def _mask(png: str) -> Mask:
    with PIL.Image.open(io.BytesIO(base64.b64decode(png)), formats=("PNG",)) as picture:
        return np.array(picture) > 0


def _size(content: Content, detection: Detection) -> Measurement:
    return Measurement(
        phrase=detection.phrase, score=detection.score, box_xyxy=detection.box_xyxy, **dict(content.items())
    )


def _box(edges: list[float]) -> BoxXYXY:
    x0, y0, x1, y1 = edges
    return x0, y0, x1, y1
