"""The bundled model, a picture and a server that all tests of the server share."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import PIL.Image
import pytest
from browser import chromium, opened_page
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


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three phantoms of a thyroid, in a folder with a text file."""
    folder = tmp_path_factory.mktemp("pictures")
    paths = [folder / f"neck{number}.png" for number in (1, 2, 10)]
    for path, seed in zip(paths, (1, 3, 5), strict=True):
        PIL.Image.fromarray(make_phantom(np.random.default_rng(seed), family="thyroid").image).save(path)
    (folder / "notes.txt").write_text("no picture")
    return paths


@pytest.fixture(scope="module")
def corrections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corrections")


@pytest.fixture(scope="module")
def site(segmenter: Segmenter, corrections: Path) -> Iterator[str]:
    """A server of the same model under two names, which takes corrections."""
    settings = ServeSettings(corrections=corrections)
    with served(create_app({"small": segmenter, "other": segmenter}, settings)) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def shared_page(browser: Any, site: str) -> Iterator[Any]:
    with opened_page(browser, site) as page:
        yield page


@pytest.fixture
def page(shared_page: Any, site: str) -> Any:
    """The page as it is when it is opened."""
    shared_page.goto(site)
    shared_page.wait_for_selector("body[data-ready]")
    return shared_page
