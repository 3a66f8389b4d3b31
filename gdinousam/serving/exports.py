"""What somebody takes away from the page: masks, COCO and measurements of the pictures that are open there.

The page sends what it shows, masks as run lengths; everything else is made of them here, by what ``gdinousam predict``
writes with.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path, PureWindowsPath
from typing import Annotated, Literal

import cv2
import numpy as np
from pydantic import BaseModel, Field

from gdinousam.data.masks import tight_box_xyxy
from gdinousam.data.sources.coco.segmentation import decode_segmentation
from gdinousam.errors import InputError
from gdinousam.prediction.coco import coco_of_records
from gdinousam.prediction.finding import result_name
from gdinousam.prediction.writing.as_records import Record, detection_record
from gdinousam.prediction.writing.pictures import picture_names, union_of
from gdinousam.prediction.writing.tables import COCO_RESULTS, MEASUREMENTS, write_measurements
from gdinousam.records import Detection, Mask

Kind = Literal["masks", "coco", "csv"]
MEDIA_TYPES: dict[Kind, str] = {"masks": "application/zip", "coco": "application/json", "csv": "text/csv"}
MASKS = "masks.zip"
COCO = COCO_RESULTS.replace("results", "objects")
_Positive = Annotated[float, Field(gt=0)]
_Side = Annotated[int, Field(ge=1)]


class RunLengths(BaseModel):
    """A mask as COCO stores it: its size, (height, width), and compressed run lengths."""

    size: tuple[_Side, _Side]
    counts: str

    def decoded(self, size_hw: tuple[int, int], number: int) -> Mask:
        """(H, W) bool. size_hw: of the picture. number: of its object, for the message of the InputError."""
        try:
            mask_hw = decode_segmentation({"size": list(self.size), "counts": self.counts}, size_hw)
        except ValueError as error:
            raise InputError(f"object {number}: {error}") from error
        assert mask_hw is not None
        return mask_hw


class ShownObject(BaseModel):
    """An object as the page shows it. score: 1 where somebody drew it."""

    phrase: str = Field(min_length=1)
    mask: RunLengths
    score: float = Field(1.0, ge=0, le=1)


class ShownPicture(BaseModel):
    """A picture with all of its objects. source: the name of its file. phrases: all that were asked, found or not."""

    source: str
    size_hw: tuple[_Side, _Side]
    spacing_mm: tuple[_Positive, _Positive] | None = None
    phrases: list[str] = Field(default_factory=list)
    objects: list[ShownObject] = Field(default_factory=list)


class ToExport(BaseModel):
    """Everything that one file of results is made of."""

    pictures: list[ShownPicture] = Field(min_length=1, max_length=1000)


def shown_objects(picture: ShownPicture, max_pixels: int) -> list[Detection]:
    """The objects with their masks and the boxes round them; an object without a pixel is left out.

    max_pixels: larger pictures are refused. Raises InputError for those and for run lengths that are not of the
    picture.
    """
    height, width = picture.size_hw
    if height * width > max_pixels:
        raise InputError(f"a picture of {width} x {height} pixels; {max_pixels:,} at most are taken")
    found = []
    for number, one in enumerate(picture.objects, start=1):
        mask_hw = one.mask.decoded(picture.size_hw, number)
        box_xyxy = tight_box_xyxy(mask_hw)
        if box_xyxy is not None:
            found.append(Detection(one.phrase, box_xyxy, one.score, mask_hw))
    return found


def export(content: ToExport, kind: Kind, max_pixels: int) -> tuple[str, bytes]:
    """Make the file: its name and its bytes.

    kind: ``masks``: a ZIP with a PNG for each picture and phrase with objects, 255 inside; ``coco``: images, categories
    and annotations; ``csv``: a row for each object with its sizes, in mm where the spacing is known. Raises InputError
    as ``shown_objects``, and for pictures without any object where only masks are asked for.
    """
    if kind == "masks":
        return MASKS, _masks(content.pictures, max_pixels)
    records = [_record(one, max_pixels) for one in content.pictures]
    if kind == "coco":
        return COCO, json.dumps(coco_of_records(records), ensure_ascii=False).encode()
    table = io.StringIO(newline="")
    write_measurements(table, records)
    return MEASUREMENTS, table.getvalue().encode()


def _name(picture: ShownPicture) -> str:
    return PureWindowsPath(picture.source).name or "picture"  # knows the folders of both kinds of systems


def _asked(picture: ShownPicture) -> list[str]:
    return list(dict.fromkeys([*picture.phrases, *(one.phrase for one in picture.objects)]))


def _record(picture: ShownPicture, max_pixels: int) -> Record:
    height, width = picture.size_hw
    return {
        "image": _name(picture),
        "width": width,
        "height": height,
        "phrases": _asked(picture),
        "detections": [detection_record(one, picture.spacing_mm) for one in shown_objects(picture, max_pixels)],
    }


def _masks(pictures: Sequence[ShownPicture], max_pixels: int) -> bytes:
    content = io.BytesIO()
    taken: set[str] = set()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:  # PNGs are compressed already
        for picture in pictures:
            objects = shown_objects(picture, max_pixels)
            names = picture_names(_free(result_name(Path(_name(picture))), taken), _asked(picture))
            for phrase in _asked(picture):
                mask_hw = union_of(objects, phrase)
                if mask_hw is not None:
                    pixels = cv2.imencode(".png", mask_hw.astype(np.uint8) * 255)[1].tobytes()
                    archive.writestr(names[phrase], pixels)
        if not archive.namelist():
            raise InputError("there is no mask to download: no object was found or drawn")
    return content.getvalue()


def _free(name: str, taken: set[str]) -> str:
    """The name, or with a number behind it where a picture from another folder has it."""
    free, number = name, 1
    while free.lower() in taken:
        number += 1
        free = f"{name}_{number}"
    taken.add(free.lower())
    return free
