"""The first answer of a model from a folder, in which a config.json that contradicts itself or the weights shows.

Sizes that fit the weights can still ask for what cannot be calculated, such as heads that do not divide a width in a
later block. No check of ours knows all of that; the model itself does, when it is first asked.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import torch

from gdinousam.errors import InputError
from gdinousam.reading import reason_of

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


def explained(method: Callable[Concatenate[Any, Given], Answer]) -> Callable[Concatenate[Any, Given], Answer]:
    """Make a method, until it has answered once, raise InputError naming the folder of ``self.model``.

    For weights that are bundled, made at random or a single file, whose config is ours, and for memory that runs out,
    errors stay what they are.
    """
    name = method.__name__

    @wraps(method)
    def first(self: Any, *given: Given.args, **named: Given.kwargs) -> Answer:
        try:
            answer = method(self, *given, **named)
        except (InputError, MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            source = str(self.model.name_or_path)
            if name in self.answered or not (Path(source) / "config.json").is_file():
                raise
            raise InputError(
                f"{source}: the model fails on its first image ({reason_of(error)}); restore config.json and tokenizer "
                "as they were published with its weights"
            ) from error
        self.answered |= {name}
        return answer

    return first
