"""nnU-Net's ``dataset.json``: what the values of its label maps are called."""

from __future__ import annotations

from pathlib import Path

from gdinousam.errors import InputError
from gdinousam.reading import read_json_object

LABELS_FILE = "dataset.json"
BACKGROUND, IGNORE = "background", "ignore"


def named_values(path: Path) -> tuple[dict[str, tuple[int, ...]], frozenset[int]]:
    """The values of each label, and those of pixels that nobody has labelled (``ignore``).

    The second version of the format writes ``"cyst": 1``, or several values for a region; the first ``"1": "cyst"``.
    Raises ``InputError`` naming the file where it holds neither.
    """
    labels = read_json_object(path).get("labels")
    if not isinstance(labels, dict) or not labels:
        raise InputError(f"{path}: has no labels; write the phrase of each value into a file for --phrases")
    if all(str(key).isdecimal() for key in labels):
        labels = {name: int(key) for key, name in labels.items()}
    values_of: dict[str, tuple[int, ...]] = {}
    for name, value in labels.items():
        values = value if isinstance(value, list) else [value]
        if not isinstance(name, str) or not values or not all(type(one) is int and one >= 0 for one in values):
            raise InputError(f"{path}: label {name!r} has the value {value!r}, expected a whole number")
        values_of[name] = tuple(values)
    ignored = frozenset(values_of.pop(IGNORE, ()))
    values_of.pop(BACKGROUND, None)
    named = {name: tuple(value for value in values if value) for name, values in values_of.items()}
    return {name: values for name, values in named.items() if values}, ignored
