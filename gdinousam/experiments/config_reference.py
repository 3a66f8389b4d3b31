"""The reference of all settings, made from the settings themselves: ``docs/configuration.md``."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from gdinousam.assets import OLD_NAME
from gdinousam.experiments.config import RENAMED_KEYS, BaselineTrainConfig, TestConfig, TrainConfig, setting_names
from gdinousam.experiments.pretraining import PretrainConfig
from gdinousam.experiments.studies.ablation import AblationConfig
from gdinousam.experiments.studies.curve_config import LearningCurveConfig
from gdinousam.experiments.studies.prompt_study import PromptStudyConfig
from gdinousam.settings import Settings, groups_in

_INTRODUCTION = """\
# Configuration

<!-- Written by `python scripts/describe_config.py`; a test compares them. Change the settings, not this file. -->

A config is a YAML file with groups of settings. Unknown keys, wrong types and impossible values are errors; for an
unknown key the error names the most similar correct one. Paths in the file are relative to the file.
`--set group.key=value` replaces one setting for one run; paths given there are relative to the working folder.
`--print-config` only prints every setting as resolved; the same text is written as `config.yaml` beside every result.
`null` means "none". Switches are true or false (also yes, no, on, off). Each key may occur only once.
"""

_BASELINE_TRAINING = """\
## baselines/trainUNet.py, trainSAMUS.py, trainSamMedUS.py and trainMedClipSamV2.py

The groups `data` and `augmentation` are those of train.py.
"""

_ABLATION = """\
## scripts/ablation.py

The groups `data`, `resize`, `prediction` and `public_rule` are those of test.py.
"""

_LEARNING_CURVE = """\
## scripts/learning_curve.py

The groups in `tuned` are those of train.py, the group `prediction` is that of test.py.
"""

_PUBLIC_KEYS = """\
## Keys of the paper's public repository

They still load, with a warning.

| key there | key here |
| --- | --- |
"""


def describe_config() -> str:
    """The whole page as Markdown, ending in a newline."""
    parts = [
        _INTRODUCTION,
        "## train.py\n",
        *_tables(TrainConfig, ""),
        _BASELINE_TRAINING,
        *_tables(BaselineTrainConfig, "", without=("data", "augmentation")),
        "## test.py, scripts/predict.py and scripts/operating_point.py\n",
        *_tables(TestConfig, ""),
        _ABLATION,
        *_tables(AblationConfig, "", without=("data", "resize", "prediction", "public_rule")),
        "## scripts/prompt_study.py\n",
        *_tables(PromptStudyConfig, "", without=tuple(TestConfig.model_fields)),
        _LEARNING_CURVE,
        *_tables(LearningCurveConfig, "", without=("tuned", "prediction")),
        _PUBLIC_KEYS
        + "".join(f"| `{old}` | {_code(new) if new else 'ignored'} |\n" for old, new in RENAMED_KEYS.items()),
    ]
    return "\n".join(parts)


def all_setting_names() -> str:
    """The dotted keys of all settings, one a line; typos are compared with them before torch is loaded."""
    configs = (
        TrainConfig,
        BaselineTrainConfig,
        TestConfig,
        AblationConfig,
        PromptStudyConfig,
        LearningCurveConfig,
        PretrainConfig,
    )
    names = {name for config in configs for name in setting_names(config)}
    earlier = {f"{OLD_NAME}{name}" for name in RENAMED_KEYS}
    return "".join(f"{name}\n" for name in (*sorted(names), *sorted(earlier)))


def _tables(
    settings: type[Settings], prefix: str, about: str = "", without: Collection[str] = (), choice: str = ""
) -> Iterator[str]:
    """A table of the group's own settings, then those of the groups in it.

    about: what its field says of it. without: fields that are described elsewhere. choice: its name where it is one of
    several that may stand there.
    """
    fields = [(name, field) for name, field in settings.model_fields.items() if name not in without]
    inner = {name: groups for name, field in fields if (groups := list(groups_in(field.annotation)))}
    rows = [_row(name, field) for name, field in fields if name not in inner]
    if rows:
        meaning = " ".join(f"{settings.__doc__} {about}".split())
        heading = f"### {prefix}{choice}\n\n" if prefix else ""
        header = "| key | type | default | meaning |\n| --- | --- | --- | --- |\n"
        yield f"{heading}{meaning}\n\n{header}" + "".join(rows)
    for name, groups in inner.items():
        about = settings.model_fields[name].description or ""
        key = f"{prefix}.{name}" if prefix else name
        tables = [
            table
            for group in groups
            for table in _tables(group, key, about, choice=_choice(group) if len(groups) > 1 else "")
        ]
        yield from dict.fromkeys(tables)  # what several choices have in common, once


def _choice(group: type[Settings]) -> str:
    (name,) = get_args(group.model_fields["name"].annotation)
    return f", with name: {name}"


def _row(name: str, field: FieldInfo) -> str:
    default = "required" if field.is_required() else _code(_yaml(field.default))
    cells = (_code(name), _type(field.annotation) + _limits(field), default, field.description or "")
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |\n"


def _type(annotation: Any) -> str:
    """What a user writes for it."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0])
    if origin in (Union, UnionType):  # the first where a part is Annotated
        return " or ".join("null" if one is NoneType else _type(one) for one in arguments)
    if origin is Literal:
        return " or ".join(map(_code, arguments))
    if origin is tuple and arguments[-1] is Ellipsis:
        return f"list of {_type(arguments[0])}"
    if origin is tuple:
        return f"list of {len(arguments)} {_type(arguments[0])}s"
    if origin is dict:
        return f"{_type(arguments[1])} for each {_type(arguments[0])}"
    names = {int: "integer", float: "number", bool: "true or false", str: "text", Path: "path"}
    return names[annotation]


def _limits(field: FieldInfo) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    limits = [
        f"{sign} {getattr(part, name):g}"
        for part in field.metadata
        for name, sign in signs.items()
        if hasattr(part, name)
    ]
    return f", {', '.join(limits)}" if limits else ""


def _yaml(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_yaml, value))}]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _code(text: str) -> str:
    return f"`{text}`"
