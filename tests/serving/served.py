"""A server on a free port of this machine, in a thread, as long as a test needs it."""

import io
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import PIL.Image
import uvicorn
from fastapi import FastAPI

from gdinousam.records import Image


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """Run an app; yields its address, such as ``http://127.0.0.1:41234``."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=2))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            address = f"http://127.0.0.1:{listening.getsockname()[1]}"
            httpx.get(f"{address}/healthz", timeout=20)  # the port listens already, so this waits for the start
            yield address
        finally:
            server.should_exit = True
            thread.join()


def png(image: Image) -> bytes:
    """An image as the content of a PNG file."""
    file = io.BytesIO()
    PIL.Image.fromarray(image).save(file, format="PNG")
    return file.getvalue()
