"""How a request with a file is taken in: a place in the queue first, then a body of limited size in limited time.

``UploadRoute`` is the class of every route that takes a file, ``JsonRoute`` of those that take JSON. A request whose
client hangs up is dropped wherever it stands: what waits for the models is taken out of their line.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message, Receive

from gdinousam.serving.metrics import CLOSED
from gdinousam.serving.refusals import Refusal
from gdinousam.serving.settings import ServeSettings

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
_LONGEST_WAIT = 60  # seconds that a client is told to wait at most
_NEWEST = 0.2  # weight of the last request in the mean time of one


class Admission:
    """Lets so many requests in at once. num_inside: how many there are now."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.num_inside = 0
        self._seconds = 1.0  # of a request, while others are inside too; a running mean

    @property
    def retry_after(self) -> int:
        """Whole seconds after which a place should be free: what one request in the queue takes, from 1 on."""
        return min(max(1, math.ceil(self._seconds / max(self.num_inside, 1))), _LONGEST_WAIT)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place. Raises Refusal (429) where there is none."""
        if self.num_inside >= self._most:
            raise Refusal(429, "busy", f"{self._most} requests are waiting; send it again later", self.retry_after)
        self.num_inside += 1
        start = time.monotonic()
        try:
            yield
        finally:
            self.num_inside -= 1
            self._seconds += _NEWEST * (time.monotonic() - start - self._seconds)


class UploadRoute(APIRoute):
    """A route that takes multipart/form-data; needs ``app.state.services`` with ``settings`` and ``admission``.

    kind: of the body. refusal: code and message for a body of another kind.
    """

    kind = "multipart/form-data"
    refusal = "not_a_form", "send multipart/form-data with the file and its fields"

    def get_route_handler(self) -> Handler:
        """See FastAPI."""
        answer = super().get_route_handler()

        async def limited(request: Request) -> Response:
            services = request.app.state.services
            self._require_kind(request, services.settings)
            with services.admission.place():
                body = _Body(request.receive, services.settings)
                request = Request(request.scope, body.receive, request._send)
                return await _until_gone(answer(request), body, services)

        return limited

    def _require_kind(self, request: Request, settings: ServeSettings) -> None:
        """Raise Refusal for a body that need not be read to know that it is not taken."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != self.kind:
            raise Refusal(415, *self.refusal)
        length = request.headers.get("content-length", "")
        if length.isascii() and length.isdigit() and int(length) > settings.max_bytes:
            raise _too_long(settings)


class JsonRoute(UploadRoute):
    """The same for a route that takes JSON."""

    kind = "application/json"
    refusal = "no_json", "send application/json"


def _too_long(settings: ServeSettings) -> Refusal:
    return Refusal(413, "too_large", f"the request has more than {settings.max_megabytes:g} MB; send a smaller file")


class _Body:
    """The body of a request as it comes in."""

    def __init__(self, receive: Receive, settings: ServeSettings) -> None:
        self._receive, self._settings = receive, settings
        self._end = time.monotonic() + settings.upload_seconds
        self._num_bytes = 0
        self._is_whole = asyncio.Event()

    async def receive(self) -> Message:
        """The next part. Raises Refusal for one too much (413) or too late (408)."""
        try:
            async with asyncio.timeout(self._end - time.monotonic()):
                message = await self._receive()
        except TimeoutError as error:
            seconds = self._settings.upload_seconds
            raise Refusal(408, "too_slow", f"the request did not arrive in {seconds:g} s; send it again") from error
        self._num_bytes += len(message.get("body", b""))
        if self._num_bytes > self._settings.max_bytes:
            raise _too_long(self._settings)
        if message["type"] != "http.request" or not message.get("more_body", False):
            self._is_whole.set()
        return message

    async def gone(self) -> None:
        """Return when the client has hung up after it had sent all."""
        await self._is_whole.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass


async def _until_gone(answer: Awaitable[Response], body: _Body, services: Any) -> Response:
    """The answer, unless the client hangs up or it takes too long (Refusal, 503)."""
    settings = services.settings
    answering = asyncio.ensure_future(answer)
    gone = asyncio.ensure_future(body.gone())
    try:
        seconds = settings.upload_seconds + settings.answer_seconds
        await asyncio.wait({answering, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if answering.done():
            return answering.result()
        if gone.done():
            return Response(status_code=CLOSED)
        text = f"no answer in {seconds:g} s; send a smaller picture or fewer phrases, or send it again later"
        raise Refusal(503, "too_long", text, services.admission.retry_after)
    except ClientDisconnect:
        return Response(status_code=CLOSED)
    finally:
        for task in (answering, gone):
            task.cancel()
        await asyncio.gather(answering, gone, return_exceptions=True)
