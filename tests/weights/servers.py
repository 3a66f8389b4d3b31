"""Two servers on this machine: one that serves a file, well or badly, and a hub in miniature."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

import numpy as np

COMMIT = "c0ffee" + 34 * "0"
CONTENT = np.random.default_rng(0).bytes(300_000)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Run a server with this handler; yields its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class FileServer:
    """Serves ``content`` at every path.

    ranges: answer Range requests. heeds_if_range: give the whole file where If-Range names another version.
    cuts: for each coming request, after how many bytes to close the connection. stated_size: what Content-Length says;
    states_size: whether there is one. status: answer with this instead. requests: the headers of each request so far.
    when_sent: called after the content.
    """

    content: bytes
    etag: str | None = '"one"'
    ranges: bool = True
    heeds_if_range: bool = True
    cuts: list[int] = field(default_factory=list)
    stated_size: int | None = None
    states_size: bool = True
    status: int | None = None
    content_type: str = "application/octet-stream"
    requests: list[Message] = field(default_factory=list)
    when_sent: Callable[[], None] = lambda: None
    url: str = ""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.requests.append(request.headers)
        if self.status is not None:
            request.send_error(self.status)
            return
        start = self.first_byte(request.headers)
        if start is not None and start >= len(self.content):
            request.send_error(416)
            return
        request.send_response(200 if start is None else 206)
        request.send_header("Content-Type", self.content_type)
        if start is not None:
            whole = len(self.content)
            request.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
        body = self.content[start or 0 :]
        if self.states_size:
            request.send_header("Content-Length", str(self.stated_size or len(body)))
        if self.etag is not None:
            request.send_header("ETag", self.etag)
        request.end_headers()
        request.wfile.write(body[: self.cuts.pop(0)] if self.cuts else body)
        request.wfile.flush()
        self.when_sent()

    def first_byte(self, headers: Message) -> int | None:
        """Where the answer starts; ``None``: the whole file."""
        wanted = headers.get("Range")
        changed = self.heeds_if_range and headers.get("If-Range") not in (None, self.etag)
        if wanted is None or not self.ranges or changed:
            return None
        return int(wanted.removeprefix("bytes=").removesuffix("-"))

    @contextmanager
    def running(self) -> Iterator[FileServer]:
        files = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                files.answer(self)

            def log_message(self, format: str, *arguments: object) -> None:
                """Keep quiet."""

        with serving(Handler) as address:
            self.url = f"{address}/weights.pth"
            yield self


@dataclass
class MiniatureHub:
    """The two routes of a hub that a download needs, for repositories given as repository id -> file name -> content.

    large: the suffixes of files in large file storage, which have a sha256 rather than a git id.
    lies: names of files of which it sends other bytes than it states. failing: names that it answers with 403.
    cuts: file name -> after how many bytes it closes the connection, once. states_sums: whether it tells them.
    requests: method, path and Range header of each request so far.
    """

    repositories: dict[str, dict[str, bytes]]
    large: tuple[str, ...] = (".safetensors", ".bin", ".pt")
    lies: set[str] = field(default_factory=set)
    cuts: dict[str, int] = field(default_factory=dict)
    failing: set[str] = field(default_factory=set)
    states_sums: bool = True
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    address: str = ""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = urlsplit(request.path).path
        self.requests.append((request.command, path, request.headers.get("Range")))
        for repo_id, files in self.repositories.items():
            if path == f"/api/models/{repo_id}":
                self.state(request, repo_id, files)
                return
            name = path.removeprefix(f"/{repo_id}/resolve/").partition("/")[2]
            if name in files and name not in self.failing:
                self.send(request, name, files[name])
                return
            if name in self.failing:
                request.send_error(403)
                return
            if path.startswith((f"/{repo_id}/", f"/api/models/{repo_id}/tree/")):
                self.refuse(request, "EntryNotFound")
                return
        self.refuse(request, "RepoNotFound")

    def refuse(self, request: BaseHTTPRequestHandler, code: str) -> None:
        request.send_response(404)
        request.send_header("X-Error-Code", code)
        request.send_header("X-Repo-Commit", COMMIT)
        request.send_header("Content-Length", "0")
        request.end_headers()

    def state(self, request: BaseHTTPRequestHandler, repo_id: str, files: dict[str, bytes]) -> None:
        siblings = [self.describe(name, content) for name, content in files.items()]
        body = json.dumps({"id": repo_id, "sha": COMMIT, "siblings": siblings}).encode()
        request.send_response(200)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def describe(self, name: str, content: bytes) -> dict[str, object]:
        described: dict[str, object] = {"rfilename": name}
        if not self.states_sums:
            return described
        described |= {"size": len(content), "blobId": self.etag_of("", content)}
        if name.endswith(self.large):
            described["lfs"] = {"sha256": sha256(content), "size": len(content), "pointerSize": 134}
        return described

    def etag_of(self, name: str, content: bytes) -> str:
        if name.endswith(self.large):
            return sha256(content)
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    def send(self, request: BaseHTTPRequestHandler, name: str, content: bytes) -> None:
        wanted = request.headers.get("Range")
        start = int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted else 0
        sent = content[::-1] if name in self.lies else content
        request.send_response(206 if wanted else 200)
        request.send_header("ETag", f'"{self.etag_of(name, content)}"')
        request.send_header("X-Repo-Commit", COMMIT)
        request.send_header("Accept-Ranges", "bytes")
        request.send_header("Content-Length", str(len(content) - start))
        if wanted:
            request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        request.end_headers()
        if request.command == "GET":
            body = sent[start:]
            request.wfile.write(body[: self.cuts.pop(name)] if name in self.cuts else body)

    @contextmanager
    def running(self) -> Iterator[MiniatureHub]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub.answer(self)

            do_HEAD = do_GET  # noqa: N815 - the name that http.server looks for

            def log_message(self, format: str, *arguments: object) -> None:
                """Keep quiet."""

        with serving(Handler) as address:
            self.address = address
            yield self
