"""An export of which any part is missing or something else is imported or refused in words, never with a traceback."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from annotation_files import imported
from test_import_label_studio import BOX as PERCENT_BOX
from test_import_label_studio import SQUARE as PERCENT_SQUARE
from test_import_label_studio import annotation, exported, result, task
from test_import_labelme import SQUARE, labelme, shape
from test_import_via import SQUARE as VIA_SQUARE
from test_import_via import entry, project, region

from gdinousam.errors import InputError


def write_labelme(folder: Path) -> Path:
    return labelme(folder, [shape("polygon", SQUARE), shape("circle", [[10.0, 22.0], [14.0, 22.0]])])


def write_via(folder: Path) -> Path:
    return project(folder, entry("a.png", region(VIA_SQUARE)))


def write_label_studio(folder: Path) -> Path:
    drawn = [result("polygon", PERCENT_SQUARE), result("rectangle", PERCENT_BOX)]
    return exported(folder, task(1, "a.png", annotation(*drawn)))


def damaged(content: Any) -> Iterator[Any]:
    """Copies in which one part is left out, or is a number, a text, nothing or a list."""
    for path in paths_of(content):
        for new in (None, -7, "x", [], {}):
            changed = copy.deepcopy(content)
            place = changed
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = new
            yield changed
        del place[path[-1]]
        yield changed


def paths_of(content: Any) -> Iterator[tuple[Any, ...]]:
    keys: Any = (
        content.keys() if isinstance(content, dict) else range(len(content)) if isinstance(content, list) else ()
    )
    for key in keys:
        yield (key,)
        yield from ((key, *rest) for rest in paths_of(content[key]))


@pytest.mark.parametrize(
    "step",
    [pytest.param(17, id="some"), pytest.param(1, id="all", marks=[pytest.mark.slow, pytest.mark.exhaustive])],
)
@pytest.mark.parametrize("write", [write_labelme, write_via, write_label_studio])
def test_a_damaged_export_is_imported_or_refused_in_words(
    write: Callable[[Path], Path], step: int, tmp_path: Path
) -> None:
    path = write(tmp_path / "s")
    name = write.__name__.removeprefix("write_").replace("_", "")
    refused = 0
    for number, content in enumerate(islice(damaged(json.loads(path.read_text())), 0, None, step)):
        path.write_text(json.dumps(content))
        try:
            imported(path, tmp_path / str(number), name, absent=("cyst",))
        except InputError as error:
            refused += 1
            assert str(error).strip(), content
    assert refused
