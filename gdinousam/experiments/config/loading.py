"""YAML into checked settings, and back."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from gdinousam.errors import InputError
from gdinousam.experiments.config.public_code import is_public, translate
from gdinousam.reading import one_line
from gdinousam.settings import CommandLineText, Settings, groups_in
from gdinousam.yaml_files import parse_yaml, read_yaml

logger = logging.getLogger(__name__)

# Names in the public repository's YAML files and earlier ones of ours, and what they are called here; ``None``: has no
# meaning here any more. Whole files of that repository go through ``public_code`` instead.
RENAMED_KEYS: dict[str, str | None] = {
    "model.weights_path": "model.detector",
    "model.lora_weights": "model.adapter",
    "model.config_path": None,  # the architecture comes with the weights
    "training.patient": "training.patience",
    "training.save_dir": "training.output_dir",
    "training.save_frequency": None,  # every epoch is saved
    "training.visualization_frequency": "training.sample_pictures_every",
    "training.lora_rank": "lora.rank",
    "training.lora_alpha": "lora.alpha",
    "training.lora_dropout": "lora.dropout",
    "losses.matching.focal": "losses.matching.tokens",  # until version 0.1.0
}

Config = TypeVar("Config", bound=Settings)


def load_config(
    config_class: type[Config], path: Path, overrides: Sequence[str] = (), folder: Path | None = None
) -> Config:
    """Read and check a config.

    path: YAML file. overrides: ``a.b=value`` each, value as in YAML, paths relative to the working folder. folder: what
    paths in the file are relative to (default: the folder that it lies in). A file of the paper's public repository is
    taken as it is, see ``public_code``. Raises InputError that names file, key, value and what is allowed.
    """
    tree = _read_yaml(path)
    if is_public(tree):
        if config_class.program is None:
            raise InputError(f"{path} is a file of the paper's public repository, which is for train.py or test.py")
        for override in overrides:
            _override(tree, override, rename=False)
        tree = translate(tree, path, config_class.program)
        _rename_keys(tree, path)
    else:
        _rename_keys(tree, path)
        for override in overrides:
            _override(tree, override)
    _leave_aside(tree, config_class.left_aside)
    _require_program(tree, config_class, path)
    try:
        return config_class.model_validate(tree, context={"folder": path.parent if folder is None else folder})
    except ValidationError as error:
        given = {override.partition("=")[0] for override in overrides}
        raise InputError(_explain(error, config_class, path, given)) from error


def dump_config(config: Settings) -> str:
    """The config as YAML that ``load_config`` reads to the same settings, with absolute paths."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _read_yaml(path: Path) -> dict[str, Any]:
    tree = read_yaml(path, missing=f"config {path} does not exist; give one with --config")
    if not isinstance(tree, dict):
        raise InputError(f"config {path} must hold groups of settings such as 'data:' and 'model:'")
    return tree


def _override(tree: dict[str, Any], override: str, rename: bool = True) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise InputError(f"--set {one_line(override)}: write it as group.key=value")
    try:
        value = parse_yaml(text, "--set")
    except InputError as error:
        raise InputError(f"--set {one_line(override)}: {text!r} is not a YAML value") from error
    key_here = _name_here(key, "--set") if rename else key
    if key_here is not None:
        _assign(tree, key_here, _from_command_line(value))


def _from_command_line(value: Any) -> Any:
    """The value with every text in it marked, in lists and groups too."""
    if isinstance(value, dict):
        return {key: _from_command_line(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_from_command_line(one) for one in value]
    return CommandLineText(value) if isinstance(value, str) else value


def _assign(tree: dict[str, Any], key: str, value: Any) -> None:
    *groups, last = key.split(".")
    for group in groups:
        if tree.get(group) is None:  # missing, or switched off with null
            tree[group] = {}
        if not isinstance(tree[group], dict):
            raise InputError(f"{key}: {group} is a value, not a group of settings")
        tree = tree[group]
    tree[last] = value


def _group_at(tree: dict[str, Any], groups: Sequence[str]) -> Any:
    """What stands in a tree below these groups; ``None`` where there is no way to it."""
    place: Any = tree
    for group in groups:
        place = place.get(group) if isinstance(place, dict) else None
    return place


def _rename_keys(tree: dict[str, Any], path: Path) -> None:
    for old in RENAMED_KEYS:
        *groups, key = old.split(".")
        place = _group_at(tree, groups)
        if not isinstance(place, dict) or key not in place:
            continue
        value = place.pop(key)
        new = _name_here(old, str(path))
        if new is None:
            continue
        *new_groups, new_key = new.split(".")
        if new_key in (_group_at(tree, new_groups) or {}):
            raise InputError(f"{path}: {old} and {new} are the same setting; keep {new}")
        _assign(tree, new, value)


def _leave_aside(tree: dict[str, Any], keys: Sequence[str]) -> None:
    for key in keys:
        *groups, last = key.split(".")
        place = _group_at(tree, groups)
        if isinstance(place, dict):
            place.pop(last, None)


def _name_here(key: str, source: str) -> str | None:
    """What a key is called here, ``None`` where it has no meaning; warns where that is news."""
    new = RENAMED_KEYS.get(key, key)
    if new is None:
        logger.warning("%s: %s has no effect here and is ignored", source, key)
    elif new != key:
        logger.warning("%s: %s is called %s here", source, key, new)
    return new


# groups that the config of one program has and no other
_PROGRAMS = {
    "training": "train.py",
    "ablation": "scripts/ablation.py",
    "curve": "scripts/learning_curve.py",
    "evaluation": "test.py",
}


def _require_program(tree: Mapping[str, Any], config_class: type[Settings], path: Path) -> None:
    """Raise InputError for a config of another program."""
    foreign = [group for group in _PROGRAMS if group in tree and group not in config_class.model_fields]
    wanted = [group for group in _PROGRAMS if group in config_class.model_fields]
    if foreign and wanted and not any(group in tree for group in wanted):
        raise InputError(
            f"{path} is a config for {_PROGRAMS[foreign[0]]} (group {foreign[0]}), and this program needs one for "
            f"{_PROGRAMS[wanted[0]]} (group {wanted[0]}); name another with --config"
        )


def _explain(error: ValidationError, config_class: type[Settings], path: Path, given: Collection[str]) -> str:
    """All problems of a config in one line, those of the command line first. given: keys after --set."""
    problems: list[str] = []
    of_command_line: list[str] = []
    for problem in error.errors(include_url=False):
        key = _key(problem["loc"], config_class) or "the settings together"
        if problem["type"] == "extra_forbidden":
            line = f"{key} is not a setting{_nearest(key, config_class)}"
        elif problem["type"] == "missing":
            line = f"{key} is missing; add it"
        else:
            message = problem["msg"].removeprefix("Value error, ")
            value = "" if isinstance(problem["input"], dict) else f" = {problem['input']!r}"
            line = f"{key}{value}: {message[:1].lower()}{message[1:]}"
        # a group that --set has made is blamed on it as well
        is_given = any(key == one or key.startswith(f"{one}.") or one.startswith(f"{key}.") for one in given)
        (of_command_line if is_given else problems).append(line)
    parts = [f"--set: {'; '.join(of_command_line)}"] if of_command_line else []
    parts += [f"{path}: {'; '.join(problems)}"] if problems else []
    return one_line(". ".join(parts))


def _key(location: Sequence[int | str], config_class: type[Settings]) -> str:
    """The dotted key of a place in the settings; where one of several groups stands, pydantic also names which."""
    groups: list[type[Settings]] = [config_class]
    parts: list[str] = []
    is_name_of_group = False
    for part in map(str, location):
        if is_name_of_group:
            is_name_of_group = False
            continue
        parts.append(part)
        fields = [group.model_fields[part] for group in groups if part in group.model_fields]
        choices = [list(groups_in(field.annotation)) for field in fields]
        groups = [group for choice in choices for group in choice]
        is_name_of_group = any(len(choice) > 1 for choice in choices)
    return ".".join(parts)


def _nearest(key: str, config_class: type[Settings]) -> str:
    known = setting_names(config_class)
    same_group = [one for one in known if one.rpartition(".")[0] == key.rpartition(".")[0]]
    last = key.rpartition(".")[2]
    values = [one for one in known if not any(other.startswith(f"{one}.") for other in known)]
    by_last = {one.rpartition(".")[2]: one for one in [*values, *same_group]}
    close = difflib.get_close_matches(last, by_last, n=1, cutoff=0.6)
    return f"; did you mean {by_last[close[0]]}?" if close else f"; known here: {', '.join(same_group) or 'nothing'}"


def setting_names(settings: type[Settings], prefix: str = "") -> list[str]:
    """The dotted keys of all settings of a config, those of its groups included."""
    keys = []
    for name, field in settings.model_fields.items():
        keys.append(prefix + name)
        for group in groups_in(field.annotation):
            keys += [key for key in setting_names(group, f"{prefix}{name}.") if key not in keys]
    return keys
