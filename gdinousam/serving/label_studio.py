"""The addresses that Label Studio calls on its machine-learning backend, below ``/label-studio``.

They are those of its own example backends. What it sends of itself, its address and a user's token, is not used: both
are named at the start, so that nobody who may ask this server can make it fetch something elsewhere.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI
from pydantic import BaseModel, Field

from gdinousam.errors import InputError
from gdinousam.labelling.label_studio.controls import Control, read_controls
from gdinousam.labelling.label_studio.host import LabelStudioHost
from gdinousam.labelling.label_studio.images import TaskImages
from gdinousam.labelling.label_studio.results import prediction_of
from gdinousam.labelling.label_studio.settings import LabelStudioSettings
from gdinousam.labelling.label_studio.tuning import BusyError, State, Tuner
from gdinousam.labelling.label_studio.upright import upright
from gdinousam.prediction.sources import Picture
from gdinousam.serving.refusals import Refusal, documented
from gdinousam.serving.requests import JsonRoute
from gdinousam.serving.segmenting import require_few
from gdinousam.serving.services import Services, services_of
from gdinousam.serving.uploads import Limits, read_picture

logger = logging.getLogger(__name__)

START_TRAINING = "START_TRAINING"  # of Label Studio's button
_VERSION_DIGITS = 8
_LONGEST_CONFIG = 200_000  # characters

Shared = Annotated[Services, Depends(services_of)]
Task = dict[str, Any]


class SetupRequest(BaseModel):
    """Sent when a project is connected, and before predictions. label_config: of the project, as XML."""

    label_config: str = Field(alias="schema", max_length=_LONGEST_CONFIG)


class Version(BaseModel):
    """The model and its weights."""

    model_version: str


class Versions(BaseModel):
    """All versions: there is one."""

    versions: list[str]


class PredictRequest(BaseModel):
    """tasks: with an id and data each. label_config: of their project."""

    tasks: list[Task]
    label_config: str = Field(max_length=_LONGEST_CONFIG)


class PredictAnswer(BaseModel):
    """results: a prediction for each task, an empty list for one whose image cannot be had."""

    results: list[Any]
    model_version: str


class ProjectOfEvent(BaseModel):
    """The project that an event is of."""

    id: int


class Event(BaseModel):
    """What happened in Label Studio."""

    action: str
    project: ProjectOfEvent | None = None


class TrainRequest(BaseModel):
    """annotations: tasks as in Label Studio's JSON export. label_config: of their project."""

    annotations: list[Task]
    label_config: str = Field(max_length=_LONGEST_CONFIG)


class Job(BaseModel):
    """A training, by the name of its folder; ``None`` where none was started."""

    job: str | None


class JobStatus(BaseModel):
    """How far a training is."""

    job_status: State


class TuningStatus(BaseModel):
    """The last training. message: one line on what came of it. log: the last lines of what it said."""

    state: State
    run: str | None
    message: str
    log: list[str]


class Up(BaseModel):
    """That the backend answers, as Label Studio asks it."""

    status: str = "UP"


def label_studio_router(settings: LabelStudioSettings, max_bytes: int) -> APIRouter:
    """The routes. max_bytes: of one image of a task. A training that runs is stopped when the app ends."""
    host = LabelStudioHost(settings)
    images = TaskImages(settings, host, max_bytes)
    tuner = None if settings.runs is None else Tuner(settings.runs, settings.config, images)

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        yield
        if tuner is not None:
            await asyncio.to_thread(tuner.close)

    router = APIRouter(prefix="/label-studio", lifespan=running)
    predicting, training = _Predicting(images), _Training(host, tuner)
    refusals = documented(400, 401, 408, 413, 415, 422, 429, 503)
    takes: dict[str, Any] = {"methods": ["POST"], "route_class_override": JsonRoute}
    router.add_api_route("/health", _health, responses=documented(401))
    router.add_api_route("/versions", predicting.versions, responses=documented(401))
    router.add_api_route("/training", training.status, responses=documented(401, 409))
    router.add_api_route("/setup", predicting.setup, **takes, responses=refusals)
    router.add_api_route("/predict", predicting.predict, **takes, responses=refusals)
    refusals |= documented(409)
    router.add_api_route("/webhook", training.on_event, **takes, status_code=201, responses=refusals)
    router.add_api_route("/train", training.train, **takes, status_code=201, responses=refusals)
    router.add_api_route("/job_status", training.job_status, **takes, responses=refusals | documented(404))
    return router


async def _health() -> Up:
    """That the backend answers."""
    return Up()


class _Predicting:
    """Answers with the default model of the server."""

    def __init__(self, images: TaskImages) -> None:
        self._images = images

    async def setup(self, services: Shared, asked: SetupRequest) -> Version:
        """Check the labelling config of a project, and tell the version of the model."""
        _controls(asked.label_config, services)
        return Version(model_version=_version(services))

    async def versions(self, services: Shared) -> Versions:
        """The version of the model."""
        return Versions(versions=[_version(services)])

    async def predict(self, services: Shared, asked: PredictRequest) -> PredictAnswer:
        """Rectangles and brush strokes for tasks, one after the other.

        A task whose image cannot be had gets no prediction; where that is so of all, the first reason is the answer.
        """
        controls, version = _controls(asked.label_config, services), _version(services)
        results: list[Any] = []
        reasons: list[InputError | Refusal] = []
        for task in asked.tasks:
            try:
                results.append(await self._predict(services, task, controls, version))
            except (InputError, Refusal) as reason:
                results.append([])
                reasons.append(reason)
        if reasons and len(reasons) == len(asked.tasks):
            raise reasons[0]
        if reasons:  # which name files
            logger.warning("%d of %d tasks got no prediction; ask for one alone", len(reasons), len(asked.tasks))
        return PredictAnswer(results=results, model_version=version)

    async def _predict(
        self, services: Services, task: Task, controls: tuple[Control, ...], version: str
    ) -> Mapping[str, Any]:
        pictures = {key: await self._picture(services, task, key) for key in {one.image_key for one in controls}}
        asked = dict.fromkeys((one.image_key, one.threshold) for one in controls)
        found = {}
        for key, threshold in asked:
            alike = [one for one in controls if (one.image_key, one.threshold) == (key, threshold)]
            phrases = list(dict.fromkeys(phrase for one in alike for phrase in one.phrase_of.values()))
            found[key, threshold] = await services.segment(services.model(None), pictures[key], phrases, threshold)
        pairs = [(one, found[one.image_key, one.threshold]) for one in controls]
        return await services.aside(prediction_of, pairs, version)

    async def _picture(self, services: Services, task: Task, key: str) -> Picture:
        content = await asyncio.to_thread(self._images.read, task, key)  # may wait for Label Studio
        return await services.aside(_decoded, content, services.limits)


class _Training:
    """Starts trainings, where the server was told a folder for them."""

    def __init__(self, host: LabelStudioHost, tuner: Tuner | None) -> None:
        self._host, self._tuner = host, tuner

    async def on_event(self, event: Event) -> Job:
        """Start a training on all annotations of a project when somebody asks for it; nothing else is done."""
        if event.action != START_TRAINING:
            return Job(job=None)
        if event.project is None:
            raise InputError("the event names no project; send its id")
        number = event.project.id
        return self._start(lambda: (self._host.export(number), self._host.label_config(number)))

    async def train(self, asked: TrainRequest) -> Job:
        """Start a training on tasks of an export."""
        return self._start(lambda: (asked.annotations, asked.label_config))

    async def job_status(self, job: Job) -> JobStatus:
        """How far the last training is."""
        status = self._tuned().status()
        if job.job is None or job.job != status.run:
            raise Refusal(404, "no_job", "there is no training of this name, or a later one has begun")
        return JobStatus(job_status=status.state)

    async def status(self) -> TuningStatus:
        """How far the last training is, with the end of its log."""
        status = await asyncio.to_thread(self._tuned().status)
        return TuningStatus(state=status.state, run=status.run, message=status.message, log=list(status.log))

    def _start(self, export: Callable[[], tuple[Any, str]]) -> Job:
        try:
            return Job(job=self._tuned().start(export))
        except BusyError as error:
            raise Refusal(409, "busy", str(error)) from error

    def _tuned(self) -> Tuner:
        if self._tuner is None:
            raise Refusal(409, "no_runs", "this server trains nothing; start it with --label-studio-runs FOLDER")
        return self._tuner


def _controls(label_config: str, services: Services) -> tuple[Control, ...]:
    controls = read_controls(label_config)
    require_few([phrase for one in controls for phrase in one.phrase_of.values()], services.settings)
    return controls


def _decoded(content: bytes, limits: Limits) -> Picture:
    return upright(read_picture(io.BytesIO(content), limits), content)


def _version(services: Services) -> str:
    """The name of the default model with a part of the hash of all its weights."""
    name, segmenter = next(iter(services.models.items()))
    weights = json.dumps(dict(segmenter.made_by.weights), sort_keys=True)
    return f"{name}-{hashlib.sha256(weights.encode()).hexdigest()[:_VERSION_DIGITS]}"
