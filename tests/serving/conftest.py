"""The bundled model, a picture and a server that all tests of the server share."""

from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from served import served

from gdinousam import Segmenter
from gdinousam.data.sources.phantoms import make_phantom
from gdinousam.records import Image
from gdinousam.serving.app import create_app
from gdinousam.serving.settings import ServeSettings


@pytest.fixture(scope="session")
def segmenter() -> Segmenter:
    return Segmenter.load("small", device="cpu")


@pytest.fixture(scope="session")
def image() -> Image:
    return make_phantom(np.random.default_rng(0), family="thyroid").image


@pytest.fixture(scope="session")
def address(segmenter: Segmenter) -> Iterator[str]:
    """Of a server with the default settings, and the same model under two names."""
    with served(create_app({"small": segmenter, "other": segmenter}, ServeSettings())) as address:
        yield address


@pytest.fixture
def http(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=60) as client:
        yield client
