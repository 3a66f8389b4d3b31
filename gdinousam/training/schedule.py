"""Learning rate over a run."""

from __future__ import annotations

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR
from transformers import get_scheduler

from gdinousam.training.settings import LoopSettings

# transformers' names of our schedules
_NAMES = {"constant": "constant_with_warmup", "linear": "linear", "cosine": "cosine"}


def build_schedule(optimizer: Optimizer, settings: LoopSettings, num_steps: int) -> LRScheduler:
    """The schedule of the config over ``num_steps`` optimizer steps; ``step()`` it after each."""
    if settings.schedule == "one_cycle":
        return OneCycleLR(optimizer, max_lr=settings.learning_rate, total_steps=num_steps)
    return get_scheduler(_NAMES[settings.schedule], optimizer, settings.warmup_steps, num_steps)
