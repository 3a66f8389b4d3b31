"""Attention between image and text in the order that costs least.

Grounding DINO's encoder lets every position of the image attend to every token and the reverse (Liu et al. 2024,
section 3.2). transformers, like the official code, first takes both into a space four times as wide, for the image in
three products of 13,294 x 256 by 256 x 1,024 per layer at 800 x 800. A caption has a few tokens, and matrix products
can be regrouped: (image W) keys = image (W keys). With T tokens that is 4 T / 1,024 of the work, and the same numbers.

Shapes: B images, S positions of an image, T tokens, H heads, D channels of the model, d channels of a head.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from transformers.models.grounding_dino.modeling_grounding_dino import GroundingDinoBiMultiHeadAttention

Attended = tuple[tuple[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
_SIDES = ("vision", "text")
_PROJECTIONS = tuple(name.format(side) for side in _SIDES for name in ("{}_proj", "values_{}_proj", "out_{}_proj"))
_LARGEST_SCORE = 50000.0  # as in both codes, which cut scores below the largest here


class ImageTextAttention(GroundingDinoBiMultiHeadAttention):
    """transformers' attention between image and text, by ``attend``.

    Where a projection is not a plain linear layer (an adapter sits on it), transformers' own forward stays.
    """

    def forward(
        self,
        vision_features: torch.Tensor,
        text_features: torch.Tensor,
        vision_attention_mask: torch.Tensor | None = None,
        text_attention_mask: torch.Tensor | None = None,
    ) -> Any:
        """See ``attend``, whose inputs and answers these are."""
        inputs: Any = vision_features, text_features, vision_attention_mask, text_attention_mask
        is_plain = all(type(getattr(self, name)) is nn.Linear for name in _PROJECTIONS)
        return attend(self, *inputs) if is_plain else super().forward(*inputs)


def attend(
    module: Any,
    image: torch.Tensor,
    text: torch.Tensor,
    image_padding: torch.Tensor | None,
    text_padding: torch.Tensor | None,
) -> Attended:
    """What transformers' ``GroundingDinoBiMultiHeadAttention`` computes, regrouped.

    module: that attention, all its projections plain. image: (B, S, D). text: (B, T, D). image_padding: (B, S) bool and
    text_padding: (B, T) bool, true on padding. Returns (image answer (B, S, D), its weights (B * H, S, T)) and (text
    answer (B, T, D), its weights (B * H, T, S)). Scores and all that is of the text's size are computed in float32.
    """
    (batch_size, num_positions, width), num_tokens = image.shape, text.shape[1]
    num_heads = module.num_heads
    with torch.autocast(image.device.type, enabled=False):
        exact_image, text = image.float(), text.float()
        keys = _heads(_linear(text, module.text_proj), num_heads) * module.scale  # (B, H, T, d)
        into_keys = module.vision_proj.weight.float().view(num_heads, module.head_dim, width)
        shift = keys @ module.vision_proj.bias.float().view(num_heads, module.head_dim, 1)  # (B, H, T, 1)
        queries = (keys @ into_keys).flatten(1, 2)  # (B, H * T, D)
        scores = torch.baddbmm(shift.flatten(1, 2), queries, exact_image.transpose(1, 2))  # (B, H * T, S)
        scores = scores.view(batch_size, num_heads, num_tokens, num_positions)
        scores = (scores - scores.detach().amax()).clamp(min=-_LARGEST_SCORE)
        to_image = scores - scores.amax(dim=-1, keepdim=True)
        to_image = to_image.clamp(min=-_LARGEST_SCORE)
        if image_padding is not None:
            to_image = to_image.masked_fill(image_padding[:, None, None], -torch.inf)
        if text_padding is not None:
            scores = scores.masked_fill(text_padding[:, None, :, None], -torch.inf)
        text_weights, image_weights = to_image.softmax(dim=-1), scores.softmax(dim=2)
        dropout, training = module.dropout, module.training
        text_shares = F.dropout(text_weights, dropout, training)  # (B, H, T, S)
        image_shares = F.dropout(image_weights, dropout, training)

        seen = (text_shares.flatten(1, 2) @ exact_image).view(batch_size, num_heads, num_tokens, width)
        into_values = module.values_vision_proj.weight.float().view(num_heads, module.head_dim, width)
        values = seen @ into_values.transpose(1, 2)  # (B, H, T, d)
        bias = module.values_vision_proj.bias.float().view(num_heads, 1, module.head_dim)
        values = values + text_shares.sum(dim=-1, keepdim=True) * bias
        text_answer = _linear(values.transpose(1, 2).flatten(2), module.out_text_proj)

        told = _heads(_linear(text, module.values_text_proj), num_heads)  # (B, H, T, d)
        out = module.out_vision_proj.weight.float().view(width, num_heads, module.head_dim)
        told = (told @ out.permute(1, 2, 0)).flatten(1, 2)  # (B, H * T, D)
        image_answer = image_shares.flatten(1, 2).transpose(1, 2) @ told + module.out_vision_proj.bias.float()
    return (
        (image_answer.to(image.dtype), image_weights.flatten(0, 1).transpose(1, 2)),
        (text_answer, text_weights.flatten(0, 1)),
    )


def _heads(features: torch.Tensor, num_heads: int) -> torch.Tensor:
    """(B, T, H * d) to (B, H, T, d)."""
    return features.unflatten(-1, (num_heads, -1)).transpose(1, 2)


def _linear(features: torch.Tensor, layer: nn.Linear) -> torch.Tensor:
    return F.linear(features, layer.weight.float(), layer.bias.float())
