"""What the server says where it does not answer: always one JSON object with a code and one line."""

from __future__ import annotations

import logging
import traceback
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gdinousam.errors import InputError
from gdinousam.reading import one_line

logger = logging.getLogger(__name__)

LONGEST_MESSAGE = 500  # characters; what was sent may be repeated in it


class Problem(BaseModel):
    """Why there is no answer. code: a word for programs. message: one line for people."""

    code: str
    message: str


class Refused(BaseModel):
    """What every answer but those of success holds."""

    error: Problem


class Refusal(HTTPException):
    """A request that is not answered.

    status: of HTTP. code: a word for programs. message: one line that says what is wrong and what to do. retry_after:
    whole seconds after which the same request may succeed, ``None`` where it will not.
    """

    def __init__(self, status: int, code: str, message: str, retry_after: int | None = None) -> None:
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        if status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        super().__init__(status, message, headers or None)
        self.code = code

    def response(self) -> JSONResponse:
        """The answer that says so."""
        return refused(self.status_code, self.code, self.detail, self.headers)


def refused(status: int, code: str, message: str, headers: Any = None) -> JSONResponse:
    """The answer of a request that failed."""
    problem = Problem(code=code, message=one_line(message)[:LONGEST_MESSAGE])
    return JSONResponse(Refused(error=problem).model_dump(), status, headers)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What the OpenAPI page says of these statuses, which a route may answer with."""
    return {status: {"model": Refused, "description": HTTPStatus(status).phrase} for status in statuses}


def add_handlers(app: FastAPI) -> None:
    """Turn what a request does wrong into an answer of this form; ``Faults`` does so for the rest."""
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(InputError, _of_input)


async def _of_http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if isinstance(error, Refusal):
        return error.response()
    status = HTTPStatus(error.status_code)
    return refused(status, status.name.lower(), error.detail, error.headers)


async def _of_validation(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    problem = error.errors()[0]
    place = ".".join(str(part) for part in problem["loc"] if part != "body")
    return refused(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", f"{place or 'request'}: {problem['msg']}")


async def _of_input(_: Request, error: Exception) -> JSONResponse:
    return refused(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", str(error))


class Faults:
    """Answers where an app fails by a mistake of ours.

    The log gets kind and place of the error, not its words, which may hold what was sent.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        has_begun = False

        async def watched_send(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(place.filename).name}, line {place.lineno}"
            logger.error("internal error: %s in %s", type(error).__name__, where)
            if scope["type"] != "http" or has_begun:
                raise RuntimeError(f"{type(error).__name__} in {where}") from None
            text = "the server failed on this; its log says where"
            await refused(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", text)(scope, receive, send)
