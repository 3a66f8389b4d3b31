"""The datasets that weights were trained on, from the notes beside them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from gdinousam.models.loading import note_beside
from gdinousam.models.weights.origin import TRAINING_NOTE
from gdinousam.reading import read_json_object

DATASETS = "datasets"  # in the note of a training


def trained_datasets(weights: Iterable[str | Path]) -> tuple[str, ...] | None:
    """The names of the datasets that any of the weights was trained on, sorted; ``None`` where no note lists them.

    weights: folders, hub ids or own names. Those without a list, a published base say, add nothing. Raises InputError
    for a note that cannot be read.
    """
    paths = [path for one in weights if (path := note_beside(one, TRAINING_NOTE)) is not None]
    lists = [noted for path in paths if isinstance(noted := read_json_object(path).get(DATASETS), list)]
    return tuple(sorted({str(name) for noted in lists for name in noted})) if lists else None
