"""The JSON that the server sends, and how it is made of a prediction."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any, Literal

import PIL.Image
from pydantic import BaseModel, Field

from gdinousam.data.sources.coco.segmentation import encode_rle
from gdinousam.prediction.clips.answers import FrameAnswer
from gdinousam.prediction.measuring import measure
from gdinousam.prediction.results import MadeBy, Prediction
from gdinousam.records import Click, Detection, Hint

MaskForm = Literal["rle", "png", "none"]
Shown = Literal["box", "click"]
BoxModel = Annotated[list[float], Field(min_length=4, max_length=4, description="x0, y0, x1, y1 in pixels")]
Spacing = Annotated[list[float], Field(min_length=2, max_length=2, description="mm across and down")]


class Health(BaseModel):
    """That the server answers. queue: requests that it has taken in."""

    status: Literal["ok"]
    models: list[str]
    queue: int


class ModelCard(BaseModel):
    """One model. label: what it is. phrases: what its training had. corrects: what /v1/correct may show it."""

    name: str
    label: str
    phrases: list[str]
    thresholds: dict[str, float | int | None]
    weights: dict[str, str]
    corrects: list[Shown]


class ModelList(BaseModel):
    """All models, the default first."""

    models: list[ModelCard]


class RleMask(BaseModel):
    """Compressed run lengths of COCO. size: height, width."""

    size: Annotated[list[int], Field(min_length=2, max_length=2)]
    counts: str


class PngMask(BaseModel):
    """A PNG of the image's size, 255 inside, as base64."""

    png: str


class Size(BaseModel):
    """Area in the square of the unit, lengths in it, and an angle in degrees; see ``Measurement``."""

    unit: Literal["mm", "pixels"]
    area: float
    longest_diameter: float
    perpendicular_diameter: float
    ellipse_major: float
    ellipse_minor: float
    ellipse_angle: float
    num_parts: int


class Found(BaseModel):
    """One object."""

    phrase: str
    score: float
    box_xyxy: BoxModel
    quality: float | None
    mask: RleMask | PngMask | None
    measurement: Size | None


class Origin(BaseModel):
    """What made a result; see ``MadeBy``."""

    model: str
    adapter: str | None
    mask_head: str
    thresholds: dict[str, float | int | None]
    weights: dict[str, str]
    versions: dict[str, str]
    shown: dict[str, bool | str]


class Segmented(BaseModel):
    """What was found in one image. source: the client's name for its file. size_hw: in pixels."""

    source: str
    size_hw: Annotated[list[int], Field(min_length=2, max_length=2)]
    spacing_mm: Spacing | None
    phrases: list[str]
    notes: list[str]
    made_by: Origin
    detections: list[Found]


class FollowedObject(Found):
    """One object in one frame. track: its number in the clip, the same in all frames. is_detected: found anew here."""

    track: int
    is_detected: bool


class Frame(BaseModel):
    """One frame. index: from 0. time_s: null where the clip has no speed. is_key: the detector looked at it."""

    index: int
    time_s: float | None
    is_key: bool
    objects: list[FollowedObject]


class ClipResult(BaseModel):
    """What was found in a clip, frame by frame."""

    source: str
    size_hw: Annotated[list[int], Field(min_length=2, max_length=2)]
    spacing_mm: Spacing | None
    fps: float | None
    phrases: list[str]
    notes: list[str]
    made_by: Origin
    frames: list[Frame]


class ClipId(BaseModel):
    """How to ask for a clip that was taken in."""

    id: str


class ClipState(BaseModel):
    """How far a clip is. error: one line where it failed."""

    state: Literal["waiting", "running", "done", "failed", "cancelled"]
    frames_done: int
    num_frames: int
    error: str | None


class ClickModel(BaseModel):
    """A click, in pixels; the centre of the first pixel is (0.5, 0.5)."""

    x: float
    y: float
    is_foreground: bool = True


class HintModel(BaseModel):
    """What is shown of one object: a box, clicks, or both."""

    phrase: Annotated[str, Field(min_length=1, max_length=200)]
    box_xyxy: BoxModel | None = None
    clicks: Annotated[list[ClickModel], Field(max_length=64)] = []
    score: Annotated[float, Field(ge=0, le=1)] = 1.0

    def hint(self) -> Hint:
        """The record of it."""
        x0, y0, x1, y1 = self.box_xyxy or (0, 0, 0, 0)
        clicks = tuple(Click(one.x, one.y, one.is_foreground) for one in self.clicks)
        return Hint(self.phrase, (x0, y0, x1, y1) if self.box_xyxy else None, clicks, self.score)


def segmented(prediction: Prediction, source: str, masks: MaskForm) -> Segmented:
    """A prediction as the server sends it. source: the client's name for its file."""
    height, width = prediction.size_hw
    return Segmented(
        source=source,
        size_hw=[height, width],
        spacing_mm=None if prediction.spacing_mm is None else list(prediction.spacing_mm),
        phrases=list(prediction.phrases),
        notes=list(prediction.notes),
        made_by=origin(prediction.made_by),
        detections=[Found(**_found(one, prediction.spacing_mm, masks)) for one in prediction.detections],
    )


def frame(answer: FrameAnswer, spacing_mm: tuple[float, float] | None, masks: MaskForm) -> Frame:
    """One frame of a clip as the server sends it."""
    return Frame(
        index=answer.index,
        time_s=answer.time_s,
        is_key=answer.is_key,
        objects=[
            FollowedObject(**_found(one.detection, spacing_mm, masks), track=one.track, is_detected=one.is_detected)
            for one in answer.objects
        ],
    )


def origin(made_by: MadeBy) -> Origin:
    """What made a result, as the server sends it."""
    return Origin.model_validate(asdict(made_by))


def _found(detection: Detection, spacing_mm: tuple[float, float] | None, masks: MaskForm) -> dict[str, Any]:
    """The fields of ``Found``."""
    size = None
    if detection.mask_hw is not None:
        size = Size.model_validate(asdict(measure(detection, spacing_mm)))
    return {
        "phrase": detection.phrase,
        "score": float(detection.score),
        "box_xyxy": [float(edge) for edge in detection.box_xyxy],
        "quality": detection.quality,
        "mask": mask_of(detection, masks),
        "measurement": size,
    }


def mask_of(detection: Detection, form: MaskForm) -> RleMask | PngMask | None:
    """The mask of a detection in a form; ``None`` where it has none or none is wanted."""
    if detection.mask_hw is None or form == "none":
        return None
    if form == "rle":
        return RleMask.model_validate(encode_rle(detection.mask_hw))
    file = io.BytesIO()
    PIL.Image.fromarray(detection.mask_hw.astype("uint8") * 255).save(file, format="PNG")
    return PngMask(png=base64.b64encode(file.getvalue()).decode())


def hints_of(models: Sequence[HintModel]) -> list[Hint]:
    """The records of hints that were sent."""
    return [one.hint() for one in models]
