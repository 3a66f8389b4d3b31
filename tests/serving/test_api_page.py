"""The page of the API: every route and field is on it, and nothing comes from elsewhere."""

import re

import httpx


def test_every_route_and_field_is_on_the_page(http: httpx.Client) -> None:
    described = http.get("/openapi.json").json()
    page = http.get("/docs")
    assert page.headers["Content-Type"].startswith("text/html")
    for path in described["paths"]:
        assert path in page.text
    for words in ("<code>phrases</code>", "one or more: text", "number ≥ 0 ≤ 1", "rle, png, none", "429", "required"):
        assert words in page.text


def test_the_page_loads_nothing_from_elsewhere(http: httpx.Client) -> None:
    assert re.findall(r'(?:src|href)="([^"]*)"', http.get("/docs").text) == ["/openapi.json"]
    assert "<script" not in http.get("/docs").text
