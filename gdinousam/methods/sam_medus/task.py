"""How it learns: true boxes, slightly moved, and the masks in them to get right, outlines above all."""

from __future__ import annotations

from pathlib import Path

import torch

from gdinousam.methods.sam_medus.boundary import boundary_sum
from gdinousam.methods.sam_medus.network import SamMedUs
from gdinousam.methods.sam_medus.weights import save_sam_medus
from gdinousam.training.losses import Term, mask_sums
from gdinousam.training.tasks import MASK_TERMS, MASKS, BoxPromptTask


class SamMedUsTask(BoxPromptTask):
    """Cross-entropy, soft Dice and boundary losses on the low-resolution logits of every object.

    boundary_weight: of the last, beside 1 of the others. box_jitter: see ``BoxPromptTask``.
    """

    def __init__(self, model: SamMedUs, box_jitter: float, boundary_weight: float) -> None:
        super().__init__(model, box_jitter)
        self.sam_medus = model
        self.terms = {**MASK_TERMS, "mask_boundary": Term(boundary_weight, MASKS)}

    def losses_of_masks(self, logits: torch.Tensor, truth: torch.Tensor) -> dict[str, torch.Tensor]:
        return {**mask_sums(logits, truth), "mask_boundary": boundary_sum(logits, truth)}

    def save(self, folder: Path) -> None:
        save_sam_medus(self.sam_medus, folder)
