"""The files of a prompt study: for phrases of the data the prompts to ask instead.

A file that is a mapping holds groups: the name of each is a phrase of the data, below it the list of its prompts, or
``prompts`` with ``contains``, texts by which the phrases of the data are known that the group holds. A file that is a
list holds prompts to ask of every group.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gdinousam.errors import InputError
from gdinousam.identity import phrase_identity
from gdinousam.phrase_book import PhraseBook
from gdinousam.prompts import caption_form
from gdinousam.yaml_files import read_yaml

_LONGEST_NAME = 80  # characters of a folder name; file systems allow 255 bytes
_CONTAINS, _PROMPTS = "contains", "prompts"


@dataclass(frozen=True)
class PromptGroup:
    """Phrases of the data that are asked for in the same words.

    name: what tables and folders call it. prompts: its own, in order; none: it is left out of the study. contains: it
    holds the phrases in which one of these texts stands, whatever their letter case; empty: the phrase that is its
    name. common: prompts that are asked of every group.
    """

    name: str
    prompts: tuple[str, ...]
    contains: tuple[str, ...] = ()
    common: tuple[str, ...] = ()

    def holds(self, phrase: str) -> bool:
        """Whether a phrase of the data is asked for in the words of this group."""
        if not self.contains:
            return phrase_identity(phrase) == phrase_identity(self.name)
        form = caption_form(phrase)
        return any(caption_form(text) in form for text in self.contains)

    @property
    def wordings(self) -> tuple[Wording, ...]:
        """Everything that is asked of the group, its own prompts first; empty where it is left out."""
        own = tuple(Wording(self.name, prompt) for prompt in self.prompts)
        return own + tuple(Wording(self.name, prompt, is_common=True) for prompt in self.common if own)


@dataclass(frozen=True)
class Wording:
    """One way to ask. phrase: the name of a group. prompt: what the detector reads. is_common: asked of every group."""

    phrase: str
    prompt: str
    is_common: bool = False

    @property
    def folder(self) -> Path:
        """Where its results lie below those of the study: a folder per group, in it one per prompt."""
        return Path(_file_name(self.phrase)) / _file_name(self.prompt)


def read_prompts(paths: Sequence[Path]) -> tuple[PromptGroup, ...]:
    """Read the YAML files of a study, at least one.

    Returns the groups in the order of the files. Raises InputError where a file is neither groups nor a list, a prompt
    cannot be asked, two prompts of a group read alike to the detector, two groups have one name, two groups or prompts
    would share a folder, or nothing is left to ask.
    """
    groups: dict[str, PromptGroup] = {}
    common: list[str] = []
    for path in paths:
        tree = _read_yaml(path)
        if isinstance(tree, list):
            common += _prompts_of(path, "the list", tree)
            continue
        for name, content in tree.items():
            group = _group_of(path, _text(path, name), content)
            if group.name in groups:
                raise InputError(f"{path}: {group.name!r} stands in another file too; put its prompts into one of them")
            groups[group.name] = group
    where = ", ".join(map(str, paths))
    return _checked(where, tuple(replace(group, common=tuple(common)) for group in groups.values()))


def held_out_wordings(book: PhraseBook, phrases: Sequence[str], where: str) -> tuple[PromptGroup, ...]:
    """A group for each phrase of the data: its own words first, then those of a phrase book that no training is shown.

    where: the book, for messages. Raises InputError as ``read_prompts`` does.
    """
    return _checked(where, tuple(PromptGroup(phrase, (phrase, *book.held_out_wordings(phrase))) for phrase in phrases))


def _checked(where: str, groups: tuple[PromptGroup, ...]) -> tuple[PromptGroup, ...]:
    for group in groups:
        _refuse_alike(where, group.name, [*group.prompts, *group.common])
    _refuse_one_folder(where, [wording for group in groups for wording in group.wordings])
    return groups


def phrases_of_groups(
    groups: Sequence[PromptGroup], phrases: Collection[str], paths: Sequence[Path]
) -> dict[str, tuple[str, ...]]:
    """The phrases of the data that each group holds, by its name; empty for a group that the data knows nothing of.

    phrases: the distinct ones of the data. paths: the files, for messages. Raises InputError for a phrase that no group
    holds, which would be missing from the table without a word, or that two hold, and where nothing is left to ask.
    """
    where = ", ".join(map(str, paths))
    held = {group.name: tuple(phrase for phrase in phrases if group.holds(phrase)) for group in groups}
    missing = sorted(phrase for phrase in phrases if not any(phrase in of_group for of_group in held.values()))
    if missing:
        raise InputError(
            f"{where}: has no prompts for these phrases of the data: {', '.join(missing)}; write them as label_name "
            "does, with [] to leave one out, or name in data.datasets what to ask about"
        )
    for phrase in phrases:
        twice = [name for name, of_group in held.items() if phrase in of_group]
        if len(twice) > 1:
            raise InputError(f"{where}: {phrase!r} belongs to {' and to '.join(map(repr, twice))}; make one narrower")
    if not any(group.wordings and held[group.name] for group in groups):
        raise InputError(f"{where}: no prompt to ask about {', '.join(phrases) or 'no phrase'}; write at least one")
    return held


def _group_of(path: Path, name: str, content: object) -> PromptGroup:
    if not isinstance(content, dict):
        return PromptGroup(name, _prompts_of(path, name, content))
    if content.keys() != {_CONTAINS, _PROMPTS}:
        raise InputError(
            f"{path}: {name}: holds {', '.join(map(str, content)) or 'nothing'}; write {_CONTAINS} and {_PROMPTS} "
            "below it, or a list of prompts"
        )
    contains = content[_CONTAINS] if isinstance(content[_CONTAINS], list) else [content[_CONTAINS]]
    if not contains:
        raise InputError(f"{path}: {name}: {_CONTAINS} is empty; write a text that stands in its phrases")
    return PromptGroup(name, _prompts_of(path, name, content[_PROMPTS]), tuple(_text(path, text) for text in contains))


def _read_yaml(path: Path) -> dict[object, object] | list[object]:
    tree = read_yaml(path, missing=f"{path}: no such file; give a YAML of phrases and prompts")
    if not isinstance(tree, dict | list):
        raise InputError(
            f"{path} must hold phrases of the data, each with a list of prompts below it, or a list of prompts to ask "
            "of all"
        )
    return tree


def _prompts_of(path: Path, name: str, listed: object) -> tuple[str, ...]:
    if not isinstance(listed, list):
        raise InputError(f"{path}: {name}: {listed!r} is not a list; write one prompt per line, each after '- '")
    return tuple(_text(path, prompt) for prompt in listed)


def _refuse_alike(where: str, name: str, prompts: Sequence[str]) -> None:
    forms = [caption_form(prompt) for prompt in prompts]
    twice = next((prompt for prompt, form in zip(prompts, forms, strict=True) if forms.count(form) > 1), None)
    if twice is not None:
        raise InputError(f"{where}: {name}: {twice!r} stands there twice; the detector reads no capitals or full stops")


def _refuse_one_folder(where: str, wordings: Sequence[Wording]) -> None:
    if not wordings:
        raise InputError(f"{where}: no prompt in it; write at least one below a phrase of the data")
    by_folder: dict[Path, Wording] = {}
    for wording in wordings:
        other = by_folder.setdefault(wording.folder, wording)
        if other is not wording:
            raise InputError(
                f"{where}: {other.prompt!r} of {other.phrase!r} and {wording.prompt!r} of {wording.phrase!r} would "
                f"both be written to {wording.folder}; reword one"
            )


def _text(path: Path, value: object) -> str:
    """A phrase or prompt as text that can be asked for; YAML takes words such as ``true`` for other things."""
    if not isinstance(value, str):
        raise InputError(f"{path}: {value!r} is not text; put it in quotes")
    try:
        caption_form(value)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return value


def _file_name(text: str) -> str:
    """Letters and digits of every script are kept."""
    return re.sub(r"\W+", "_", caption_form(text))[:_LONGEST_NAME].strip("_")
