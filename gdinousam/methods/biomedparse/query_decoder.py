"""Queries that look at the image and hear the text: each ends as a mask and as a caption of it.

Shapes: P texts about one image, T tokens of a text, Q queries, C channels, S side of the image.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from gdinousam.methods.biomedparse.config import NUM_LEVELS, BiomedParseConfig
from gdinousam.methods.biomedparse.layers import Attention, FeedForward, sine_positions


class QueryDecoder(nn.Module):
    """Masked attention to the image, level by level, and attention between queries and the tokens of the text."""

    def __init__(self, config: BiomedParseConfig) -> None:
        super().__init__()
        width = config.width
        self.query_feat = nn.Embedding(config.num_queries, width)
        self.query_embed = nn.Embedding(config.num_queries, width)
        self.level_embed = nn.Embedding(NUM_LEVELS, width)
        self.layers = nn.ModuleList(QueryLayer(config) for _ in range(config.query_layers))
        self.norm = nn.LayerNorm(width)
        self.mask_embed = nn.ModuleList(nn.Linear(width, width) for _ in range(3))
        self.class_embed = nn.Parameter(torch.randn(width, width) * width**-0.5)

    def forward(
        self, levels: Sequence[torch.Tensor], pixels: torch.Tensor, tokens: torch.Tensor, is_token: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Answer each text by itself.

        levels, pixels: of ``PixelDecoder``, of one image. tokens: (P, T, C) embedded texts. is_token: (P, T) bool,
        false where a shorter text is filled up. Returns kernels (P, Q, C), whose product with the pixels' features are
        mask logits, and captions (P, Q, C), to be compared with the classes of texts.
        """
        seen = [self._seen(level, place) for place, level in enumerate(levels)]
        # masks of a level's size, of features of that size: resizing is linear, so the same as resizing the masks
        resized = [F.interpolate(pixels, level.shape[-2:], mode="bilinear")[0].flatten(1) for level in levels]
        num_queries, num_texts = self.query_feat.num_embeddings, len(tokens)
        both = torch.cat([self.query_feat.weight.expand(num_texts, -1, -1), tokens], dim=1)
        # a token's place is what it was at first
        places = torch.cat([self.query_embed.weight.expand(num_texts, -1, -1), tokens], dim=1)
        is_asked = F.pad(is_token, (num_queries, 0), value=True)[:, None, None]  # (P, 1, 1, Q + T)
        for number, layer in enumerate(self.layers):
            level = number % NUM_LEVELS
            inside = self._kernels(both[:, :num_queries]) @ resized[level] >= 0  # (P, Q, N)
            inside |= ~inside.any(dim=2, keepdim=True)
            both = layer(both, places, seen[level], inside[:, None], is_asked)
        queries = both[:, :num_queries]
        return self._kernels(queries), self.norm(queries) @ self.class_embed

    def _kernels(self, queries: torch.Tensor) -> torch.Tensor:
        first, second, third = self.mask_embed
        return third(F.relu(second(F.relu(first(self.norm(queries))))))

    def _seen(self, level: torch.Tensor, place: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values (1, N, C) of a level."""
        channels, height, width = level.shape[1:]
        values = level.flatten(2).transpose(1, 2) + self.level_embed.weight[place]
        return values + sine_positions(height, width, channels, level.device).flatten(0, 1), values


class QueryLayer(nn.Module):
    """Attention to the image, attention between queries and tokens, feed-forward; each adds its input and norms."""

    def __init__(self, config: BiomedParseConfig) -> None:
        super().__init__()
        self.cross_attention = Attention(config.width, config.num_heads)
        self.cross_norm = nn.LayerNorm(config.width)
        self.self_attention = Attention(config.width, config.num_heads)
        self.self_norm = nn.LayerNorm(config.width)
        self.feed_forward = FeedForward(config.width, config.mlp_width)

    def forward(
        self,
        both: torch.Tensor,
        places: torch.Tensor,
        seen: tuple[torch.Tensor, torch.Tensor],
        inside: torch.Tensor,
        is_asked: torch.Tensor,
    ) -> torch.Tensor:
        """both: (P, Q + T, C) queries and tokens, with places of that shape. Returns the same shape.

        seen: keys and values (1, N, C) of a level. inside: (P, 1, Q, N), where each query may look. is_asked:
        (P, 1, 1, Q + T), false for tokens that only fill up.
        """
        num_queries = inside.shape[2]
        queries, tokens = both[:, :num_queries], both[:, num_queries:]
        attended = self.cross_attention(queries + places[:, :num_queries], *seen, inside)
        both = torch.cat([self.cross_norm(queries + attended), tokens], dim=1)
        placed = both + places
        return self.feed_forward(self.self_norm(both + self.self_attention(placed, placed, both, is_asked)))
