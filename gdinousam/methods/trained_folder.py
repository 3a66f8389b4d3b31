"""Networks that were trained here, on disk: a folder with the weights and the sizes of the network."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from safetensors.torch import save_file
from torch import nn

from gdinousam.errors import InputError
from gdinousam.models.checkpoints.files import read_tensors
from gdinousam.models.checkpoints.keys import fill
from gdinousam.reading import read_json_object, reason_of

Config = TypeVar("Config")
Model = TypeVar("Model", bound=nn.Module)


def config_name(method: str) -> str:
    """The file of the sizes. method: as in a config."""
    return f"gdinousam_{method}.json"


def weights_name(method: str) -> str:
    """The file of the weights. method: as in a config."""
    return f"gdinousam_{method}.safetensors"


def save_trained(model: nn.Module, config: Any, method: str, note: str, folder: Path) -> None:
    """Write a network with its sizes into an existing folder; ``load_trained`` reads it.

    config: the sizes, a pydantic dataclass. method: as in a config. note: what the weights are, for people.
    """
    # copies: safetensors refuses tensors that share memory, as the two of SAM's random positions do
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
    save_file(tensors, folder / weights_name(method))
    content = {"config": dataclasses.asdict(config), "note": note}
    (folder / config_name(method)).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def load_trained(
    folder: Path, method: str, sizes: type[Config], build: Callable[[Config], Model], otherwise: str
) -> Model:
    """Read a folder of ``save_trained``, on the CPU, in eval mode.

    sizes: class of the config. build: the network of such sizes. otherwise: what to give instead of a folder without
    such a network. Raises InputError where a file is missing or damaged, or they do not go together.
    """
    path = folder / config_name(method)
    if not path.is_file():
        raise InputError(f"{folder} has no {path.name}; {otherwise}")
    try:
        config = TypeAdapter(sizes).validate_python(read_json_object(path).get("config"))
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, ("config", *problem["loc"])))
        raise InputError(f"{path}: {place}: {problem['msg']}; restore it") from error
    try:
        model = build(config)
    except InputError:
        raise
    except ValueError as error:  # of sizes that do not fit each other
        raise InputError(f"{path}: config: {reason_of(error)}; restore it") from error
    weights = folder / weights_name(method)
    fill(model, read_tensors(weights), weights)
    return model.eval()
