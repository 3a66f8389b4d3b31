"""The note of a training run on its data, and that a resumed run goes on with the data it began with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gdinousam.errors import InputError
from gdinousam.reading import read_json_object

DATA_NAME = "data.json"
EARLIER = "earlier"  # in that file: what the run was trained on before, oldest first


def noted_data(folder: Path, described: Mapping[str, Any], resume: bool, other_data: bool) -> dict[str, Any]:
    """What to note about the data of a run, with the earlier data of a resumed one.

    folder: of the run. described: the data now. other_data: go on although it differs from the noted one. Raises
    InputError where it differs and that was not asked for; runs of older versions are compared in what they noted.
    """
    path = folder / DATA_NAME
    if not resume or not path.is_file():
        return dict(described)
    before = read_json_object(path, "start again without --resume")
    earlier = before.pop(EARLIER, [])
    if not isinstance(earlier, list):
        raise InputError(f"{path}: {EARLIER} is not a list; start again without --resume")
    now = json.loads(json.dumps(described))  # tuples as lists, as the file holds them
    differing = [key for key in before if before[key] != now.get(key)]
    if not differing:
        return {**described, EARLIER: earlier} if earlier else dict(described)
    if not other_data:
        raise InputError(
            f"{folder}: the run began with other data ({', '.join(differing)} in {DATA_NAME}); undo the change, or go "
            "on with the new data by --other-data"
        )
    return {**described, EARLIER: [*earlier, before]}
