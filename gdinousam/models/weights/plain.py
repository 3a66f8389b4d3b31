"""Fetch one file from its publisher's URL, by the standard library; an interrupted fetch goes on where it stopped."""

from __future__ import annotations

import json
import logging
import shutil
import time
from dataclasses import asdict, dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from tqdm import tqdm

from gdinousam.errors import InputError
from gdinousam.files import write_json
from gdinousam.models.weights.checksums import check_arrived, sha256_of


@dataclass(frozen=True)
class Version:
    """One version of the file at a URL: the server's strong ETag and the size of the whole in bytes."""

    url: str
    etag: str
    num_bytes: int


@dataclass(frozen=True)
class Partial:
    """path: where the part lies. note: where its version is written."""

    path: Path
    note: Path

    @classmethod
    def of(cls, path: Path) -> Partial:
        """The part of the file that is to become ``path``."""
        return cls(path.with_name(f"{path.name}.partial"), path.with_name(f"{path.name}.partial.json"))

    @property
    def num_bytes(self) -> int:
        """How much has arrived; 0 where nothing has."""
        return self.path.stat().st_size if self.path.exists() else 0

    def version(self, url: str) -> Version | None:
        """What it is a part of; ``None`` where nothing lies there that the file at the URL could continue."""
        try:
            version = Version(**json.loads(self.note.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None
        return version if version.url == url and 0 < self.num_bytes <= version.num_bytes else None

    def set_version(self, version: Version | None) -> None:
        """Note what is about to arrive; ``None`` makes it a part that cannot be continued."""
        if version is None:
            self.note.unlink(missing_ok=True)
        else:
            write_json(self.note, asdict(version))

    def finish(self, path: Path) -> None:
        """Put the whole file in its place."""
        self.path.replace(path)
        self.note.unlink(missing_ok=True)


logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 30.0  # of silence, not of the whole download
NUM_TRIES = 5
PAUSE_SECONDS = 2.0
_CHUNK = 1 << 20
_PARTIAL_CONTENT, _RANGE_NOT_SATISFIABLE = 206, 416


class _ConnectionLostError(Exception):
    """The server cannot be reached or stopped sending."""


def fetch_file(
    url: str,
    path: Path,
    sha256: str | None = None,
    num_bytes: int | None = None,
    num_tries: int = NUM_TRIES,
    pause_seconds: float = PAUSE_SECONDS,
) -> str:
    """Fetch a URL to ``path``, which must not exist yet, and return its sha256 (64 hexadecimal digits).

    sha256, num_bytes: what the file must be, or ``None`` where unknown; its size is also compared with what the server
    states. num_tries: how often in a row a lost connection may bring nothing new. pause_seconds: wait between tries.
    Raises InputError where the file cannot be fetched or is wrong. What arrived of a right one is kept, and continued
    by the next call; a wrong one is kept as ``FILE.rejected``, and the next call starts over.
    """
    partial = Partial.of(path)
    try:
        _receive_patiently(url, partial, num_bytes, num_tries, pause_seconds)
        if num_bytes is not None:  # a server need not state a size
            check_arrived(partial.path, path, f"{num_bytes} bytes", f"{partial.num_bytes} bytes")
        found = sha256_of(partial.path)
        check_arrived(partial.path, path, f"sha256 {sha256 or found}", f"sha256 {found}")
        partial.finish(path)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror}); what arrived is kept; fix that and run again to go on"
        ) from error
    return found


def size_at(url: str) -> int | None:
    """The size in bytes that the server states for the file at a URL, or ``None`` where it states none.

    Raises InputError where the server cannot be reached or has no such file.
    """
    try:
        with _open(url) as response:  # not a HEAD request: signed download links allow GET alone
            return _whole_size(response)
    except _ConnectionLostError as error:
        raise InputError(f"{url}: {error}; check the connection and run again") from error


def _receive_patiently(url: str, partial: Partial, num_bytes: int | None, num_tries: int, pause_seconds: float) -> None:
    """Receive the file over as many connections as it takes while they bring something.

    Gives up at once where nothing at all arrives: whoever is offline should not have to wait.
    """
    ever_gained, num_failures = False, 0
    while True:
        held = partial.num_bytes
        try:
            return _receive(url, partial, num_bytes)
        except _ConnectionLostError as error:
            gained = partial.num_bytes > held
            ever_gained |= gained
            num_failures = 1 if gained else num_failures + 1
            if not ever_gained or num_failures >= num_tries:
                kept = f"{partial.num_bytes / 1e6:.1f} MB are kept; " if partial.num_bytes else ""
                raise InputError(f"{url}: {error}; {kept}check the connection and run again to go on") from error
            logger.info("%s: %s; trying again", partial.path.name, error)
            time.sleep(pause_seconds)


def _receive(url: str, partial: Partial, num_bytes: int | None) -> None:
    """Receive what is missing over one connection; nothing is asked where all has arrived before."""
    version = partial.version(url)
    if version is not None and partial.num_bytes == version.num_bytes == (num_bytes or version.num_bytes):
        return
    with _connect(url, partial, version) as response:
        start = partial.num_bytes if response.status == _PARTIAL_CONTENT else 0
        whole = _whole_size(response)
        _check_offer(url, response, whole, num_bytes)
        _check_space(partial.path.parent, (whole or 0) - start)
        with (
            partial.path.open("ab" if start else "wb") as file,
            tqdm(desc=partial.path.stem, total=whole, initial=start, unit="B", unit_scale=True, delay=0.2) as bar,
        ):
            partial.set_version(_version_of(url, response))
            while chunk := _read(response):
                file.write(chunk)
                bar.update(len(chunk))
    if whole is not None and partial.path.stat().st_size != whole:
        raise _ConnectionLostError(f"the connection was cut after {partial.num_bytes} of {whole} bytes")


def _connect(url: str, partial: Partial, version: Version | None) -> Any:
    """Open the URL where the partial file ends, or at the beginning where that would not fit; returns the response."""
    if version is not None:
        start = partial.num_bytes
        response = _open(url, {"Range": f"bytes={start}-", "If-Range": version.etag})
        fits = _version_of(url, response) == version and _first_byte(response) == start
        if response.status == 200 or (response.status == _PARTIAL_CONTENT and fits):
            return response
        response.close()
    response = _open(url)
    if response.status != 200:
        response.close()
        raise InputError(f"{url}: the server answers {response.status} to a plain request; try again later")
    return response


def _open(url: str, headers: dict[str, str] | None = None) -> Any:
    """Ask for a URL; an answer that no content fits the range is returned, every other refusal is an InputError."""
    try:
        return urlopen(Request(url, headers={"User-Agent": "gdinousam"} | (headers or {})), timeout=TIMEOUT_SECONDS)
    except HTTPError as error:
        if error.code == _RANGE_NOT_SATISFIABLE and headers:
            return error
        error.close()
        advice = "the file is not there any more" if error.code in (404, 410) else "try again later"
        raise InputError(f"{url}: the server answers {error.code} {error.reason}; {advice}") from error
    except URLError as error:
        raise _ConnectionLostError(f"cannot be reached ({_reason(error.reason)})") from error
    except (OSError, HTTPException) as error:
        raise _ConnectionLostError(f"the connection failed ({_reason(error)})") from error


def _read(response: Any) -> bytes:
    try:
        return bytes(response.read1(_CHUNK))
    except (OSError, HTTPException) as error:
        raise _ConnectionLostError(f"the connection was lost ({_reason(error)})") from error


def _reason(error: object) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__


def _whole_size(response: Any) -> int | None:
    """The size of the whole file, also where the answer holds a part of it."""
    if response.status == _PARTIAL_CONTENT:
        size = response.headers.get("Content-Range", "").rpartition("/")[2]
    else:
        size = response.headers.get("Content-Length", "")
    return int(size) if size.isdecimal() else None


def _first_byte(response: Any) -> int | None:
    first = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(first) if first.isdecimal() else None


def _version_of(url: str, response: Any) -> Version | None:
    """The version that an answer belongs to; ``None`` where the server does not tell versions apart byte by byte."""
    etag, whole = response.headers.get("ETag", ""), _whole_size(response)
    return Version(url, etag, whole) if etag.startswith('"') and whole is not None else None


def _check_offer(url: str, response: Any, whole: int | None, num_bytes: int | None) -> None:
    if response.headers.get_content_type() == "text/html":
        raise InputError(f"{url}: a web page came instead of the file; is it a login page of the network?")
    if None not in (whole, num_bytes) and whole != num_bytes:
        raise InputError(f"{url}: the server offers {whole} bytes, expected {num_bytes}; the file there was replaced")


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f"{folder}: {needed / 1e6:.0f} MB are missing on a disk with {free / 1e6:.0f} MB free; make room"
        )
