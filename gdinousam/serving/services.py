"""What the routes of a server share: its models, the thread that runs them, and the threads that decode."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from fastapi import Request, UploadFile

from gdinousam.prediction.results import Prediction
from gdinousam.prediction.segmenter import Segmenter
from gdinousam.prediction.sources import Picture
from gdinousam.records import Hint
from gdinousam.serving.batching import Worker
from gdinousam.serving.clip_jobs import ClipJobs
from gdinousam.serving.refusals import Refusal
from gdinousam.serving.requests import Admission
from gdinousam.serving.settings import ServeSettings
from gdinousam.serving.uploads import Limits, read_picture

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Given = TypeVar("Given")
Answer = TypeVar("Answer")
_DECODERS = 2  # threads; pictures are small beside what models take
_AHEAD = 4  # pictures that are decoded while others are with the models: what is in memory at most, beside those


class Services:
    """Made once for an app; ``close`` ends its threads.

    models: by their short names, at least one; the first is the default.
    """

    def __init__(self, models: Mapping[str, Segmenter], settings: ServeSettings) -> None:
        self.models, self.settings = dict(models), settings
        self.limits = Limits(settings.max_pixels, settings.max_frames)
        self.admission = Admission(settings.queue)
        self._worker = Worker(settings.together, settings.wait_ms / 1000)
        self.clips = ClipJobs(self._worker, settings)
        self._decoders = ThreadPoolExecutor(_DECODERS, thread_name_prefix="decoder")
        self._in_memory = asyncio.Semaphore(settings.together + _AHEAD)

    def close(self) -> None:
        """End all threads."""
        self.clips.close()
        self._worker.close()
        self._decoders.shutdown(cancel_futures=True)

    def model(self, name: str | None) -> Segmenter:
        """The model of this name, or the default. Raises Refusal (404) where there is none."""
        if name is None:
            return next(iter(self.models.values()))
        if name not in self.models:
            raise Refusal(404, "no_model", f"there is no model of this name; there are {', '.join(self.models)}")
        return self.models[name]

    async def aside(self, run: Callable[..., Answer], *given: Any) -> Answer:
        """What a function returns, run in one of the threads that decode."""
        return await asyncio.get_running_loop().run_in_executor(self._decoders, run, *given)

    async def with_models(
        self, run: Callable[[Sequence[Given]], Sequence[Answer]], given: Given, group: Hashable | None = None
    ) -> Answer:
        """What a function returns, run in the thread of the models; see ``Worker.submit``."""
        return await asyncio.wrap_future(self._worker.submit(run, given, group))

    @asynccontextmanager
    async def picture(self, upload: UploadFile) -> AsyncIterator[Picture]:
        """A picture that was sent, decoded; errors as for ``read_picture``. Few of them are in memory at once."""
        async with self._in_memory:
            yield await self.aside(read_picture, upload.file, self.limits)

    async def segment(
        self,
        segmenter: Segmenter,
        picture: Picture,
        phrases: Sequence[str],
        threshold: float | None = None,
        max_detections: int | None = None,
    ) -> Prediction:
        """``Segmenter.predict`` of one picture, in the thread of the models."""

        def run(asked: Sequence[tuple[Picture, list[str]]]) -> list[Prediction]:
            pictures, rows = [picture for picture, _ in asked], [row for _, row in asked]
            return segmenter.predict(pictures, rows, threshold=threshold, max_detections=max_detections)

        group = id(segmenter), threshold, max_detections
        return await self.with_models(run, (picture, list(phrases)), group)

    async def correct(self, segmenter: Segmenter, picture: Picture, hints: Sequence[Hint]) -> Prediction:
        """``Segmenter.correct``, in the thread of the models."""

        def run(asked: Sequence[Picture]) -> list[Prediction]:
            return [segmenter.correct(one, hints) for one in asked]

        return await self.with_models(run, picture)


def services_of(request: Request) -> Services:
    """The services of the app that a request came to."""
    services: Services = request.app.state.services
    return services
