"""Pictures of the page in all its states, at the width of a desk and of a phone.

``python scripts/page_screenshots.py OUT`` shows phantoms; ``--pictures`` and ``--phrases`` name others. Needs Chromium
and the Python package playwright.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import uvicorn

from gdinousam import Segmenter
from gdinousam.data.sources.phantoms import make_phantom
from gdinousam.serving.app import create_app
from gdinousam.serving.settings import ServeSettings

SIZES = {"1280": (1280, 860), "390": (390, 844)}
PHANTOMS = (("kidney", 2), ("kidney", 7), ("thyroid", 5))
PHRASES = ("kidney cortex", "kidney central echo complex")
_QUALITY = 88  # of JPEG


def main() -> int:
    """Parse arguments and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for the pictures")
    parser.add_argument("--pictures", type=Path, nargs="+", help="pictures to show in place of phantoms")
    parser.add_argument("--phrases", nargs="+", default=list(PHRASES), help="what to look for in them")
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        parser.error("Chromium is not installed; on Debian: apt-get install chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        parser.error("playwright is not installed; run pip install playwright")
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, _served(Path(folder, "corrections")) as address:
        pictures = options.pictures or _phantoms(Path(folder))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            for name, (width, height) in SIZES.items():
                for scheme in ("light", "dark"):
                    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
                    _take(page, address, pictures, options.phrases, options.out, f"{name}_{scheme}")
                    page.close()
            browser.close()
    return 0


def _phantoms(folder: Path) -> list[Path]:
    paths = []
    for family, seed in PHANTOMS:
        paths.append(folder / f"phantom_{family}_{seed}.png")
        PIL.Image.fromarray(make_phantom(np.random.default_rng(seed), family=family).image).save(paths[-1])
    return paths


@contextmanager
def _served(corrections: Path) -> Iterator[str]:
    """A server of the bundled model under two names; yields its address."""
    small = Segmenter.load("small", device="cpu")
    app = create_app({"small": small, "small-again": small}, ServeSettings(corrections=corrections))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def _take(page: Any, address: str, pictures: Sequence[Path], phrases: Sequence[str], out: Path, name: str) -> None:
    """All states one after the other, as ``<state>_<name>.jpg``."""

    def picture(state: str, whole: bool = False) -> None:
        page.screenshot(path=out / f"{state}_{name}.jpg", type="jpeg", quality=_QUALITY, full_page=whole)
        print(out / f"{state}_{name}.jpg", flush=True)

    page.goto(address)
    page.wait_for_selector("body[data-ready]")
    picture("empty")
    page.focus("#phrase")
    picture("suggestions", whole=True)
    page.set_input_files("#file-input", [str(path) for path in pictures])
    _wait(page)
    for phrase in phrases:
        page.fill("#phrase", phrase)
        page.press("#phrase", "Enter")
        _wait(page)
    page.press("#phrase", "Escape")
    page.click("#objects button")
    picture("docs")
    picture("found", whole=True)
    _correct(page)
    picture("corrected", whole=True)
    page.click("#compare")
    _wait(page)
    picture("compared", whole=True)
    page.click("#compare")
    page.click("#save")
    page.wait_for_selector("text=Saved.")
    picture("saved", whole=True)
    page.route("**/v1/segment", lambda route: route.abort())
    page.fill("#phrase", "something new")
    page.press("#phrase", "Enter")
    page.wait_for_selector("#message")
    picture("error")
    page.click("#open-help")
    picture("help")


def _correct(page: Any) -> None:
    """A click beside the first object and a box round a new one."""
    page.click("[data-tool=beside]")
    box = page.locator("#canvas").bounding_box()
    left, top, width, height = (box[side] for side in ("x", "y", "width", "height"))
    page.mouse.click(left + 0.4 * width, top + 0.5 * height)
    _wait(page)
    page.click("[data-tool=new]")
    page.mouse.move(left + 0.5 * width, top + 0.1 * height)
    page.mouse.down()
    page.mouse.move(left + 0.7 * width, top + 0.25 * height, steps=4)
    page.mouse.up()
    _wait(page)
    page.click("[data-tool=select]")


def _wait(page: Any) -> None:
    page.wait_for_timeout(50)
    page.wait_for_selector("#busy", state="hidden")


if __name__ == "__main__":
    sys.exit(main())
