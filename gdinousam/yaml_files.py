"""The one reader of YAML: words stay words, and what two readers would read differently is not guessed.

YAML 1.1, which PyYAML reads, takes ``no`` and ``off`` for false, ``012`` for ten, ``1:30`` for ninety, ``2025-02-30``
for a date that does not exist, and keeps the last of two equal keys without a word. Here only ``true`` and ``false``
are truth values (settings that are switches take yes, no, on and off as texts), only plain decimal numbers are numbers,
and equal keys are an error.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from gdinousam.errors import InputError
from gdinousam.reading import reason_of

_PREFIX = "tag:yaml.org,2002:"
_KEPT = ("null", "merge")  # of the implicit tags of YAML 1.1
_MOST_VALUES = 100_000  # the largest file of ours, prompts for a study, holds a few hundred
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(
    r"[-+]?((0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+|(0|[1-9][0-9]*)(?=[eE]))([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the rules above."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (PyYAML's own, as a class attribute)
        first: [(tag, pattern) for tag, pattern in resolvers if tag.removeprefix(_PREFIX) in _KEPT]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        lines: dict[object, int] = {}
        for key_node, _ in node.value:
            if key_node.tag == f"{_PREFIX}merge":
                continue
            key = self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if not isinstance(key, Hashable):
                continue  # refused below
            if key in lines:
                raise yaml.YAMLError(f"{key!r} stands there twice, in lines {lines[key]} and {line}; keep one")
            lines[key] = line
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(f"{_PREFIX}bool", re.compile(rf"({_BOOL.pattern})\Z"), list("tTfF"))
_Loader.add_implicit_resolver(f"{_PREFIX}int", re.compile(rf"({_INT.pattern})\Z"), list("-+0123456789"))
_Loader.add_implicit_resolver(f"{_PREFIX}float", re.compile(rf"({_FLOAT.pattern})\Z"), list("-+0123456789."))


def parse_yaml(text: str, source: str) -> Any:
    """The content of a YAML text: mappings, lists, texts, numbers, truth values, ``None``.

    source: where it comes from, for messages. Raises ``InputError`` naming it, and where there is one the line, for a
    text that is not YAML, for a tag that does not fit its value, for a key that stands twice, and for aliases that
    contain themselves or multiply beyond ``_MOST_VALUES``.
    """
    try:
        content = yaml.load(text, _Loader)
    except Exception as error:  # PyYAML takes any text for a value of the type that a tag names, and fails in any way
        reason = reason_of(error).replace(' in "<unicode string>",', ",")
        raise InputError(f"{source} is not readable as YAML: {reason}") from error
    _require_bounded(content, source)
    return content


def _require_bounded(content: object, source: str) -> None:
    """Whoever walks a tree in which an alias contains itself walks for ever, and aliases of aliases multiply."""
    num_values, waiting = 0, [content]
    while waiting:
        value = waiting.pop()
        num_values += 1
        if num_values > _MOST_VALUES:
            raise InputError(
                f"{source} is not readable as YAML: an alias contains itself, or there are more than {_MOST_VALUES:,} "
                "values; write the values out"
            )
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list | tuple | set):
            waiting += value


def read_yaml(path: Path, missing: str) -> Any:
    """The content of a YAML file; see ``parse_yaml``.

    missing: the message where there is no such file. Raises ``InputError`` too for what is not UTF-8 text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(missing) from None
    except (UnicodeDecodeError, OSError) as error:
        raise InputError(f"{path} is not readable as YAML: {reason_of(error)}") from error
    return parse_yaml(text, str(path))
