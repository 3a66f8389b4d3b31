"""The server put together: ``create_app`` makes it of models that are loaded, and uvicorn runs it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles

from gdinousam import __version__
from gdinousam.errors import InputError
from gdinousam.prediction.segmenter import Segmenter
from gdinousam.serving import clips, page_routes, segmenting
from gdinousam.serving.access import Gate
from gdinousam.serving.api_page import api_text
from gdinousam.serving.metrics import CONTENT_TYPE, Counted, Metrics
from gdinousam.serving.refusals import Faults, add_handlers, documented
from gdinousam.serving.services import Services
from gdinousam.serving.settings import ServeSettings

SWEEP_SECONDS = 30.0
PAGE = Path(__file__).parent / "page"


class _Fresh(StaticFiles):
    """Files that browsers ask for again each time, so that after an update no old one is mixed with new ones."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """See Starlette."""
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


def create_app(
    models: Mapping[str, Segmenter], settings: ServeSettings | None = None, routers: Sequence[APIRouter] = ()
) -> FastAPI:
    """An ASGI application.

    models: by short names, at least one; the first is the default. routers: further routes, which find what they need
    through ``gdinousam.serving.services.services_of``. Raises InputError where there is no model.
    """
    if not models:
        raise InputError("a server needs a model; name one")
    settings = settings or ServeSettings()

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        app.state.services = services = Services(models, settings)
        sweeping = asyncio.create_task(_sweep(services))
        try:
            yield
        finally:
            sweeping.cancel()
            await asyncio.to_thread(services.close)

    app = FastAPI(
        title="gdinousam",
        version=__version__,
        description="Segments ultrasound images from phrases. For research; not for diagnosis.",
        docs_url=None,  # FastAPI's pages load their scripts from elsewhere
        redoc_url=None,
        lifespan=running,
    )
    add_handlers(app)
    own = (segmenting.about, segmenting.pictures, clips.taking, clips.asking, page_routes.about, page_routes.files)
    for router in (*own, *routers):
        app.include_router(router)
    metrics = Metrics(
        {
            "gdinousam_queue": ("Requests taken in.", lambda: app.state.services.admission.num_inside),
            "gdinousam_clips": ("Clips that wait or run.", lambda: app.state.services.clips.num_open),
        }
    )

    @app.get("/metrics", response_class=PlainTextResponse, responses=documented(401))
    async def numbers() -> PlainTextResponse:
        """Numbers for Prometheus."""
        return PlainTextResponse(metrics.text(), media_type=CONTENT_TYPE)

    @app.get("/docs", include_in_schema=False)
    async def api_page() -> HTMLResponse:
        return HTMLResponse(api_text(app.openapi()))

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(PAGE / "index.html", headers={"Cache-Control": "no-cache"})

    app.mount("/static", _Fresh(directory=PAGE), name="static")
    app.add_middleware(Faults)
    app.add_middleware(Gate, settings=settings)
    app.add_middleware(Counted, metrics=metrics)
    return app


async def _sweep(services: Services) -> None:
    """Remove results of clips that were kept long enough, now and then."""
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        await asyncio.to_thread(services.clips.forget_old)
