"""A picture as the models see it, also of a DICOM file or of one frame of a clip, which browsers cannot decode."""

from __future__ import annotations

import base64
import tempfile
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, BinaryIO

import cv2
import numpy as np
from pydantic import BaseModel, Field

from gdinousam.errors import InputError
from gdinousam.prediction.sources import Clip, Picture
from gdinousam.prediction.views import colour_notes
from gdinousam.serving.answers import BoxModel, Spacing
from gdinousam.serving.uploads import UNNAMED, Limits, open_clip, store, unnamed

_PNG_EFFORT = (cv2.IMWRITE_PNG_COMPRESSION, 1)  # of 9; the file travels once


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture, or one frame of a clip. num_frames: of the file, 1 for a picture. fps: ``None`` where unknown."""

    picture: Picture
    num_frames: int
    fps: float | None


class ShownFrame(BaseModel):
    """A picture for a page. source: the client's name for its file. views: the parts that are segmented one by one.
    png: the picture as base64."""

    source: str
    size_hw: Annotated[list[int], Field(min_length=2, max_length=2)]
    spacing_mm: Spacing | None
    views: list[BoxModel]
    notes: list[str]
    num_frames: int
    fps: float | None
    png: str


def read_frame(file: BinaryIO, number: int, limits: Limits) -> Frame:
    """Decode a picture that was sent, or one frame of a clip.

    number: of the frame, from 0; a picture has only that. Errors as for ``gdinousam.serving.uploads.read_picture``, and
    InputError where there is no frame of that number.
    """
    with tempfile.TemporaryDirectory(prefix="gdinousam-") as folder:
        source = open_clip(store(file, Path(folder)), limits)
        num_frames = len(source) if isinstance(source, Clip) else 1
        if number >= num_frames:
            raise InputError(f"frame {number}: the file has {num_frames}, the first of which is 0")
        if isinstance(source, Picture):
            return Frame(source, 1, None)
        with unnamed(Path(folder)):
            image = next(islice(source, number, None))  # all frames before it are decoded too
        picture = Picture(image, UNNAMED, source.spacing_mm, source.views, source.notes, format=source.format)
        return Frame(picture, num_frames, source.fps)


def shown_frame(frame: Frame, source: str) -> ShownFrame:
    """A frame as it is sent. source: the client's name for the file."""
    picture = frame.picture
    grey = np.ascontiguousarray(picture.image[:, :, 0])
    is_grey = bool((picture.image == grey[:, :, None]).all())
    pixels = grey if is_grey else picture.image[:, :, ::-1]
    return ShownFrame(
        source=source,
        size_hw=list(picture.size_hw),
        spacing_mm=picture.spacing_mm and list(picture.spacing_mm),
        views=[list(view) for view in picture.views],
        notes=list(dict.fromkeys([*picture.notes, *colour_notes(picture.image)])),
        num_frames=frame.num_frames,
        fps=frame.fps,
        png=base64.b64encode(cv2.imencode(".png", pixels, _PNG_EFFORT)[1].tobytes()).decode(),
    )
