"""The routes that the page needs beside those of the models: pictures to show, files to take away, corrections."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Form, Response, UploadFile
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from gdinousam.errors import InputError
from gdinousam.reading import reason_of
from gdinousam.serving.corrections import Corrected, Corrections, Saved, case_of
from gdinousam.serving.exports import MEDIA_TYPES, Kind, RunLengths, ToExport, export
from gdinousam.serving.frames import ShownFrame, read_frame, shown_frame
from gdinousam.serving.refusals import Refusal, documented
from gdinousam.serving.requests import UploadRoute
from gdinousam.serving.services import Services, services_of
from gdinousam.serving.uploads import Limits, shown_name

LONGEST_GROUP = 64  # characters
_UPLOAD_ERRORS = (400, 401, 408, 413, 415, 422, 429, 503)
_SCHEMAS = {"masks": {"type": "string", "format": "binary"}, "coco": {"type": "object"}, "csv": {"type": "string"}}
_FILES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file", "content": {MEDIA_TYPES[kind]: {"schema": _SCHEMAS[kind]} for kind in MEDIA_TYPES}}
}
_NO_FOLDER = "the server was started without a folder for corrections; start it with --corrections FOLDER"

about = APIRouter(prefix="/v1")
files = APIRouter(prefix="/v1", route_class=UploadRoute)

Shared = Annotated[Services, Depends(services_of)]
Image = Annotated[UploadFile, File(description="a picture of any usual kind, DICOM too, or a clip")]
FrameNumber = Annotated[int, Form(ge=0, le=1_000_000, description="of a clip, from 0")]


class CorrectedObject(BaseModel):
    """An object as it is after the correction; its box is the one round its mask."""

    phrase: str = Field(min_length=1, max_length=200)
    mask: RunLengths


class CorrectionsState(BaseModel):
    """enabled: whether corrections can be saved. num_images: how many pictures are."""

    enabled: bool
    num_images: int


_objects = TypeAdapter(Annotated[list[CorrectedObject], Field(max_length=1000)])
_phrases = TypeAdapter(Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(max_length=1000)])


@files.post("/picture", response_model=ShownFrame, responses=documented(*_UPLOAD_ERRORS))
async def picture(services: Shared, image: Image, frame: FrameNumber = 0) -> Response:
    """A picture, or one frame of a clip, as PNG with its size and spacing, as the models see it."""
    return await services.aside(_picture, image, frame, services.limits)


def _picture(image: UploadFile, number: int, limits: Limits) -> Response:
    shown = shown_frame(read_frame(image.file, number, limits), shown_name(image.filename))
    return Response(shown.model_dump_json(), media_type="application/json")


@files.post("/export/{kind}", response_class=Response, responses=documented(*_UPLOAD_ERRORS) | _FILES)
async def export_file(
    services: Shared,
    kind: Kind,
    content: Annotated[UploadFile, File(description="JSON: the pictures with their objects, masks as run lengths")],
) -> Response:
    """Masks (a ZIP of PNGs), COCO or measurements (CSV) of what is shown."""
    return await services.aside(_export, content, kind, services.limits.max_pixels)


def _export(content: UploadFile, kind: Kind, max_pixels: int) -> Response:
    try:
        shown = ToExport.model_validate_json(content.file.read())
    except ValidationError as error:
        raise InputError(f"content: {reason_of(error)}") from error
    name, made = export(shown, kind, max_pixels)
    return Response(
        made, media_type=MEDIA_TYPES[kind], headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


@about.get("/corrections", responses=documented(401))
async def corrections(services: Shared) -> CorrectionsState:
    """Whether corrections can be saved, and of how many pictures they are."""
    folder = services.settings.corrections
    if folder is None:
        return CorrectionsState(enabled=False, num_images=0)
    return CorrectionsState(enabled=True, num_images=await services.aside(len, Corrections(folder)))


@files.post("/corrections", responses=documented(*_UPLOAD_ERRORS, 409))
async def save_corrections(
    services: Shared,
    image: Image,
    objects: Annotated[str, Form(description="a JSON list of objects, phrase and mask each")],
    absent: Annotated[str, Form(description="a JSON list of phrases that name nothing in the picture")] = "[]",
    frame: FrameNumber = 0,
    group: Annotated[str | None, Form(max_length=LONGEST_GROUP, description="a code of the patient or exam")] = None,
) -> Saved:
    """Save a picture with its objects as training data: rows of the CSV contract, docs/data.md."""
    folder = services.settings.corrections
    if folder is None:
        raise Refusal(409, "no_corrections", _NO_FOLDER)
    try:
        given, missing = _objects.validate_json(objects), _phrases.validate_json(absent)
    except ValidationError as error:
        raise InputError(f"objects or absent: {reason_of(error)}") from error

    def save() -> Saved:
        read = read_frame(image.file, frame, services.limits)
        size_hw = read.picture.size_hw
        masks = [(one.phrase, one.mask.decoded(size_hw, number)) for number, one in enumerate(given, start=1)]
        case = (group or "").strip() or (case_of(image.file) if read.num_frames > 1 else None)
        return Corrections(folder).save(Corrected(read.picture.image, masks, missing, case))

    return await services.aside(save)
