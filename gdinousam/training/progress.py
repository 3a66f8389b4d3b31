"""Where a run stands: what has to survive an interruption beside weights, optimizer and random states."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from gdinousam.errors import InputError


@dataclass
class Progress:
    """epoch: the epoch under way, from 0. batches_done: batches of it that are behind us. step: optimizer steps so far.

    best_loss, best_epoch (from 1; 0: none yet), epochs_since_best: early stopping. best_change: ``Task.change`` then.
    sums, counts: loss terms of this epoch so far, and what they are means over. num_processes: that share the images.
    batch_size: images of a batch; 0: nobody said.
    """

    epoch: int = 0
    batches_done: int = 0
    step: int = 0
    best_loss: float = math.inf
    epochs_since_best: int = 0
    best_epoch: int = 0
    best_change: float | None = None
    sums: dict[str, torch.Tensor] = field(default_factory=dict)
    counts: dict[str, float] = field(default_factory=dict)
    num_processes: int = 1
    batch_size: int = 0

    def add(self, sums: Mapping[str, torch.Tensor], counts: Mapping[str, float]) -> None:
        """Count the loss terms of one batch."""
        for name, value in sums.items():
            value = value.detach().double()
            self.sums[name] = self.sums[name] + value if name in self.sums else value
        for name, count in counts.items():
            self.counts[name] = self.counts.get(name, 0) + count

    def next_epoch(self) -> None:
        """Move on to the start of the next epoch."""
        self.epoch += 1
        self.batches_done, self.sums, self.counts = 0, {}, {}

    def judge(self, loss: float) -> bool:
        """Take in the loss of the epoch under way; true where it is the best so far."""
        is_best = loss < self.best_loss
        self.epochs_since_best = 0 if is_best else self.epochs_since_best + 1
        if is_best:  # not min(), which would keep nan for good
            self.best_loss, self.best_epoch = loss, self.epoch + 1
        return is_best

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers, for a checkpoint."""
        state = asdict(self)
        return state | {"sums": {name: float(value) for name, value in self.sums.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what ``state_dict`` gave.

        Raises InputError for another number of processes, whose steps are of other images, and in the middle of an
        epoch for another size of batches, and where it was by version 0.1.0. What was not noted is not judged.
        """
        state = dict(state)
        num_processes = state.pop("num_processes", self.num_processes)
        if num_processes != self.num_processes:
            raise InputError(
                f"the run was trained by {_counted(num_processes)}, and {self.num_processes} would make other steps of "
                f"its images; go on with as many (torchrun --nproc_per_node={num_processes} train.py --resume RUN), or "
                "start again"
            )
        batch_size = state.pop("batch_size", self.batch_size)
        if batch_size != self.batch_size and state["batches_done"]:
            raise InputError(
                f"the run was interrupted within an epoch with data.batch_size={batch_size}, so {self.batch_size} "
                "would leave out images of it or take some twice; finish the epoch with the former"
            )
        if state.pop("num_summed", 0):  # its sums were of means
            raise InputError(
                "the run was interrupted within an epoch by version 0.1.0, whose means this version cannot go on with; "
                "finish the epoch with that version, or start again"
            )
        for name, value in state.items():
            setattr(self, name, value)
        self.sums = {name: torch.tensor(value, dtype=torch.float64) for name, value in state["sums"].items()}


def _counted(num_processes: int) -> str:
    return f"{num_processes} process" + ("es" if num_processes > 1 else "")
