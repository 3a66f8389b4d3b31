"""Dense supervision of the detector's encoder: at every place of the image, which phrase names what is there.

Grounding DINO asks the encoder's token logits only where to put its queries, and the paper's loss does not reach them.
Taught with masks they say of every pixel what it belongs to, as a U-Net's output does, and the image encoder learns
from whole outlines instead of one place for each object. Not part of the paper.
Shapes: B images of S x S pixels, L positions of all levels, T tokens, P phrases, Q = P summed over the images.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F

from gdinousam.data.dataset import Example
from gdinousam.models.detector.phrase_maps import token_shares
from gdinousam.training.losses import mask_sums

_FINEST_STRIDE = 8  # pixels of the image for one position of the first level; of each further level twice as many
_SIDE_SHARE = 2  # masks are compared at 1/2 of the side of the image


def encoder_mask_sums(
    logits: torch.Tensor, phrase_tokens: Sequence[torch.Tensor], examples: Sequence[Example]
) -> dict[str, torch.Tensor]:
    """Cross-entropy and soft Dice of the encoder's masks, the mean over its levels, summed over the Q phrases.

    logits: (B, L, T) token logits of the encoder's positions. phrase_tokens: for each image (P, T') bool, the tokens of
    each of its phrases. examples: with masks; the truth of a phrase is all of its objects together, of an absent one
    nothing. Returns the terms of ``mask_sums``, scalars.
    """
    side = examples[0].pixel_values.shape[-1]
    truth = torch.stack([mask for example in examples for mask in _masks_by_phrase(example)]).to(logits.device)
    small = F.interpolate(truth[:, None], scale_factor=1 / _SIDE_SHARE, mode="area")[:, 0]
    logits = logits.float().masked_fill(logits.isneginf(), 0)  # of padding, of which no phrase has a part
    shares = [token_shares(tokens, logits.shape[2]).to(logits.device) for tokens in phrase_tokens]
    sums: dict[str, torch.Tensor] = {}
    sizes = list(level_sides(side, logits.shape[1]))
    for start, height in sizes:
        of_images = [logits[row, start : start + height**2] @ of_phrases for row, of_phrases in enumerate(shares)]
        maps = torch.cat([one.T.unflatten(1, (height, height)) for one in of_images])
        of_level = mask_sums(F.interpolate(maps[:, None], small.shape[-2:], mode="bilinear")[:, 0], small)
        sums = {name: sums.get(name, 0) + value / len(sizes) for name, value in of_level.items()}
    return sums


def level_sides(side: int, num_positions: int) -> Iterator[tuple[int, int]]:
    """First position and side of each level of a square image. side: of the image in pixels. Raises ValueError where
    ``num_positions`` are not those of such levels.
    """
    start, height = 0, -(-side // _FINEST_STRIDE)
    while start < num_positions:
        yield start, height
        start, height = start + height**2, -(-height // 2)
    if start != num_positions:
        raise ValueError(f"{num_positions} positions are not those of levels of a square of {side} pixels")


def _masks_by_phrase(example: Example) -> torch.Tensor:
    """(P, S, S) float32: all objects of each phrase of an image."""
    if example.masks is None:
        raise ValueError("the encoder learns from masks; build its dataset with with_masks=True")
    side = example.pixel_values.shape[-1]
    truth = torch.zeros(len(example.phrases), side, side, device=example.masks.device)
    for place, mask in zip(example.phrase_indices.tolist(), example.masks, strict=True):
        truth[place] = torch.maximum(truth[place], mask.float())
    return truth
