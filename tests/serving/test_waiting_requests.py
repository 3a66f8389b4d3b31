"""Requests that the models do not answer: given up in time, dropped with their client, or failed by a fault of ours."""

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from served import png, served

from gdinousam import Segmenter
from gdinousam.records import Image
from gdinousam.serving.app import create_app
from gdinousam.serving.settings import ServeSettings

FIELDS = {"phrases": "thyroid nodule"}


@pytest.fixture(scope="module")
def app(segmenter: Segmenter) -> FastAPI:
    faulty = APIRouter()

    @faulty.get("/fault")
    async def fault() -> None:
        raise RuntimeError("Zweistein^Frieda")

    return create_app({"small": segmenter}, ServeSettings(upload_seconds=0.5, answer_seconds=0.5), [faulty])


@pytest.fixture(scope="module")
def hasty(app: FastAPI) -> Iterator[httpx.Client]:
    """A client of a server that gives up after a second."""
    with served(app) as address, httpx.Client(base_url=address, timeout=60) as client:
        yield client


@contextmanager
def busy_models(app: FastAPI) -> Iterator[None]:
    """Inside, the thread of the models does something else."""
    free = threading.Event()

    def hold(_: Sequence[None]) -> list[None]:
        free.wait(30)
        return [None]

    held = app.state.services._worker.submit(hold, None)
    try:
        yield
    finally:
        free.set()
        held.result(30)


def wait_for(client: httpx.Client, line: str) -> None:
    """Until the numbers have a line."""
    for _ in range(300):
        if f"{line}\n" in client.get("/metrics").text:
            return
        time.sleep(0.02)
    raise AssertionError(f"{line} is not in {client.get('/metrics').text}")


def test_what_takes_too_long_is_given_up(app: FastAPI, hasty: httpx.Client, image: Image) -> None:
    with busy_models(app):
        late = hasty.post("/v1/segment", files={"image": png(image)}, data=FIELDS)
        assert (late.status_code, late.json()["error"]["code"]) == (503, "too_long")
        assert int(late.headers["Retry-After"]) >= 1
        assert hasty.get("/healthz").json()["queue"] == 0
    assert hasty.post("/v1/segment", files={"image": png(image)}, data=FIELDS).status_code == 200


def test_a_client_that_hangs_up_while_it_waits_is_dropped(app: FastAPI, hasty: httpx.Client, image: Image) -> None:
    request = hasty.build_request("POST", "/v1/segment", files={"image": png(image)}, data=FIELDS)
    body = request.read()
    head = f"POST /v1/segment HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
    head += f"Content-Type: {request.headers['Content-Type']}\r\n\r\n"
    with busy_models(app):
        with socket.create_connection((hasty.base_url.host, hasty.base_url.port)) as connection:
            connection.sendall(head.encode() + body)
            wait_for(hasty, "gdinousam_queue 1")
        wait_for(hasty, "gdinousam_queue 0")
    wait_for(hasty, 'gdinousam_requests_total{method="POST",route="/v1/segment",status="499"} 1')
    assert hasty.post("/v1/segment", files={"image": png(image)}, data=FIELDS).status_code == 200


def test_a_fault_of_ours_is_one_line_that_repeats_nothing(
    hasty: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"):
        failed = hasty.get("/fault")
    assert (failed.status_code, failed.json()["error"]["code"]) == (500, "internal")
    assert "Content-Security-Policy" in failed.headers
    assert "internal error: RuntimeError in test_waiting_requests.py" in caplog.text
    assert "Zweistein" not in caplog.text and "Traceback" not in caplog.text
    assert hasty.get("/healthz").status_code == 200
