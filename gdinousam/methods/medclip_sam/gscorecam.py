"""gScoreCAM (Chen and others, 2022) as MedCLIP-SAM uses it: which part of an image makes it fit a sentence.

Channels of the image's tokens are maps of the image. Those that matter most by gradient are tried out one by one: the
image is darkened but for what the channel lights up, and counts as much as it still fits the sentence.

Shapes: S side of the square image, G tokens along it, W channels, E numbers of a feature.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from gdinousam.methods.medclip_sam.biomedclip import BiomedClip, replaced_output

_LEAST_RANGE = 1e-6  # of a channel, as published


def gscorecam(
    model: BiomedClip, pixel_values: torch.Tensor, text_feature: torch.Tensor, num_channels: int, batch_size: int
) -> torch.Tensor:
    """How much each part of an image speaks for a sentence, (G, G) float32, at least 0, not normalised.

    pixel_values: (3, S, S) float32 of ``frame.pixel_values``. text_feature: (E,). num_channels: how many are tried out,
    all where there are fewer. batch_size: darkened images at once; changes time and memory alone.
    """
    maps, gradients = _channels(model, pixel_values, text_feature)  # (W, G, G)
    tried = gradients.mean(dim=(1, 2)).topk(min(num_channels, len(gradients))).indices
    scores = maps.new_zeros(len(maps))
    with torch.no_grad():
        for channels in tried.split(batch_size):
            lit = pixel_values * _lights(maps[channels], model.size.image_size)
            scores[channels] = _logits(model, lit, text_feature)
    # channels that were not tried keep a score of zero, and with it some weight, as published
    return torch.einsum("w,wgh->gh", scores.softmax(dim=0), maps).clamp(min=0)


def _channels(
    model: BiomedClip, pixel_values: torch.Tensor, text_feature: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The channels behind the second norm of the last block, and the logit's gradients by them, (W, G, G) each."""
    seen: list[torch.Tensor] = []

    def watch(tokens: torch.Tensor) -> torch.Tensor:
        seen.append(tokens.detach().requires_grad_())
        return seen[0]

    with torch.enable_grad(), replaced_output(model.visual.trunk.blocks[-1].norm2, watch):
        logit = _logits(model, pixel_values[None], text_feature).sum()
    (gradients,) = torch.autograd.grad(logit, seen)
    grid = model.size.grid
    maps, slopes = (tokens.detach()[0, 1:].T.reshape(-1, grid, grid) for tokens in (seen[0], gradients))
    return maps, slopes


def _lights(maps: torch.Tensor, side: int) -> torch.Tensor:
    """Channels, (C, G, G), as factors of an image, (C, 1, S, S) in [0, 1]."""
    enlarged = F.interpolate(maps[:, None], (side, side), mode="bilinear", align_corners=True)
    lowest, highest = (bound(dim=(2, 3), keepdim=True) for bound in (enlarged.amin, enlarged.amax))
    return (enlarged - lowest) / (highest - lowest + _LEAST_RANGE)


def _logits(model: BiomedClip, pixel_values: torch.Tensor, text_feature: torch.Tensor) -> torch.Tensor:
    """How well (B, 3, S, S) images fit a sentence, (B,): scaled cosines."""
    cosines = F.cosine_similarity(model.image_features(pixel_values), text_feature[None])
    return model.logit_scale.exp() * cosines
