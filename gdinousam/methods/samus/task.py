"""How SAMUS learns: a click on an object of each image, and that object's mask to get right.

Shapes: B images, S side of the square image, N objects of an image.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from gdinousam.data.dataset import Batch, Example
from gdinousam.methods.samus.network import Samus
from gdinousam.methods.samus.weights import save_samus
from gdinousam.preprocessing import grey_image
from gdinousam.training.losses import mask_sums
from gdinousam.training.tasks import MASK_TERMS, MASKS, Task


class SamusTask(Task):
    """SAMUS with cross-entropy and soft Dice losses on its low-resolution logits.

    In training the object is any of the image's, the click any pixel of its mask, as published; in validation the first
    object and the middle one of its pixels, so that epochs can be compared. Numbers are drawn from torch's generator.
    The published code learns from the whole mask of an image, whatever it holds; here a click asks for its own object.
    """

    terms = MASK_TERMS

    def __init__(self, model: Samus) -> None:
        self.model = model
        self.samus = model

    def counts(self, batch: Batch) -> dict[str, int]:
        """One object of each image."""
        return {MASKS: len(batch.examples)}

    def sums(self, model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        chosen = [self._object(example) for example in batch.examples]
        truth = torch.stack(chosen)[:, None]  # (B, 1, S, S)
        clicks = [self._click(mask) for mask in chosen]
        points_xy = torch.tensor([[click[:2]] for click in clicks], dtype=torch.float32, device=truth.device)
        labels = torch.tensor([[click[2]] for click in clicks], device=truth.device)
        logits = model(grey_image(batch.pixel_values), points_xy, labels)  # (B, 1, S/2, S/2)
        at_logits = F.interpolate(truth.float(), logits.shape[-2:], mode="area")
        return mask_sums(logits[:, 0], (at_logits[:, 0] > 0.5).float())

    def _object(self, example: Example) -> torch.Tensor:
        """The (S, S) bool mask of the object that is asked for."""
        if example.masks is None or not len(example.masks):
            raise ValueError("SAMUS learns from masks of objects; build its dataset with_masks=True, of such images")
        return example.masks[self._place(len(example.masks))]

    def _click(self, mask: torch.Tensor) -> tuple[int, int, int]:
        """x and y of a pixel of an (S, S) mask, and 1; beside an object that has vanished in the square, and 0."""
        pixels = (mask if mask.any() else ~mask).nonzero()
        place = self._place(len(pixels)) if self.model.training else len(pixels) // 2
        y, x = pixels[place].tolist()
        return x, y, int(mask.any())

    def _place(self, count: int) -> int:
        return int(torch.randint(count, ())) if self.model.training else 0

    def save(self, folder: Path) -> None:
        save_samus(self.samus, folder)
