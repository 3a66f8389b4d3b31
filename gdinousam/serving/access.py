"""Who may ask: programs with the token, and without one only those of this machine.

A web page from elsewhere that is open in a browser here could send requests too. So a request that says it comes from
another site is refused, and without a token one that calls this machine by another name (DNS rebinding).
"""

from __future__ import annotations

import base64
import binascii
import hmac
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gdinousam.serving.refusals import Refusal
from gdinousam.serving.settings import ServeSettings, is_loopback

OPEN = ("/", "/healthz", "/docs", "/openapi.json", "/favicon.ico")  # and what lies below /static/
_HEADERS = {
    # nothing from elsewhere, no page of others round ours; pictures and clips that the page makes itself
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Gate:
    """Lets requests through to an app that may ask it, and adds headers that browsers obey."""

    def __init__(self, app: ASGIApp, settings: ServeSettings) -> None:
        self._app, self._needs_own_name = app, settings.is_local and settings.token is None
        self._token = None if settings.token is None else settings.token.get_secret_value()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [(name.lower().encode(), value.encode()) for name, value in _HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", ()), *own]}
            await send(message)

        try:
            self._require(scope["path"], Headers(scope=scope))
        except Refusal as refusal:
            await refusal.response()(scope, receive, send_with_headers)
            return
        await self._app(scope, receive, send_with_headers)

    def _require(self, path: str, headers: Headers) -> None:
        host = headers.get("host", "")
        if self._needs_own_name and not is_loopback(urlsplit(f"//{host}").hostname or ""):
            raise Refusal(403, "other_host", "call this server by 127.0.0.1 or localhost")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            raise Refusal(403, "other_site", "pages of other sites may not use this server")
        is_open = path in OPEN or path.startswith("/static/")
        if self._token is not None and not is_open and not _holds(headers.get("authorization", ""), self._token):
            raise Refusal(401, "no_token", "send the server's token as Authorization: Bearer TOKEN")


def _holds(authorization: str, token: str) -> bool:
    """Whether a header holds the token: as Bearer, or as the password of Basic, which some annotation tools send."""
    kind, _, given = authorization.partition(" ")
    given = given.strip()
    if kind.lower() == "basic":
        try:
            given = base64.b64decode(given, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return False
    elif kind.lower() != "bearer":
        return False
    return hmac.compare_digest(given.encode(), token.encode())
