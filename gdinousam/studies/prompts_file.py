"""The file of a prompt study: for each phrase of the data the prompts to ask instead."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from gdinousam.errors import InputError
from gdinousam.identity import same_name
from gdinousam.prompts import caption_form
from gdinousam.yaml_files import read_yaml

_LONGEST_NAME = 80  # characters of a folder name; file systems allow 255 bytes


@dataclass(frozen=True)
class Wording:
    """One way to ask for a phrase. phrase: as in the data. prompt: what the detector reads instead."""

    phrase: str
    prompt: str

    @property
    def folder(self) -> Path:
        """Where its results lie below those of the study: a folder per phrase, in it one per prompt."""
        return Path(_file_name(self.phrase)) / _file_name(self.prompt)


def read_prompts(path: Path) -> dict[str, tuple[str, ...]]:
    """Read a YAML file of phrases with their prompts.

    Returns phrase -> prompts in the order of the file; no prompts where the list is empty, which leaves the phrase out.
    Raises InputError where the file is no such mapping, a prompt cannot be asked, two prompts of a phrase read alike
    to the detector, two phrases or prompts would share a folder, or nothing is left to ask.
    """
    tree = _read_yaml(path)
    prompts = {_text(path, phrase): _prompts_of(path, phrase, listed) for phrase, listed in tree.items()}
    asked = list(wordings(prompts))
    if not asked:
        raise InputError(f"{path}: no prompt in it; write at least one below a phrase of the data")
    by_folder: dict[Path, Wording] = {}
    for wording in asked:
        other = by_folder.setdefault(wording.folder, wording)
        if other is not wording:
            raise InputError(
                f"{path}: {other.prompt!r} of {other.phrase!r} and {wording.prompt!r} of {wording.phrase!r} would "
                f"both be written to {wording.folder}; reword one"
            )
    return prompts


def wordings(prompts: dict[str, tuple[str, ...]]) -> Iterator[Wording]:
    """Every prompt with its phrase, in the order of the file."""
    return (Wording(phrase, prompt) for phrase, listed in prompts.items() for prompt in listed)


def of_data(prompts: dict[str, tuple[str, ...]], phrases: Collection[str], path: Path) -> dict[str, tuple[str, ...]]:
    """The prompts by the phrases as the data spells them; InputError unless file and data name the same phrases.

    phrases: those of the data. path: the file, for the message, which lists what only one side names. A phrase that
    the file forgets would otherwise be missing from the table without a word.
    """
    in_data = {phrase: same_name(phrase, phrases, of_phrases=True) for phrase in prompts}
    only_data = sorted(set(phrases) - set(in_data.values()))
    only_file = sorted(phrase for phrase, found in in_data.items() if found is None)
    if only_data or only_file:
        raise InputError(
            f"{path}: its phrases are not those of the data; only in the data: {', '.join(only_data) or 'none'}; only "
            f"in the file: {', '.join(only_file) or 'none'}; write phrases as label_name does, with [] to leave one out"
        )
    return {in_data[phrase] or phrase: listed for phrase, listed in prompts.items()}


def _read_yaml(path: Path) -> dict[object, object]:
    tree = read_yaml(path, missing=f"{path}: no such file; give a YAML of phrases and prompts")
    if not isinstance(tree, dict):
        raise InputError(f"{path} must hold phrases of the data, each with a list of prompts below it")
    return tree


def _prompts_of(path: Path, phrase: object, listed: object) -> tuple[str, ...]:
    if not isinstance(listed, list):
        raise InputError(f"{path}: {phrase}: {listed!r} is no list; write one prompt per line, each after '- '")
    prompts = tuple(_text(path, prompt) for prompt in listed)
    forms = [caption_form(prompt) for prompt in prompts]
    twice = next((prompt for prompt, form in zip(prompts, forms, strict=True) if forms.count(form) > 1), None)
    if twice is not None:
        raise InputError(
            f"{path}: {phrase}: {twice!r} stands there twice; the detector reads no capitals or full stops"
        )
    return prompts


def _text(path: Path, value: object) -> str:
    """A phrase or prompt as text that can be asked for; YAML takes words such as ``true`` for other things."""
    if not isinstance(value, str):
        raise InputError(f"{path}: {value!r} is no text; put it in quotes")
    try:
        caption_form(value)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return value


def _file_name(text: str) -> str:
    """Letters and digits of every script are kept."""
    return re.sub(r"\W+", "_", caption_form(text))[:_LONGEST_NAME].strip("_")
