"""Category names of a COCO file to phrases: the name itself, unless a mapping says better."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path

from gdinousam.errors import InputError
from gdinousam.identity import has_no_text, spellings
from gdinousam.yaml_files import read_yaml


def read_phrase_mapping(path: str | Path) -> dict[str, str]:
    """Read a YAML file of lines ``category name: phrase``.

    Raises ``InputError`` for a file that is missing, no YAML, or anything but a mapping of texts to texts.
    """
    content = read_yaml(Path(path), missing=f"{path}: no such file; give a YAML file of lines NAME: PHRASE")
    if not isinstance(content, dict) or not content:
        raise InputError(f"{path}: holds no mapping; write lines NAME: PHRASE, one for each category to rename")
    for name, phrase in content.items():
        if not isinstance(name, str) or not isinstance(phrase, str) or has_no_text(name + phrase):
            raise InputError(f"{path}: {name!r}: {phrase!r} are not two texts; put both in quotes")
    return content


def phrase_of_categories(categories: Sequence[str], mapping: Mapping[str, str]) -> dict[str, str]:
    """The phrase of every category.

    mapping: of the names that are no phrases; may be empty; two names may get the same phrase, and those that read
    alike get one spelling. Raises ``InputError``
    for a name that is no category, and for a phrase without a letter or digit.
    """
    for name in mapping:
        if name not in categories:
            nearest = difflib.get_close_matches(name, categories, n=1)
            hint = f"did you mean {nearest[0]!r}" if nearest else f"they are {', '.join(map(repr, categories))}"
            raise InputError(f"phrases: {name!r} is no category of the file; {hint}")
    phrase_of = {name: mapping.get(name, name) for name in categories}
    spelling_of = spellings(phrase_of.values(), of_phrases=True)
    phrase_of = {name: spelling_of[phrase] for name, phrase in phrase_of.items()}
    for name, phrase in phrase_of.items():
        if not any(character.isalnum() for character in phrase):
            raise InputError(f"phrases: category {name!r} has the phrase {phrase!r}; map it to one with letters")
    return phrase_of
