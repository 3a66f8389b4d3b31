"""What tests of models that make masks have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import nn
from transformers import SamModel

from benchmarks.parity.weights import fill_by_rule
from gdinousam.models.mask_heads.random_sam import random_sam
from gdinousam.records import Mask


def small_sam() -> SamModel:
    """SAM of two thin layers for images of 256 x 256 pixels, no tensor zero."""
    model = random_sam(small=True)
    fill_by_rule(model)
    return model


@contextmanager
def count_calls(module: nn.Module) -> Iterator[list[int]]:
    """Collect one entry per call of the module."""
    calls: list[int] = []
    handle = module.register_forward_pre_hook(lambda *_: calls.append(1))
    try:
        yield calls
    finally:
        handle.remove()


@contextmanager
def count_rows(module: nn.Module) -> Iterator[list[int]]:
    """Collect how many rows the module is given in each call."""
    rows: list[int] = []
    handle = module.register_forward_pre_hook(lambda _, inputs: rows.append(len(inputs[0])))
    try:
        yield rows
    finally:
        handle.remove()


def agreement(first: Sequence[Mask], second: Sequence[Mask]) -> float:
    """The fraction of pixels that are equal in the worst pair of masks."""
    return min(float((left == right).mean()) for left, right in zip(first, second, strict=True))
