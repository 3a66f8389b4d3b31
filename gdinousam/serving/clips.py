"""The routes for clips: a clip is taken in at once and answered later, see ``clip_jobs``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, UploadFile
from fastapi.responses import FileResponse

from gdinousam.prediction.clips.answers import FrameAnswer
from gdinousam.prediction.clips.segmenting import as_clip
from gdinousam.prediction.given import phrases_of_images
from gdinousam.prediction.sources import Clip
from gdinousam.serving.answers import ClipId, ClipResult, ClipState
from gdinousam.serving.clip_jobs import RESULT, VIDEO, ClipJob, ClipJobs, ClipQuestion
from gdinousam.serving.refusals import Refusal, documented
from gdinousam.serving.requests import UploadRoute
from gdinousam.serving.segmenting import (
    JSON,
    Masks,
    MaxDetections,
    Model,
    Phrases,
    Shared,
    Threshold,
    require_few,
)
from gdinousam.serving.uploads import open_clip, shown_name, store

taking = APIRouter(prefix="/v1", route_class=UploadRoute)
asking = APIRouter(prefix="/v1/clips/{id}")


@taking.post(
    "/clips",
    status_code=202,
    responses=documented(400, 401, 404, 408, 413, 415, 422, 429, 503),
)
async def take(
    services: Shared,
    clip: Annotated[UploadFile, File(description="a video, a DICOM clip, or a NIfTI or MetaImage volume")],
    phrases: Phrases,
    model: Model = None,
    threshold: Threshold = None,
    max_detections: MaxDetections = None,
    masks: Masks = "rle",
) -> ClipId:
    """Begin to find phrases in a clip and to follow what is found from frame to frame."""
    segmenter = services.model(model)
    require_few(phrases, services.settings)
    services.clips.require_place()
    row = phrases_of_images(phrases, 1)[0]
    made_by = segmenter.made_under(threshold, max_detections)
    folder = services.clips.new_folder()
    try:
        path = await services.aside(store, clip.file, folder)
        opened = as_clip(await services.aside(open_clip, path, services.limits))

        def begin(clips: Sequence[Clip]) -> list[Iterator[FrameAnswer]]:
            asked: dict[str, Any] = {"threshold": threshold, "max_detections": max_detections}
            return [segmenter.predict_clip(one, row, **asked) for one in clips]

        answers = await services.with_models(begin, opened)
        question = ClipQuestion(opened, row, masks, shown_name(clip.filename), made_by)
        return ClipId(id=services.clips.add(folder, question, answers).id)
    except BaseException:
        services.clips.drop_folder(folder)
        raise


def clips_of(services: Shared) -> ClipJobs:
    """The clips of the app that a request came to."""
    return services.clips


Clips = Annotated[ClipJobs, Depends(clips_of)]


@asking.get("", responses=documented(401, 404))
def state(id: str, clips: Clips) -> ClipState:
    """How far a clip is."""
    return clips.of(id).shown()


@asking.get("/result", response_model=ClipResult, responses=documented(401, 404, 409))
def result(id: str, clips: Clips) -> FileResponse:
    """What was found, frame by frame; objects keep their numbers through the clip."""
    return _file(clips.done(id), RESULT, JSON)


@asking.get("/video", response_class=FileResponse, responses=documented(401, 404, 409))
def video(id: str, clips: Clips) -> FileResponse:
    """The clip with outlines as MP4 (MPEG-4 part 2, which browsers save but do not play)."""
    return _file(clips.done(id), VIDEO, "video/mp4")


@asking.delete("", responses=documented(401, 404))
def forget(id: str, clips: Clips) -> ClipState:
    """Stop a clip, and remove it and what was found."""
    return clips.forget(id).shown()


def _file(job: ClipJob, name: str, media_type: str) -> FileResponse:
    if not (job.folder / name).is_file():
        raise Refusal(404, "no_clip", "the result is no longer kept")
    return FileResponse(job.folder / name, media_type=media_type)
