"""The routes for pictures: segment, correct, and what models there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, File, Form, Response, UploadFile
from pydantic import TypeAdapter, ValidationError

from gdinousam.errors import InputError
from gdinousam.prediction.results import Prediction
from gdinousam.reading import reason_of
from gdinousam.serving.answers import (
    Health,
    HintModel,
    MaskForm,
    ModelCard,
    ModelList,
    Segmented,
    hints_of,
    segmented,
)
from gdinousam.serving.refusals import documented
from gdinousam.serving.requests import UploadRoute
from gdinousam.serving.services import Services, services_of
from gdinousam.serving.settings import ServeSettings
from gdinousam.serving.uploads import shown_name

LONGEST_PHRASE = 200  # characters
JSON = "application/json"

about = APIRouter()
pictures = APIRouter(prefix="/v1", route_class=UploadRoute)

Phrases = Annotated[list[Annotated[str, Form(max_length=LONGEST_PHRASE)]], Form(min_length=1)]
Model = Annotated[str | None, Form(description="one of /v1/models; the first by default")]
Threshold = Annotated[float | None, Form(ge=0, le=1, description="lowest score that counts")]
MaxDetections = Annotated[int | None, Form(ge=1, le=1000, description="objects of each phrase and view, best first")]
Masks = Annotated[MaskForm, Form(description="in which form masks are sent")]
Shared = Annotated[Services, Depends(services_of)]
_hints = TypeAdapter(list[HintModel])


@about.get("/healthz")
async def health(services: Shared) -> Health:
    """That the server answers, and how many requests it has taken in."""
    return Health(status="ok", models=list(services.models), queue=services.admission.num_inside)


@about.get("/v1/models", responses=documented(401))
async def models(services: Shared) -> ModelList:
    """What can be asked: the default model first."""
    return ModelList(
        models=[
            ModelCard(
                name=name,
                label=one.label,
                phrases=list(one.trained_phrases),
                thresholds=dict(one.made_by.thresholds),
                weights=dict(one.made_by.weights),
                corrects=list(one.corrects),
            )
            for name, one in services.models.items()
        ]
    )


@pictures.post("/segment", response_model=Segmented, responses=documented(400, 401, 404, 408, 413, 415, 422, 429, 503))
async def segment(
    services: Shared,
    image: Annotated[UploadFile, File(description="a picture of any usual kind, DICOM too")],
    phrases: Phrases,
    model: Model = None,
    threshold: Threshold = None,
    max_detections: MaxDetections = None,
    masks: Masks = "rle",
) -> Response:
    """Find and segment phrases in one picture."""
    segmenter = services.model(model)
    require_few(phrases, services.settings)
    async with services.picture(image) as picture:
        found = await services.segment(segmenter, picture, phrases, threshold, max_detections)
        return await services.aside(_answer, found, image.filename, masks)


@pictures.post("/correct", response_model=Segmented, responses=documented(400, 401, 404, 408, 413, 415, 422, 429, 503))
async def correct(
    services: Shared,
    image: Annotated[UploadFile, File(description="the picture that the hints are for")],
    hints: Annotated[str, Form(description="a JSON list of hints", examples=['[{"phrase": "cyst", "clicks": []}]'])],
    model: Model = None,
    masks: Masks = "rle",
) -> Response:
    """Draw the mask of each object that is shown by a box, by clicks, or both: one detection for each hint."""
    segmenter = services.model(model)
    try:
        shown = hints_of(_hints.validate_json(hints))
    except ValidationError as error:
        raise InputError(f"hints: {reason_of(error)}") from error
    if len(shown) > services.settings.max_hints:
        raise InputError(f"hints: {len(shown)}, at most {services.settings.max_hints} at once; send them in parts")
    async with services.picture(image) as picture:
        drawn = await services.correct(segmenter, picture, shown)
        return await services.aside(_answer, drawn, image.filename, masks)


def require_few(phrases: Sequence[str], settings: ServeSettings) -> None:
    """Raise InputError for more phrases than are taken at once."""
    if len(phrases) > settings.max_phrases:
        raise InputError(f"phrases: {len(phrases)}, at most {settings.max_phrases} at once; ask in parts")


def _answer(prediction: Prediction, name: str | None, masks: MaskForm) -> Response:
    return Response(segmented(prediction, shown_name(name), masks).model_dump_json(), media_type=JSON)
