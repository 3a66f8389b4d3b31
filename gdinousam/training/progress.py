"""Where a run stands: what has to survive an interruption beside weights, optimizer and random states."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

import torch


@dataclass
class Progress:
    """epoch: the epoch under way, from 0. batches_done: batches of it that are behind us. step: optimizer steps so far.

    best_loss, epochs_since_best: early stopping. sums, num_summed: loss terms of this epoch so far and their number.
    """

    epoch: int = 0
    batches_done: int = 0
    step: int = 0
    best_loss: float = math.inf
    epochs_since_best: int = 0
    sums: dict[str, torch.Tensor] = field(default_factory=dict)
    num_summed: int = 0

    def add(self, terms: dict[str, torch.Tensor]) -> None:
        """Count the loss terms of one batch."""
        for name, value in terms.items():
            value = value.detach().double()
            self.sums[name] = self.sums[name] + value if name in self.sums else value
        self.num_summed += 1

    def next_epoch(self) -> None:
        """Move on to the start of the next epoch."""
        self.epoch += 1
        self.batches_done, self.sums, self.num_summed = 0, {}, 0

    def judge(self, loss: float) -> bool:
        """Take in the loss of an epoch; true where it is the best so far."""
        is_best = loss < self.best_loss
        self.epochs_since_best = 0 if is_best else self.epochs_since_best + 1
        if is_best:  # not min(), which would keep nan for good
            self.best_loss = loss
        return is_best

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers, for a checkpoint."""
        state = asdict(self)
        return state | {"sums": {name: float(value) for name, value in self.sums.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what ``state_dict`` gave."""
        for name, value in state.items():
            setattr(self, name, value)
        self.sums = {name: torch.tensor(value, dtype=torch.float64) for name, value in state["sums"].items()}
