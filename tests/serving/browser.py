"""A page of ours in headless Chromium; tests that need it are skipped where Chromium or playwright is missing."""

from __future__ import annotations

import base64
import io
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from gdinousam.records import Image

PHRASE = "thyroid nodule"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WIDE, NARROW = (1280, 860), (390, 844)
_PATIENCE_MS = 30_000


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser of playwright; one at a time."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as run:
        browser = run.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened_page(browser: Any, address: str, tokens: Sequence[str] = ()) -> Iterator[Any]:
    """Open the page of a server, ready to use; an error in its scripts or a request to elsewhere fails the test.

    tokens: that are given one after the other where the server asks for one.
    """
    wrong: list[str] = []
    page = browser.new_page(viewport={"width": WIDE[0], "height": WIDE[1]}, accept_downloads=True)
    page.set_default_timeout(_PATIENCE_MS)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: _require_ours(request.url, address, wrong))
    page.on("dialog", lambda dialog: dialog.accept())  # corrections that are not saved, left behind
    try:
        page.goto(address)
        for place, token in enumerate(tokens):
            page.wait_for_selector(f"text={'does not know this token' if place else 'asks for a token'}")
            page.fill("#token", token)
            page.press("#token", "Enter")
        page.wait_for_selector("body[data-ready]")
        yield page
    finally:
        page.close()
    assert wrong == []


def _require_ours(url: str, address: str, wrong: list[str]) -> None:
    if not url.startswith((address, "blob:", "data:")):
        wrong.append(f"asked {url}")


def open_pictures(page: Any, *paths: Path) -> None:
    """Choose files as somebody does in the dialog, and wait until the first is shown."""
    page.set_input_files("#file-input", [str(path) for path in paths])
    page.wait_for_selector("#canvas")
    wait(page)


def drop(page: Any, path: Path) -> None:
    """Drop a file on the page."""
    content = base64.b64encode(path.read_bytes()).decode()
    page.evaluate(
        """([name, content]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([Uint8Array.from(atob(content), (one) => one.charCodeAt(0))], name));
            document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: transfer, bubbles: true}));
        }""",
        [path.name, content],
    )
    page.wait_for_selector("#canvas")
    wait(page)


def ask(page: Any, phrase: str) -> None:
    """Add a phrase and wait for the answer."""
    page.fill("#phrase", phrase)
    page.press("#phrase", "Enter")
    wait(page)


def wait(page: Any) -> None:
    """Wait until nothing is being asked."""
    page.wait_for_timeout(50)
    page.wait_for_selector("#busy", state="hidden")


def point(page: Any, x: float, y: float) -> tuple[float, float]:
    """Where a point of the picture, in its pixels, is on the screen, while all of the picture is shown."""
    box = page.locator("#canvas").bounding_box()
    width, height = (int(page.get_attribute("#canvas", f"data-{side}")) for side in ("width", "height"))
    scale = min((box["width"] - 24) / width, (box["height"] - 24) / height)
    left, top = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    return left + (x - width / 2) * scale, top + (y - height / 2) * scale


def click(page: Any, x: float, y: float) -> None:
    """Click on a point of the picture."""
    page.mouse.click(*point(page, x, y))
    wait(page)


def drag(page: Any, box_xyxy: tuple[float, float, float, float]) -> None:
    """Draw a box on the picture."""
    page.mouse.move(*point(page, *box_xyxy[:2]))
    page.mouse.down()
    page.mouse.move(*point(page, *box_xyxy[2:]), steps=5)
    page.mouse.up()
    wait(page)


def objects(page: Any) -> list[list[str]]:
    """The list of objects: number, phrase, score and size of each."""
    return [text.split("\n") for text in page.locator("#objects button").all_inner_texts()]


def shown_pixels(page: Any) -> Image:
    """(H, W, 3) uint8 RGB: the canvas as it is on the screen."""
    return np.asarray(PIL.Image.open(io.BytesIO(page.locator("#canvas").screenshot())).convert("RGB"))


def downloaded(page: Any, form: str) -> bytes:
    with page.expect_download() as caught:
        page.click(f"[data-form={form}]")
    return Path(caught.value.path()).read_bytes()


def coco(page: Any) -> Any:
    return json.loads(downloaded(page, "coco"))
