"""M2IB (Wang and others, 2023) as MedCLIP-SAMv2 uses it: what of an image must be let through for it to fit a sentence.

Behind one block of the image tower every number of every token is partly replaced by noise. How much of each is learned
for this one image and sentence, letting as little through as possible; what is let through in the end is the map.

Shapes: S side of the square image, T tokens with the class token first, G tokens along a side, W channels, E numbers of
a feature, N copies of the image.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from gdinousam.methods.medclip_sam.biomedclip import BiomedClip

_NUM_COPIES = 10  # of the image, with noise of its own each
_NUM_STEPS = 10
_LEARNING_RATE = 1.0
_OPEN = 5.0  # logit of how much is let through before the first step


@dataclass(frozen=True)
class BottleneckSettings:
    """layer: the block of the ViT, counted from 0. beta: what a nat let through costs. seed: of the noise."""

    layer: int = 7
    beta: float = 0.1
    seed: int = 42


@dataclass(frozen=True)
class Step:
    """What one step found before it changed anything: the cost of what is let through, and how well the image fits."""

    compression: float
    fit: float
    loss: float


def bottleneck_map(
    model: BiomedClip, pixel_values: torch.Tensor, text_feature: torch.Tensor, settings: BottleneckSettings
) -> tuple[torch.Tensor, list[Step]]:
    """How much is let through of each part of an image, (G, G) float32 in nats, and the steps on the way there.

    pixel_values: (3, S, S) float32 of ``frame.pixel_values``. text_feature: (E,). The noise comes from the seed alone,
    on every device, so that the answer does not depend on what was asked before. The map is of the last step's
    beginning, as published.
    """
    with torch.no_grad():
        tokens = model.tokens_after(settings.layer, pixel_values[None])[0]  # (T, W)
    generator = torch.Generator().manual_seed(settings.seed)
    openness = torch.full_like(tokens, _OPEN).requires_grad_()
    optimizer = torch.optim.Adam([openness], lr=_LEARNING_RATE)
    nats, steps = torch.zeros_like(tokens), []
    with torch.enable_grad():
        for _ in range(_NUM_STEPS):
            share = openness.sigmoid()
            noise = torch.randn((_NUM_COPIES, *tokens.shape), generator=generator).to(tokens)
            nats = _nats(share * tokens, (1 - share) ** 2)
            features = model.features_from(settings.layer, share * tokens + (1 - share) * noise)
            compression, fit = nats.mean(), F.cosine_similarity(features, text_feature[None]).mean()
            loss = settings.beta * compression - fit
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps.append(Step(compression.item(), fit.item(), loss.item()))
    of_tokens = nats.detach().sum(dim=1)[1:]
    return of_tokens.reshape(model.size.grid, model.size.grid), steps


def _nats(mean: torch.Tensor, variance: torch.Tensor) -> torch.Tensor:
    """How far a normal distribution is from the standard one (Kullback-Leibler), elementwise.

    The published settings name a variance for the latter, which its code reads and never uses.
    """
    return 0.5 * (mean**2 + variance - 1 - variance.log())
