"""Label Studio's own server: the only one that is ever asked for anything, and the only one that sees its token."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gdinousam.data.sources.medical.libraries import library
from gdinousam.errors import InputError
from gdinousam.labelling.label_studio.settings import LabelStudioSettings
from gdinousam.reading import reason_of

if TYPE_CHECKING:
    import httpx

EXTRA = "serve"
TIMEOUT_S = 30.0  # to connect, and between two pieces of an answer
MAX_EXPORT_BYTES = 2**30  # brush strokes are long
_REFUSED = (401, 403)


class LabelStudioHost:
    """Asks the address in the settings, and no other one.

    Every method raises InputError, with one line, where no address was named at the start, for an address elsewhere or
    a redirection, and where Label Studio cannot be reached, refuses its token or answers with an error.
    """

    def __init__(self, settings: LabelStudioSettings) -> None:
        self._settings = settings

    def get(self, address: str, max_bytes: int) -> bytes:
        """The content at a path of Label Studio's, or at a whole address of its. At most ``max_bytes`` are read."""
        httpx, own = library("httpx", EXTRA), self._own()
        try:
            url = own.join(address)
        except (httpx.InvalidURL, ValueError) as error:
            raise InputError(f"{_shown(address)}: no address of an image; correct the task") from error
        if _origin(url) != _origin(own):
            raise InputError(
                f"{_shown(address)}: not on Label Studio at {own}, and images are fetched from nowhere else; upload it "
                "there, or start the server with the address that the tasks name"
            )
        try:
            with httpx.Client(timeout=TIMEOUT_S, follow_redirects=False) as client:
                headers = {"Authorization": self._authorization(client), "Accept-Encoding": "identity"}
                with client.stream("GET", url, headers={key: one for key, one in headers.items() if one}) as response:
                    _require_success(response, address)
                    return _content(response, address, max_bytes)
        except httpx.HTTPError as error:
            raise InputError(f"Label Studio at {own} does not answer ({reason_of(error)}); check it") from error

    def label_config(self, project: int) -> str:
        """The labelling config of a project, as XML."""
        answer = self._json(f"/api/projects/{project}/")
        config = answer.get("label_config") if isinstance(answer, Mapping) else None
        if not isinstance(config, str):
            raise InputError(f"Label Studio tells no labelling config of project {project}; check its address")
        return config

    def export(self, project: int) -> Any:
        """The tasks of a project that have annotations, as its JSON export has them."""
        return self._json(f"/api/projects/{project}/export?exportType=JSON")

    def _json(self, path: str) -> Any:
        try:
            return json.loads(self.get(f"{self._own().path.rstrip('/')}{path}", MAX_EXPORT_BYTES))
        except ValueError as error:
            raise InputError(f"{path}: Label Studio answers no JSON; check its address") from error

    def _own(self) -> httpx.URL:
        if self._settings.url is None:
            raise InputError("start the server with --label-studio-url, the address of Label Studio")
        url: httpx.URL = library("httpx", EXTRA).URL(self._settings.url)
        return url

    def _authorization(self, client: httpx.Client) -> str:
        """The header of a legacy token, or of an access token that a personal one is exchanged for; empty for none."""
        if self._settings.token is None:
            return ""
        token = self._settings.token.get_secret_value()
        if token.count(".") != 2:  # a JSON Web Token has three parts
            return f"Token {token}"
        answer = client.post(f"{self._own()}/api/token/refresh", json={"refresh": token})
        _require_success(answer, "/api/token/refresh")
        try:
            return f"Bearer {answer.json()['access']}"
        except (ValueError, KeyError, TypeError) as error:
            raise InputError("Label Studio gives no access token for the personal one; check its address") from error


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _require_success(response: httpx.Response, address: str) -> None:
    shown = _shown(address)
    if response.is_redirect:
        raise InputError(
            f"{shown}: Label Studio sends elsewhere, where nothing is fetched; let it pass images on itself"
        )
    if response.status_code in _REFUSED:
        raise InputError(f"{shown}: Label Studio refuses the token of this server; start it with a valid one")
    if not response.is_success:
        raise InputError(f"{shown}: Label Studio answers {response.status_code}; check that it is there")


def _content(response: httpx.Response, address: str, max_bytes: int) -> bytes:
    content = bytearray()
    for piece in response.iter_bytes():
        content += piece
        if len(content) > max_bytes:
            raise InputError(f"{_shown(address)}: more than {max_bytes / 1e6:g} MB; make it smaller")
    return bytes(content)


def _shown(address: str) -> str:
    """An address for a message: without what follows the path, which may hold a signature."""
    path = address.partition("?")[0]
    return path if len(path) <= 120 else f"{path[:120]}..."
