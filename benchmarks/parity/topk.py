"""Take one program's choice of the best k in another, after proof that the two choices differ in ties only.

Grounding DINO's encoder proposes thousands of boxes, of which the decoder gets the best 900 in the order of their
scores, each with an embedding of its rank. Two implementations add the same numbers in another order, scores differ in
the sixth digit, and two proposals that are as good as equal swap their ranks, or one just misses the 900: from there on
the outputs differ for real, and a comparison of them says nothing. So the choice itself is compared first, as what it
is, an order of scores; then both decoders get the same proposals and must give the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class RecordTopk(TorchFunctionMode):
    """While active, note what ``torch.topk`` chooses. choices: the indices of each call, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.choices: list[torch.Tensor] = []

    def __torch_function__(
        self, function: Any, types: Any, arguments: Sequence[Any] = (), options: Mapping[str, Any] | None = None
    ) -> Any:
        result = function(*arguments, **(options or {}))
        if function is torch.topk:
            self.choices.append(result.indices)
        return result


class ReplayTopk(TorchFunctionMode):
    """While active, ``torch.topk`` along the last axis gives recorded choices instead of its own.

    choices: from ``RecordTopk``. largest_difference: how far the score at any rank of a recorded choice was from the
    score that belongs there; near zero where the choices differ in ties only, and for the caller to judge. Raises
    ValueError where topk is called more often than was recorded.
    """

    def __init__(self, choices: Sequence[torch.Tensor]) -> None:
        super().__init__()
        self.remaining = list(choices)
        self.largest_difference = 0.0

    def __torch_function__(
        self, function: Any, types: Any, arguments: Sequence[Any] = (), options: Mapping[str, Any] | None = None
    ) -> Any:
        result = function(*arguments, **(options or {}))
        if function is not torch.topk:
            return result
        if not self.remaining:
            raise ValueError("topk is called more often than was recorded")
        choice = self.remaining.pop(0)
        scores = arguments[0].gather(-1, choice)
        difference = float((scores - result.values).detach().abs().max())
        if not difference <= self.largest_difference:  # also where it is not a number
            self.largest_difference = difference
        return torch.return_types.topk((scores, choice))
