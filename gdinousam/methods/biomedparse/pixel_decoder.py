"""From the backbone's maps to those that queries look at, and to the features of every pixel.

Shapes: B images, C channels, S side of the image.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from gdinousam.methods.biomedparse.config import NUM_LEVELS, BiomedParseConfig
from gdinousam.methods.biomedparse.layers import Attention, FeedForward, sine_positions


class PixelDecoder(nn.Module):
    """A transformer over the coarsest map, whose result is then led to the finer ones, one by one."""

    def __init__(self, config: BiomedParseConfig) -> None:
        super().__init__()
        width = config.width
        channels = [config.focal_width * 2**stage for stage in range(4)]
        self.project = nn.Conv2d(channels[3], width, 1)
        self.layers = nn.ModuleList(PixelLayer(config) for _ in range(config.pixel_layers))
        self.lateral = nn.ModuleList(NormedConv(size, width, 1) for size in channels[:3])
        self.output = nn.ModuleList(NormedConv(width, width, 3) for _ in range(4))
        self.pixels = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, maps: list[torch.Tensor]) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Maps of ``Backbone``.

        Returns three maps (B, C, s, s) with s = S / 32, S / 16, S / 8, and the pixels' features (B, C, S/4, S/4).
        """
        features = F.relu(self.output[3](self._over_coarsest(maps[3])))
        levels = [features]
        for stage in (2, 1, 0):
            lateral = self.lateral[stage](maps[stage])
            enlarged = F.interpolate(features, lateral.shape[-2:], mode="nearest")
            features = F.relu(self.output[stage](lateral + enlarged))
            levels.append(features)
        return levels[:NUM_LEVELS], self.pixels(features)

    def _over_coarsest(self, coarsest: torch.Tensor) -> torch.Tensor:
        projected = self.project(coarsest)
        channels, height, width = projected.shape[1:]
        positions = sine_positions(height, width, channels, projected.device).flatten(0, 1)
        tokens = projected.flatten(2).transpose(1, 2)
        for layer in self.layers:
            tokens = layer(tokens, positions)
        return tokens.transpose(1, 2).unflatten(2, (height, width))


class PixelLayer(nn.Module):
    """Self-attention between the places of a map, then the feed-forward step, each normed at its end."""

    def __init__(self, config: BiomedParseConfig) -> None:
        super().__init__()
        self.attention = Attention(config.width, config.num_heads)
        self.norm = nn.LayerNorm(config.width)
        self.feed_forward = FeedForward(config.width, config.mlp_width)

    def forward(self, tokens: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """(B, N, C) tokens and (N, C) positions to (B, N, C)."""
        placed = tokens + positions
        return self.feed_forward(self.norm(tokens + self.attention(placed, placed, tokens)))


class NormedConv(nn.Module):
    """A convolution without bias that keeps the size, and a norm over 32 groups of its channels."""

    def __init__(self, channels: int, new_channels: int, side: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, new_channels, side, padding=side // 2, bias=False)
        self.norm = nn.GroupNorm(32, new_channels)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(B, channels, H, W) to (B, new channels, H, W)."""
        return self.norm(self.conv(features))
