"""One connection to a server: the token, waiting where it is busy, and its errors as ours."""

from __future__ import annotations

import time
from typing import Any

import httpx

from gdinousam.errors import InputError

BUSY = (429, 503)
_USUAL_WAIT_S = 1.0  # where the server does not say how long


class ServerError(Exception):
    """The server failed, stayed busy or is gone; nothing was wrong with what it was asked."""


class Connection:
    """Sends requests. patience_s: how long to wait in all for a server that is busy."""

    def __init__(self, url: str, token: str | None, timeout_s: float, patience_s: float) -> None:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._url, self._patience_s = url, patience_s
        try:
            # no proxy of the environment: a server is near, and images are not for others
            self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout_s, trust_env=False)
        except httpx.InvalidURL as error:
            raise InputError(f"{url!r} is no address; give one such as http://127.0.0.1:8000") from error

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def ask(self, method: str, path: str, **sent: Any) -> Any:
        """What the server answers, as JSON; sent again where it is busy.

        Raises InputError with the server's words for what it does not take, and where no server answers; ServerError
        where it fails or stays busy.
        """
        end = time.monotonic() + self._patience_s
        while True:
            response = self._send(method, path, sent)
            wait_s = float(response.headers.get("Retry-After", _USUAL_WAIT_S))
            if response.status_code not in BUSY or time.monotonic() + wait_s > end:
                break
            time.sleep(wait_s)
        if response.is_success:
            return response.json()
        message = _message(response)
        if response.is_client_error and response.status_code not in BUSY:
            raise InputError(message)
        raise ServerError(f"{self._url}: {message}")

    def _send(self, method: str, path: str, sent: dict[str, Any]) -> httpx.Response:
        try:
            return self._http.request(method, path, **sent)
        except (httpx.ConnectError, httpx.UnsupportedProtocol) as error:
            text = f"no server answers at {self._url}; start one by 'gdinousam serve', or give its address"
            raise InputError(text) from error
        except httpx.HTTPError as error:
            raise ServerError(f"{self._url}: {type(error).__name__}; the server is gone or takes too long") from error


def _message(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"answered with status {response.status_code}; is it a server of gdinousam?"
