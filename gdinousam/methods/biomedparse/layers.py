"""Attention and feed-forward steps that the parts of the network share.

Shapes: B texts or images, N places or tokens that ask, M that are asked, C channels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class Attention(nn.Module):
    """Attention with the parameters of ``torch.nn.MultiheadAttention``, and inputs that several askers share.

    in_proj_weight: (3 C, C) and in_proj_bias: (3 C), of query, key and value.
    """

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)

    def forward(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        mask: torch.Tensor | None = None,
        is_causal: bool = False,
    ) -> torch.Tensor:
        """query: (B, N, C); key, value: (B, M, C), or (1, M, C) for all of the batch. Returns (B, N, C).

        mask: bool, of a shape that goes with (B, heads, N, M), true where a query may look; every query needs one
        place. is_causal: each query looks at the places up to its own, in place of a mask.
        """
        weights, biases = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        parts = [
            F.linear(tokens, weight, bias).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for tokens, weight, bias in zip((query, key, value), weights, biases, strict=True)
        ]
        q, k, v = (part.expand(len(query), -1, -1, -1) for part in parts)
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=is_causal)
        return self.out_proj(attended.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """Two linear layers, ReLU between, the input added and normed."""

    def __init__(self, width: int, hidden_width: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(width, hidden_width)
        self.linear2 = nn.Linear(hidden_width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(B, N, C) to the same shape."""
        return self.norm(tokens + self.linear2(F.relu(self.linear1(tokens))))


def sine_positions(height: int, width: int, channels: int, device: torch.device) -> torch.Tensor:
    """Where each place of a map lies, (H, W, channels): half of the channels for the row, half for the column.

    Rows and columns run from 1 / H to 1 times a full circle; frequencies fall from 1 towards 1 / 10000, with sine
    and cosine of each side by side.
    """
    half = channels // 2
    periods = 10000.0 ** (2 * (torch.arange(half, device=device) // 2) / half)

    def along(count: int) -> torch.Tensor:
        steps = torch.arange(1, count + 1, dtype=torch.float32, device=device)
        angles = (steps / (steps[-1] + 1e-6) * 2 * torch.pi)[:, None] / periods
        return torch.stack([angles[:, 0::2].sin(), angles[:, 1::2].cos()], dim=-1).flatten(1)

    rows = along(height)[:, None].expand(height, width, half)
    columns = along(width)[None].expand(height, width, half)
    return torch.cat([rows, columns], dim=-1)
