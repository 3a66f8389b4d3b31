"""XML files of annotation tools. Python's parser (expat 2.4 and later) stops at entities that multiply."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element, parse

from gdinousam.reading import reading


def read_xml(path: Path) -> Element:
    """The root element; ``InputError`` naming the file for one that is missing or no XML."""
    with reading(path, "XML", "export it again"):
        return parse(path).getroot()


def text_of(element: Element, path: str) -> str | None:
    """The text of a child, without the spaces round it; ``None`` where it is missing or empty."""
    return (element.findtext(path) or "").strip() or None


def number_of(element: Element, path: str) -> float:
    """The number in a child; ``ValueError`` where there is none."""
    text = text_of(element, path)
    try:
        return float(text or "")
    except ValueError:
        raise ValueError(f"{path} is {text!r}, expected a number") from None
