"""Fixtures of the tests of downloads: servers on this machine, and an address where none listens."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from servers import CONTENT, FileServer


@pytest.fixture(autouse=True)
def _without_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the surroundings would answer for the servers of the tests."""
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer(CONTENT).running() as running:
        yield running


@pytest.fixture
def closed_address() -> str:
    """An address of this machine where nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"
