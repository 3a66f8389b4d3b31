"""How a run ended, and what has to be said of one that cannot have taught the model anything."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from gdinousam.training.progress import Progress
from gdinousam.training.settings import LoopSettings

End = Literal["finished", "stopped early", "interrupted"]

# of a weight matrix, as a share of its norm: half a unit of float32's last digit, which a sum with it rounds away
_LEAST_CHANGE = 2.0**-24


@dataclass(frozen=True)
class Outcome:
    """How a run ended. num_epochs: epochs done. weights: name of the folder with the weights to use.

    best_epoch, best_loss: of those weights, counted from 1; ``None`` where no epoch was judged, and the epoch where an
    earlier version of the program found it. change: what adapters
    change of the weights, at most, as a share; ``None`` where there are none.
    """

    end: End
    num_epochs: int
    weights: str
    best_epoch: int | None = None
    best_loss: float | None = None
    change: float | None = None

    def told(self, judged_by: str) -> str:
        """Which epoch the weights are of, such as ``epoch 3, the best by val_loss (1.2034)``."""
        if self.best_loss is None:
            return f"epoch {self.num_epochs}, the last"
        epoch = (
            "an epoch that an earlier version did not note" if self.best_epoch is None else f"epoch {self.best_epoch}"
        )
        return f"{epoch}, the best by {judged_by} ({self.best_loss:.4f})"


def outcome_of(end: End, progress: Progress, best: str, last: str, change_of_last: float | None) -> Outcome:
    """The outcome of a run that stands there. best, last: names of the folders with weights."""
    if not math.isfinite(progress.best_loss):
        return Outcome(end, progress.epoch, last, change=change_of_last)
    # a run that was begun by an earlier version does not know when its best epoch was
    best_epoch = progress.best_epoch or None
    return Outcome(end, progress.epoch, best, best_epoch, progress.best_loss, progress.best_change)


def doubts(outcome: Outcome, settings: LoopSettings) -> list[str]:
    """What to warn of at the end of a run; empty where all seems well."""
    found = []
    if outcome.change is not None and outcome.change <= _LEAST_CHANGE:
        found.append(
            f"the adapter in {outcome.weights} changes nothing: at most {outcome.change:.1g} of a weight matrix, less "
            "than float32 can add; raise training.learning_rate or train longer"
        )
    if outcome.best_epoch == 1 and outcome.num_epochs > 1:
        found.append(
            f"the best of {outcome.num_epochs} epochs is the first: after it, training made {settings.stop_on} no "
            "better; lower training.learning_rate, or look at the training data"
        )
    return found


def too_short(settings: LoopSettings, num_steps: int) -> str | None:
    """What to warn of before a run of so many optimizer steps that ends within its warm-up, else ``None``."""
    if not settings.warmup_steps or num_steps > settings.warmup_steps:
        return None
    return (
        f"the run has {num_steps} optimizer steps and training.warmup_steps is {settings.warmup_steps}, so the "
        f"learning rate never gets to {settings.learning_rate:g}; lower warmup_steps, or raise training.num_epochs"
    )
