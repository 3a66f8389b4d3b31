"""The one reader of JSON files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gdinousam.errors import InputError
from gdinousam.reading import reading


def read_json(path: Path, remedy: str = "restore the file", missing: str | None = None) -> Any:
    """The content of a JSON file, in UTF-8, UTF-16 or UTF-32.

    remedy: for a file that is damaged. missing: what to do where there is none, if something else. Raises
    ``InputError`` naming the file for one that is missing or no JSON.
    """
    with reading(path, "JSON", remedy, f"no such file; {missing or remedy}"):
        return json.loads(path.read_bytes())


def read_json_object(path: Path, remedy: str = "restore the file", missing: str | None = None) -> dict[str, Any]:
    """The object that a JSON file holds; ``InputError`` as for ``read_json``, and where it holds anything else."""
    content = read_json(path, remedy, missing)
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds no JSON object; {remedy}")
    return content
