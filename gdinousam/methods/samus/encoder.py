"""SAMUS's image encoder: SAM's ViT on small patches, a convolutional branch beside it, and adapters between.

Shapes: B images, S side of the square image, G = S / 8 side of the grid of tokens, C width of the ViT, E channels of
the encoded image. Tokens are (B, G, G, C), features of the convolutional branch (B, C, G, G).
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from gdinousam.methods.samus.config import STRIDE, SamusConfig

_PATCH = 16  # pixels along a side of a patch; SAM's, so that its weights fit, while the stride is half of SAM's
_EPSILON = 1e-6  # of every norm here; torch's default is 1e-5
_ADDED_SHARE = 0.5  # of an MLP adapter's answer, and of the convolutional features at the end


class SamusEncoder(nn.Module):
    """Encode images; ``forward`` keeps the order of the official code (measured block by block)."""

    def __init__(self, config: SamusConfig) -> None:
        super().__init__()
        width, channels = config.width, (*config.cnn_channels, config.width)
        self.patch_embed = nn.Conv2d(3, width, _PATCH, STRIDE)
        self.input_adapter = Bottleneck(width, config.adapter_width)
        # SAM's table, for twice as many tokens along a side; pos_reduce halves it
        self.pos_embed = nn.Parameter(torch.zeros(1, 2 * config.grid, 2 * config.grid, width))
        self.pos_reduce = ConvStage(width, width, pooled=True)
        self.cnn_stem = ConvStage(3, channels[0])
        self.cnn_stages = nn.ModuleList(ConvStage(before, after, pooled=True) for before, after in pairwise(channels))
        self.blocks = nn.ModuleList(
            GlobalBlock(config) if place in config.global_blocks else WindowBlock(config)
            for place in range(config.depth)
        )
        self.neck = nn.Sequential(
            nn.Conv2d(width, config.embed_width, 1, bias=False),
            ChannelNorm(config.embed_width, eps=_EPSILON),
            nn.Conv2d(config.embed_width, config.embed_width, 3, padding=1, bias=False),
            ChannelNorm(config.embed_width, eps=_EPSILON),
        )

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S) float32 in [0, 1], gray as three equal channels, to (B, E, G, G)."""
        features = self.image_features(pixel_values)
        tokens = self.input_adapter.add_to(self.patch_tokens(pixel_values)) + self.positions()
        for block in self.blocks:
            tokens, features = block(tokens, features)
        return self.neck(tokens.permute(0, 3, 1, 2) + _ADDED_SHARE * features)

    def image_features(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S) to (B, C, G, G), the convolutional branch before the first block."""
        features = self.cnn_stem(pixel_values)
        for stage in self.cnn_stages:
            features = stage(features)
        return features

    def patch_tokens(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S) to (B, G, G, C), one token per patch, before the input adapter."""
        # patches of 16 with a stride of 8 would be one too few along a side: the image is enlarged by a stride
        enlarged = F.interpolate(pixel_values, size=pixel_values.shape[-1] + STRIDE, mode="bilinear")
        return self.patch_embed(enlarged).permute(0, 2, 3, 1)

    def positions(self) -> torch.Tensor:
        """(1, G, G, C), what is added to the tokens."""
        return self.pos_reduce(self.pos_embed.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class WindowBlock(nn.Module):
    """A block of SAM's ViT in which tokens attend to those of their own window."""

    def __init__(self, config: SamusConfig) -> None:
        super().__init__()
        self.window_size = config.window_size
        self.norm1 = nn.LayerNorm(config.width, eps=_EPSILON)
        self.attn = RelativeAttention(config.width, config.num_heads, config.window_size)
        self.norm2 = nn.LayerNorm(config.width, eps=_EPSILON)
        self.mlp = Mlp(config.width, config.mlp_width)

    def forward(self, tokens: torch.Tensor, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, G, G, C) tokens to the same shape; the features pass by."""
        attended = _join(self.attn(_split(self.norm1(tokens), self.window_size)), tokens.shape)
        tokens = tokens + attended
        return tokens + self.mlp(self.norm2(tokens)), features


class GlobalBlock(nn.Module):
    """A block in which tokens attend to the convolutional branch, then to each other, and the branch goes on."""

    def __init__(self, config: SamusConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.width, eps=_EPSILON)
        self.cross = CrossAttention(config.width, config.num_heads)
        self.attn = RelativeAttention(config.width, config.num_heads, config.grid)
        self.norm2 = nn.LayerNorm(config.width, eps=_EPSILON)
        self.mlp = Mlp(config.width, config.mlp_width)
        self.mlp_adapter = Bottleneck(config.width, config.adapter_width)
        self.refine = ConvStage(config.width, config.width)

    def forward(self, tokens: torch.Tensor, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, G, G, C) tokens and (B, C, G, G) features to the same shapes."""
        normed = self.norm1(tokens)
        # to the normed tokens, not to what skips the attention
        normed = normed + self.cross(normed, features.permute(0, 2, 3, 1))
        tokens = tokens + self.attn(normed)
        normed = self.norm2(tokens)
        return tokens + self.mlp(normed) + _ADDED_SHARE * self.mlp_adapter(normed), self.refine(features)


class RelativeAttention(nn.Module):
    """Self-attention on a square of tokens whose scores also depend on how far two tokens lie apart, along each axis.

    rel_pos_h, rel_pos_w: (2 side - 1, width / num_heads), from the query lying furthest before the key to furthest
    behind it.
    """

    def __init__(self, width: int, num_heads: int, side: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.rel_pos_h = nn.Parameter(torch.zeros(2 * side - 1, width // num_heads))
        self.rel_pos_w = nn.Parameter(torch.zeros(2 * side - 1, width // num_heads))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(B, side, side, C) to the same shape."""
        query, key, value = (_heads(part, self.num_heads) for part in self.qkv(tokens).chunk(3, dim=-1))
        distances = self._distance_scores(query, tokens.shape[1])
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=distances)
        return self.proj(attended.transpose(1, 2).reshape(tokens.shape))

    def _distance_scores(self, query: torch.Tensor, side: int) -> torch.Tensor:
        """(B, heads, N, N) from queries (B, heads, N, C / heads), N = side x side tokens."""
        places = torch.arange(side, device=query.device)
        rows = places[:, None] - places[None, :] + side - 1  # (query, key)
        query = query.unflatten(2, (side, side))
        along_h = torch.einsum("bnhwc,hkc->bnhwk", query, self.rel_pos_h[rows])
        along_w = torch.einsum("bnhwc,wkc->bnhwk", query, self.rel_pos_w[rows])
        return (along_h[..., :, None] + along_w[..., None, :]).flatten(4).flatten(2, 3)


class CrossAttention(nn.Module):
    """Attention of tokens to features, all to all, blind to where they lie."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q = nn.Linear(width, width)
        self.k = nn.Linear(width, width)
        self.v = nn.Linear(width, width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """Both (B, G, G, C); returns the shape of the tokens."""
        query = _heads(self.q(tokens), self.num_heads)
        key, value = (_heads(project(features), self.num_heads) for project in (self.k, self.v))
        attended = F.scaled_dot_product_attention(query, key, value)
        return self.proj(attended.transpose(1, 2).reshape(tokens.shape))


class Mlp(nn.Module):
    """Two linear layers, GELU between."""

    def __init__(self, width: int, hidden_width: int) -> None:
        super().__init__()
        self.lin1 = nn.Linear(width, hidden_width)
        self.lin2 = nn.Linear(hidden_width, width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(..., C) to the same shape."""
        return self.lin2(F.gelu(self.lin1(tokens)))


class Bottleneck(Mlp):
    """An adapter: a narrow ``Mlp``, whose input is added to its answer where the network asks for it."""

    def add_to(self, tokens: torch.Tensor) -> torch.Tensor:
        """(..., C) to the same shape: the tokens and the answer to them."""
        return tokens + self(tokens)


class ConvStage(nn.Module):
    """3 x 3 convolution without bias, norm over channels, GELU; ``pooled``: halves the sides before, by the maximum."""

    def __init__(self, channels: int, new_channels: int, pooled: bool = False) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(2) if pooled else nn.Identity()
        self.conv = nn.Conv2d(channels, new_channels, 3, padding=1, bias=False)
        self.norm = ChannelNorm(new_channels, eps=_EPSILON)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(B, channels, H, W) to (B, new channels, H, W), or half of H and W."""
        return F.gelu(self.norm(self.conv(self.pool(features))))


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of every pixel."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) to the same shape."""
        normed = super().forward(features.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        # left in the order of channels last, the next convolution would sum less exactly (1e-5 in place of 3e-6)
        return normed.contiguous()


def _heads(tokens: torch.Tensor, num_heads: int) -> torch.Tensor:
    """(B, side, side, C) to (B, heads, N, C / heads)."""
    return tokens.flatten(1, 2).unflatten(-1, (num_heads, -1)).transpose(1, 2)


def _split(tokens: torch.Tensor, size: int) -> torch.Tensor:
    """(B, G, G, C) to (windows, size, size, C); zeros fill up the windows at the right and bottom."""
    missing = -tokens.shape[1] % size
    padded = F.pad(tokens, (0, 0, 0, missing, 0, missing))
    return padded.unflatten(2, (-1, size)).unflatten(1, (-1, size)).transpose(2, 3).flatten(0, 2)


def _join(windows: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Undo ``_split`` of tokens of this shape."""
    size, grid = windows.shape[1], shape[1]
    count = -(-grid // size)
    padded = windows.unflatten(0, (shape[0], count, count)).transpose(2, 3).flatten(3, 4).flatten(1, 2)
    return padded[:, :grid, :grid]
