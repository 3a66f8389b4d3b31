"""Values that the config.json of a model cannot have, refused before the model is built.

transformers takes whatever stands there. A layer too many is noticed when the weights are put in, but a billion of them
are built first; and a text in place of a number fails in the middle of the first image, or not at all.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from transformers import PretrainedConfig

from gdinousam.errors import InputError

_REMEDY = "restore the file as it was published"
# The largest number by what its key says, the first that fits counts.
_LIMITS = (
    # of which something is built one by one; the deepest published models of these kinds have 48 blocks
    (re.compile(r"layers|blocks|depth|stages|levels|labels|outputs|points|heads|channel_list"), 1000),
    (re.compile(r"image_size|feature_sizes|embedding_size|background_size|window|stride|kernel|padding"), 10_000),
    (re.compile(""), 10**6),  # a vocabulary may have 250,000
)
_KINDS: Mapping[type, tuple[str, tuple[type, ...]]] = {
    bool: ("true or false", (bool, type(None))),
    int: ("a whole number", (int,)),
    float: ("a number", (int, float)),
    str: ("a text", (str,)),
}


def require_possible(config: Mapping[str, Any], name: str) -> None:
    """Raise InputError, naming the key, for a number beyond what a model can be made of.

    config: the content of config.json. name: of the model, for messages.
    """
    for key, value in _numbers(config, ""):
        limit = next(limit for pattern, limit in _LIMITS if pattern.search(key.rpartition(".")[2]))
        if not math.isfinite(value) or abs(value) > limit:
            raise InputError(f"{name}: config.json has {key} = {value}, beyond {limit:,}; {_REMEDY}")


def require_kinds(config: PretrainedConfig, name: str) -> None:
    """Raise InputError, naming the key, where a value is of another kind than the default of its class of config."""
    for key, value, default in _stated(config, ""):
        expected, kinds = _KINDS[type(default)]
        is_token = key.endswith("_token_id") and value is None  # of a vocabulary without such a token
        if not is_token and not (isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))):
            raise InputError(f"{name}: config.json has {key} = {value!r}, expected {expected}; {_REMEDY}")


def _numbers(value: object, key: str) -> Iterator[tuple[str, int | float]]:
    """Every number below a value with its dotted key; numbers of a list have the key of the list."""
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _numbers(one, f"{key}.{name}" if key else name)
    elif isinstance(value, list):
        yield key, len(value)
        for one in value:
            yield from _numbers(one, key)
    elif isinstance(value, int | float):
        yield key, value


def _stated(config: PretrainedConfig, prefix: str) -> Iterator[tuple[str, object, object]]:
    """Key, value and default of what a config and those in it are made with, where the default is a single value."""
    for name, parameter in inspect.signature(type(config).__init__).parameters.items():
        value = getattr(config, name, None)
        if isinstance(value, PretrainedConfig):
            yield from _stated(value, f"{prefix}{name}.")
        elif type(parameter.default) in _KINDS and hasattr(config, name):
            yield f"{prefix}{name}", value, parameter.default
