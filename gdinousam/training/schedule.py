"""Learning rate over a run."""

from __future__ import annotations

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR
from transformers import get_scheduler

from gdinousam.training.settings import LoopSettings

# transformers' names of our schedules
_NAMES = {"constant": "constant_with_warmup", "linear": "linear", "cosine": "cosine"}


class _OneCycle(OneCycleLR):
    """torch's, but after its last step the rate stays where it is instead of being an error."""

    def step(self, epoch: int | None = None) -> None:
        if self.last_epoch + 1 < self.total_steps:
            super().step(epoch)


def build_schedule(optimizer: Optimizer, settings: LoopSettings, num_steps: int, num_whole: int) -> LRScheduler:
    """The schedule of the config over a run; ``step()`` it after each optimizer step.

    num_steps: optimizer steps of the run. num_whole: those of them that are of whole batches, at least 1; they make the
    cycle of ``one_cycle.whole_batches``.
    """
    if settings.schedule == "one_cycle":
        cycle = settings.one_cycle
        total_steps = num_whole if cycle.whole_batches else num_steps
        pct_start = cycle.pct_start
        if pct_start * total_steps == 1:
            pct_start *= 1 - 1e-9  # torch (2.14) would divide by zero: a rise that begins and ends with the first step
        return _OneCycle(
            optimizer,
            max_lr=settings.learning_rate,
            total_steps=total_steps,
            pct_start=pct_start,
            div_factor=cycle.div_factor,
            final_div_factor=cycle.final_div_factor,
        )
    return get_scheduler(_NAMES[settings.schedule], optimizer, settings.warmup_steps, num_steps)
