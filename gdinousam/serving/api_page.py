"""``/docs``: the API on one page, made of its OpenAPI description; FastAPI's own loads its scripts from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

Description = Mapping[str, Any]  # an OpenAPI description, or a part of it
_TEMPLATE = Path(__file__).with_name("api_page.html.j2")


@dataclass(frozen=True)
class Field:
    """One value that a route takes. kind: such as ``number`` or ``list of text``. place: path or form."""

    name: str
    kind: str
    place: str
    is_required: bool
    about: str


@dataclass(frozen=True)
class Operation:
    """One route. statuses: what it may answer with, each with a word."""

    method: str
    path: str
    about: str
    fields: tuple[Field, ...]
    statuses: tuple[tuple[str, str], ...]


def api_text(openapi: Description) -> str:
    """The page as HTML. openapi: of ``FastAPI.openapi``."""
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(info=openapi["info"], operations=list(operations(openapi)))


def operations(openapi: Description) -> Iterator[Operation]:
    """All routes of a description, in its order."""
    for path, methods in openapi["paths"].items():
        for method, route in methods.items():
            fields = [*_parameters(route), *_form(route, openapi)]
            statuses = [(status, one["description"]) for status, one in sorted(route["responses"].items())]
            about = route.get("description") or route.get("summary", "")
            yield Operation(method.upper(), path, about, tuple(fields), tuple(statuses))


def _parameters(route: Description) -> Iterator[Field]:
    for one in route.get("parameters", ()):
        yield Field(one["name"], _kind(one["schema"]), one["in"], one["required"], one.get("description", ""))


def _form(route: Description, openapi: Description) -> Iterator[Field]:
    for content in route.get("requestBody", {}).get("content", {}).values():
        schema = content["schema"]
        if "$ref" in schema:
            schema = openapi["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        for name, one in schema["properties"].items():
            yield Field(name, _kind(one), "form", name in schema.get("required", ()), one.get("description", ""))


def _kind(schema: Description) -> str:
    """What is to be sent, in a word or two."""
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"] if one.get("type") != "null")
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"one or more: {_kind(schema['items'])}"
    if "contentMediaType" in schema or schema.get("format") == "binary":
        return "file"
    limits = [f"{sign} {schema[name]:g}" for name, sign in (("minimum", "≥"), ("maximum", "≤")) if name in schema]
    kind = str(schema.get("type", "JSON"))
    return " ".join(["text" if kind == "string" else kind, *limits])
