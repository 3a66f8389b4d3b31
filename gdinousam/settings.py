"""The base of every group of settings; each module keeps its own group beside the code that reads it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationInfo

from gdinousam.reading import reason_of

# Names of models that are neither a file nor a hub id, whatever lies in the working folder.
TRUE_BOX, WHOLE_IMAGE = "true-box", "whole-image"
REFERENCES = (TRUE_BOX, WHOLE_IMAGE)  # in the place of a detector: boxes of the truth, or one round every image
OWN_MODEL_NAMES = ("small", "small-v1", "random", "random-small", *REFERENCES)


class Settings(BaseModel):
    """A group of settings: unknown keys are errors, values are checked once and never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=False)

    # for the config of a program that the paper's public repository has too: which of its files says the same
    program: ClassVar[Literal["train", "test"] | None] = None
    # for a config that takes the files of a larger one: the groups and settings in them that it does not have
    left_aside: ClassVar[tuple[str, ...]] = ()


def groups_in(annotation: Any) -> Iterator[type[Settings]]:
    """The groups of settings that a field may hold: one, several where it is a choice, none where it is a value."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        yield annotation
    for part in get_args(annotation):
        yield from groups_in(part)


Group = TypeVar("Group", bound=Settings)
WEIGHT_SUFFIXES = (".pth", ".pt", ".ckpt", ".bin", ".safetensors")
_RESOLVED = {"resolved": True}  # context of values that were settings before: their paths and names stay as they are


def derive(kind: type[Group], source: Settings, **changes: Any) -> Group:
    """Settings of another kind with everything that both kinds have, so that a setting added later is never lost.

    changes: by name, what is to be different or is not in the source. Raises pydantic's ValidationError where they do
    not go together.
    """
    shared = {name: getattr(source, name) for name in kind.model_fields if name in type(source).model_fields}
    return kind.model_validate(shared | changes, context=_RESOLVED)


class CommandLineText(str):
    """A value given on the command line: a path in it is relative to the working folder."""


def _base_folder(value: object, info: ValidationInfo) -> Path:
    context = info.context or {}
    return Path() if isinstance(value, CommandLineText) else Path(context.get("folder", ""))


def _resolve_path(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, str | Path) or info.context == _RESOLVED:
        return value
    return _placed(value, info)


def _placed(value: str | Path, info: ValidationInfo) -> Path:
    try:
        return (_base_folder(value, info) / Path(value).expanduser()).resolve()
    except (RuntimeError, OSError) as error:  # ~ of an unknown user, links in a circle, a name that is too long
        raise ValueError(f"is not a path here ({reason_of(error)})") from error


def _resolve_model_name(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, str | Path) or str(value) in OWN_MODEL_NAMES or info.context == _RESOLVED:
        return value
    local = _placed(value, info)
    looks_local = str(value).startswith((".", "/", "~"))
    return str(local) if looks_local or local.exists() else str(value)


def _resolve_adapter(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, str | Path) or info.context == _RESOLVED:
        return value
    resolved = str(_resolve_model_name(value, info))
    is_local = Path(resolved).is_absolute() or resolved.count("/") != 1 or Path(resolved).suffix in WEIGHT_SUFFIXES
    return _resolve_path(value, info) if is_local else resolved


SettingsPath = Annotated[Path, BeforeValidator(_resolve_path)]
"""A file or folder; relative to the config file, or to the working folder where given on the command line."""

ModelName = Annotated[str, BeforeValidator(_resolve_model_name)]
"""A local folder (relative as in ``SettingsPath``), a hub id, or one of ``OWN_MODEL_NAMES``."""

AdapterName = Annotated[Path | str, BeforeValidator(_resolve_adapter)]
"""A file or folder as in ``SettingsPath``, as a path, or a hub id, OWNER/NAME, as a text."""
