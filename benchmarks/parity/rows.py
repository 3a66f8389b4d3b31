"""One line of the parity table, the table, and what it was made with."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from dataclasses import dataclass

import torch

from benchmarks.machine import versions

_PACKAGES = ("torch", "transformers", "peft", "groundingdino-py", "sam2")


@dataclass(frozen=True)
class ParityRow:
    """The largest absolute difference between one output of ours and the official one.

    model: what was built, such as "Grounding DINO Swin-T". inputs: image size and caption or prompt. output: "logits",
    "boxes" (normalised to [0, 1]), "mask logits" and so on. against: where the official output comes from, package and
    version. tolerance: the largest difference that passes.
    """

    model: str
    inputs: str
    output: str
    against: str
    difference: float
    tolerance: float

    @property
    def passes(self) -> bool:
        """Whether the difference is within the tolerance; false where it is not a number."""
        return self.difference <= self.tolerance


def largest_difference(ours: torch.Tensor, official: torch.Tensor) -> float:
    """Largest absolute difference of two tensors of one shape; infinities of one sign at one place are equal."""
    if ours.shape != official.shape:
        raise ValueError(f"shapes {tuple(ours.shape)} and {tuple(official.shape)} cannot be compared")
    ours, official = ours.double(), official.double()
    same_infinity = ours.isinf() & (ours == official)
    return float((ours - official).abs().masked_fill(same_infinity, 0.0).max())


def as_markdown(rows: Iterable[ParityRow]) -> str:
    """The table in Markdown, one line per row."""
    lines = [
        "| model | inputs | output | against | largest difference | allowed |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row.model} | {row.inputs} | {row.output} | {row.against} | {row.difference:.1e} | {row.tolerance:.0e} |"
        for row in rows
    ]
    return "\n".join(lines)


def made_with() -> str:
    """One line for people: Python, the packages that matter (those that are missing are left out), the processor."""
    found = versions()
    packages = [f"{package} {found[package]}" for package in _PACKAGES if package in found]
    parts = [f"Python {found['python']}", *packages]
    return f"{', '.join(parts)}; float32 on {platform.machine()} CPU, {torch.get_num_threads()} threads"
