"""The files of the page: one palette with the pictures of Python, enough contrast, nothing from elsewhere, short."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from gdinousam.drawing import PALETTE
from gdinousam.serving.app import PAGE

TEXT, GRAPHIC = 4.5, 3.0  # least contrast of WCAG AA, of text and of the parts of controls
PAIRS = {
    ("ink", "ground"): TEXT,
    ("ink", "surface"): TEXT,
    ("ink", "tint"): TEXT,
    ("soft", "surface"): TEXT,
    ("soft", "tint"): TEXT,
    ("soft", "ground"): TEXT,
    ("accent", "surface"): TEXT,
    ("on-accent", "accent"): TEXT,
    ("warn", "warn-ground"): TEXT,
    ("on-stage", "stage"): TEXT,
    ("edge", "surface"): GRAPHIC,
    ("focus", "ground"): GRAPHIC,
    ("focus", "surface"): GRAPHIC,
}
FILES = sorted(PAGE.iterdir())


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(colour: str, other: str) -> float:
    light, dark = sorted((luminance(colour), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_contrast(scheme: int) -> None:
    blocks = re.findall(r":root \{(.*?)\}", (PAGE / "style.css").read_text(), re.DOTALL)
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", blocks[scheme]))
    low = {pair: contrast(colours[pair[0]], colours[pair[1]]) for pair in PAIRS}
    assert {pair: found for pair, found in low.items() if found < PAIRS[pair]} == {}


def test_phrases_have_the_colours_of_overlays() -> None:
    found = re.search(r"PALETTE = \[(.*?)\]", (PAGE / "palette.js").read_text())
    assert found is not None
    assert re.findall(r'"(#[0-9a-f]{6})"', found[1]) == [
        f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in PALETTE
    ]


def test_numbers_can_be_read_on_every_colour() -> None:
    for red, green, blue in PALETTE:
        assert contrast("#000000", f"#{red:02x}{green:02x}{blue:02x}") >= TEXT


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix != ".png"], ids=lambda path: path.name)
def test_a_file_is_short_and_asks_nobody_else(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert "://" not in text and 'src="//' not in text
    assert len(text.splitlines()) <= 400


def test_every_element_that_a_script_asks_for_is_there() -> None:
    ids = set(re.findall(r'\bid="([\w-]+)"', (PAGE / "index.html").read_text()))
    for path in FILES:
        if path.suffix == ".js":
            assert set(re.findall(r'byId\("([\w-]+)"\)', path.read_text())) <= ids, path.name


def test_browsers_ask_for_every_file_again_after_an_update(http: httpx.Client) -> None:
    first = http.get("/static/main.js")
    assert first.headers["Cache-Control"] == "no-cache"
    again = http.get("/static/main.js", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.headers["Cache-Control"], again.content) == (304, "no-cache", b"")
