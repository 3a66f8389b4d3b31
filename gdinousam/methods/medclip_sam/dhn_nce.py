"""The decoupled hard negative loss (DHN-NCE) that MedCLIP-SAM fine-tunes BiomedCLIP with, as its code computes it.

Shapes: B pairs of an image and a sentence, E numbers of a feature.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F


@dataclass(frozen=True)
class DhnNce:
    """The loss with its settings, the published ones by default.

    temperature: of the cosines. beta_image, beta_text: how much harder negatives count among the sentences of an image
    and among the images of a sentence. alpha: weight of the pair itself among its negatives; 0 decouples it.
    """

    temperature: float = 0.6
    beta_image: float = 0.15
    beta_text: float = 0.15
    alpha: float = 0.0

    def loss(self, image_features: torch.Tensor, text_features: torch.Tensor) -> torch.Tensor:
        """The loss of a batch, a scalar; zero for a single pair, which has no negatives.

        image_features, text_features: (B, E), of pairs, not normalised.

        The published formula sums the negatives of a pair and takes the mean over pairs. The published code does not:
        it takes the mean over all B x B combinations, and the weight of a negative is divided by the sum of its column
        where that of its row is meant. Its weights were learned so.
        """
        if len(image_features) < 2:
            return (image_features.sum() + text_features.sum()) * 0
        cosines = F.normalize(image_features, dim=1) @ F.normalize(text_features, dim=1).T
        logits = cosines / self.temperature
        return self._one_way(logits, self.beta_image) + self._one_way(logits.T, self.beta_text)

    def _one_way(self, logits: torch.Tensor, beta: float) -> torch.Tensor:
        is_pair = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
        positive, negative = logits.masked_fill(~is_pair, 0), logits.masked_fill(is_pair, 0)
        scale = (len(logits) - 1) / negative.exp().sum(dim=1)  # of rows, and used for columns
        negatives = scale * ((1 + beta) * negative).exp()
        return -(positive - (self.alpha * positive.exp() + negatives).log()).mean()
