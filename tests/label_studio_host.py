"""A server on this machine that answers as Label Studio does, and notes what it is asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Host:
    """pages: by path with query, a status and a content. asked: path and Authorization of every request."""

    url: str = ""
    pages: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)


@contextmanager
def host() -> Iterator[Host]:
    """A server on a free port; a page of status 302 sends to the address that is its content."""
    told = Host()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.asked.append((self.path, self.headers.get("Authorization")))
            status, content = told.pages.get(self.path, (404, b""))
            self.send_response(status)
            if status == 302:
                self.send_header("Location", content.decode())
                content = b""
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            """A personal token, ``PERSONAL``, is good for the access token ``access``."""
            content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told.asked.append((self.path, content.get("refresh")))
            self.send_response(200 if content.get("refresh") == PERSONAL else 401)
            self.end_headers()
            self.wfile.write(json.dumps({"access": "access"}).encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        told.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield told
        finally:
            server.shutdown()
            thread.join()


PERSONAL = "eyJ0eXAi.eyJ1c2Vy.c2ln"
