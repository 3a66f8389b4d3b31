"""Tensors of one layout under the names of another, by rules that must account for every name, and into a model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import nn

from gdinousam.errors import InputError
from gdinousam.models.checkpoints.files import Tensors

_NAMES_SHOWN = 8


@dataclass(frozen=True)
class Rule:
    """How names that match a pattern as a whole go on.

    pattern: regular expression. targets: new names, groups as ``\\1``. several: what several targets get; ``parts``:
    equal parts along axis 0 (one matrix for query, key and value), ``copies``: the whole tensor each.
    """

    pattern: str
    targets: tuple[str, ...]
    several: Literal["parts", "copies"] = "parts"


def rename(pattern: str, *targets: str) -> Rule:
    """A rule whose targets share the tensor in equal parts; one target gets it whole."""
    return Rule(pattern, targets)


def new_names(name: str, rules: Iterable[Rule]) -> tuple[str, ...]:
    """What the first rule that matches makes of a name; empty where none does."""
    for rule in rules:
        match = re.fullmatch(rule.pattern, name)
        if match:
            return tuple(match.expand(target) for target in rule.targets)
    return ()


def translate(tensors: Tensors, rules: Sequence[Rule], ignored: str, path: Path) -> Tensors:
    """Rename all tensors of a file.

    ignored: regular expression of the names that may be left out. path: the file, for messages. Raises InputError that
    lists names without a rule, and for a tensor that cannot be parted as its rule says.
    """
    renamed: Tensors = {}
    unknown = []
    for name, tensor in tensors.items():
        if re.fullmatch(ignored, name):
            continue
        rule = next((rule for rule in rules if re.fullmatch(rule.pattern, name)), None)
        if rule is None:
            unknown.append(name)
            continue
        targets = new_names(name, (rule,))
        whole = len(targets) == 1 or rule.several == "copies"
        if not whole and (not tensor.dim() or len(tensor) % len(targets) or not len(tensor)):
            raise InputError(
                f"{path} does not fit the architecture it looks like: {name} of shape {tuple(tensor.shape)} is not "
                f"{len(targets)} parts of one size"
            )
        parts = [tensor] * len(targets) if whole else tensor.chunk(len(targets))
        # copies: safetensors refuses to save tensors that share memory
        renamed |= {target: part.contiguous().clone() for target, part in zip(targets, parts, strict=True)}
    if unknown:
        raise InputError(f"{path} has {listed(unknown)} that this architecture does not know")
    return renamed


def fill(model: nn.Module, tensors: Tensors, path: Path, otherwise: str = "it is another architecture") -> None:
    """Put tensors under the model's own names into it.

    path: the file, for messages. otherwise: what a file with other tensors is. Raises InputError that lists those that
    are missing, left over or of another shape.
    """
    own = model.state_dict()
    wrong = {
        "lacks": own.keys() - tensors.keys(),
        "has unknown": tensors.keys() - own.keys(),
        "has of another shape": {
            name for name in own.keys() & tensors.keys() if own[name].shape != tensors[name].shape
        },
    }
    for verb, names in wrong.items():
        if names:
            raise InputError(f"{path} {verb} {listed(sorted(names))}; {otherwise}")
    model.load_state_dict(tensors)


def listed(names: Sequence[str]) -> str:
    """Names for a message: how many, and the first few."""
    shown = ", ".join(sorted(names)[:_NAMES_SHOWN])
    return f"{len(names)} tensor{'s' * (len(names) > 1)} ({shown}{', ...' * (len(names) > _NAMES_SHOWN)})"
