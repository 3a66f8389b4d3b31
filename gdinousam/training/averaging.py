"""A moving average of the trained parameters, which is what a run validates and keeps where it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

_WARM_UP = 10  # steps: the average follows faster while it holds few of them


class Average:
    """Exponential moving average of a model's trained parameters, in float32 (Polyak and Juditsky 1992).

    decay: share of the earlier average that a step keeps, in (0, 1); step n keeps at most (1 + n) / (10 + n).
    Buffers are not averaged.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._averages = [parameter.detach().float().clone() for parameter in self._parameters]
        self._num_steps = 0

    @torch.no_grad()
    def update(self) -> None:
        """Take in the parameters after an optimizer step."""
        self._num_steps += 1
        kept = min(self.decay, (1 + self._num_steps) / (_WARM_UP + self._num_steps))
        for average, parameter in zip(self._averages, self._parameters, strict=True):
            average.lerp_(parameter.float(), 1 - kept)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The model has the averages for its parameters as long as this lasts."""
        with torch.no_grad():
            trained = [parameter.detach().clone() for parameter in self._parameters]
            self._set(self._averages)
            try:
                yield
            finally:
                self._set(trained)

    def _set(self, values: list[torch.Tensor]) -> None:
        for parameter, value in zip(self._parameters, values, strict=True):
            parameter.copy_(value)

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"num_steps": self._num_steps, "averages": self._averages}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what ``state_dict`` gave for the same model."""
        self._num_steps = int(state["num_steps"])
        for average, stored in zip(self._averages, state["averages"], strict=True):
            average.copy_(stored)
