"""How the U-Net learns: every phrase that an image is known about is one mask to get right."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from gdinousam.data.dataset import Batch
from gdinousam.identity import phrase_identity
from gdinousam.methods.unet.network import UNet, UNetDescription
from gdinousam.methods.unet.weights import save_unet
from gdinousam.training.losses import mask_sums
from gdinousam.training.tasks import MASK_TERMS, MASKS, Task


class UNetTask(Task):
    """The U-Net with cross-entropy and soft Dice losses, averaged over the pairs of an image and a phrase it knows.

    Truth of a pair: all masks of the phrase's instances together, nothing where the phrase is absent. The channels of
    phrases that an image says nothing about count for nothing: a benign lesion is not evidence against malignant ones.
    """

    terms = MASK_TERMS

    def __init__(self, network: UNet, description: UNetDescription) -> None:
        self.model = network
        self.network = network
        self.description = description
        self._channel_of = {phrase_identity(phrase): channel for channel, phrase in enumerate(description.phrases)}

    def counts(self, batch: Batch) -> dict[str, int]:
        """The pairs of an image and a phrase that it is known about."""
        return {MASKS: sum(len(example.phrases) for example in batch.examples)}

    def sums(self, model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        logits = model(batch.pixel_values)  # (B, P, S, S)
        rows, channels, truth = self._pairs(batch)
        return mask_sums(logits[rows, channels], truth)

    def _pairs(self, batch: Batch) -> tuple[list[int], list[int], torch.Tensor]:
        """Image and channel of each of K pairs, and their masks (K, S, S) float32."""
        rows, channels, truth = [], [], []
        for row, example in enumerate(batch.examples):
            if example.masks is None:
                raise ValueError("the U-Net learns from masks; build its dataset with with_masks=True")
            for index, phrase in enumerate(example.phrases):
                rows.append(row)
                channels.append(self._channel_of[phrase_identity(phrase)])
                truth.append(example.masks[example.phrase_indices == index].any(dim=0))
        return rows, channels, torch.stack(truth).float()

    def save(self, folder: Path) -> None:
        save_unet(self.network, self.description, folder)
