"""Loss terms as sums, with what each is a mean over, so that a mean over several batches or processes is one division.

A batch of four images, four batches of one whose gradients are accumulated, and two processes with two images each then
have the same loss and the same gradients, however their boxes are spread over them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

LOSS = "loss"

Sums = Mapping[str, torch.Tensor]
Counts = Mapping[str, float]


@dataclass(frozen=True)
class Term:
    """One part of a loss. weight: of its mean in the loss. per: name of the count that its sum is divided by."""

    weight: float
    per: str


def means(sums: Sums, terms: Mapping[str, Term], counts: Counts) -> dict[str, torch.Tensor]:
    """The loss and the mean of each term.

    sums: scalars by term. counts: by the names that the terms give; below 1 they count as 1, so that a batch without
    boxes has box terms of 0. Returns {"loss": weighted sum of the means, and each term's mean}.
    """
    mean_of = {name: value / max(1.0, counts[terms[name].per]) for name, value in sums.items()}
    loss = torch.stack([terms[name].weight * value for name, value in mean_of.items()]).sum()
    return {LOSS: loss, **mean_of}
