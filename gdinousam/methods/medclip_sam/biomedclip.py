"""BiomedCLIP (Zhang and others, 2023): one space for medical images and sentences.

timm's ViT and transformers' BERT, put together as in the published open_clip model, whose names all tensors have.
open_clip itself is not needed: its text tower asks the hub for BERT's sizes, which are known.

Shapes: B images or sentences, S side of the square image, T tokens of an image with its class token first, L words, W
channels of the image's tokens, E numbers of a feature.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module

import torch
from pydantic import ConfigDict, PositiveInt
from pydantic.dataclasses import dataclass
from torch import nn
from transformers import BertConfig, BertModel

_FIRST_LOGIT_SCALE = math.log(1 / 0.07)  # of CLIP, before training


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class BiomedClipSize:
    """Sizes of BiomedCLIP; the defaults are the published ones.

    image_size: S, a multiple of patch_size. width, depth, num_heads, mlp_width: of the ViT; those with ``text_``: of
    BERT. vocabulary: its words. positions: L at most. embed_width: E. Raises pydantic's ValidationError, which is a
    ValueError, for sizes that do not fit each other.
    """

    image_size: PositiveInt = 224
    patch_size: PositiveInt = 16
    width: PositiveInt = 768
    depth: PositiveInt = 12
    num_heads: PositiveInt = 12
    mlp_width: PositiveInt = 3072
    text_width: PositiveInt = 768
    text_depth: PositiveInt = 12
    text_num_heads: PositiveInt = 12
    text_mlp_width: PositiveInt = 3072
    vocabulary: PositiveInt = 30522
    positions: PositiveInt = 512
    embed_width: PositiveInt = 512

    def __post_init__(self) -> None:
        for whole, part in (("image_size", "patch_size"), ("width", "num_heads"), ("text_width", "text_num_heads")):
            number, divisor = getattr(self, whole), getattr(self, part)
            if number % divisor:
                raise ValueError(f"{whole} = {number} must be a multiple of {part} = {divisor}")

    @property
    def grid(self) -> int:
        """Tokens along a side of the image."""
        return self.image_size // self.patch_size


class BiomedClip(nn.Module):
    """The two towers. size: the published one unless given. Raises InputError where timm is not installed."""

    def __init__(self, size: BiomedClipSize | None = None) -> None:
        super().__init__()
        self.size = size or BiomedClipSize()
        self.visual = _ImageTower(self.size)
        self.text = _TextTower(self.size)
        self.logit_scale = nn.Parameter(torch.tensor(_FIRST_LOGIT_SCALE))

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        return self.logit_scale.device

    def forward(
        self, pixel_values: torch.Tensor, input_ids: torch.Tensor, attention_mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """``image_features`` and ``text_features``."""
        return self.image_features(pixel_values), self.text_features(input_ids, attention_mask)

    def image_features(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S) float32 of ``frame.pixel_values`` to (B, E), not normalised."""
        features: torch.Tensor = self.visual(pixel_values)
        return features

    def text_features(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """(B, L) int64 tokens, and one on tokens and zero on padding, to (B, E), not normalised."""
        features: torch.Tensor = self.text(input_ids, attention_mask)
        return features

    def tokens_after(self, layer: int, pixel_values: torch.Tensor) -> torch.Tensor:
        """The output of a block of the ViT, counted from 0: (B, 3, S, S) to (B, T, W)."""
        seen: list[torch.Tensor] = []

        def watch(tokens: torch.Tensor) -> torch.Tensor:
            seen.append(tokens)
            return tokens

        with replaced_output(self.visual.trunk.blocks[layer], watch):
            self.image_features(pixel_values)
        return seen[0]

    def features_from(self, layer: int, tokens: torch.Tensor) -> torch.Tensor:
        """What ``image_features`` makes of the (B, T, W) output of a block, or of others in its place: (B, E)."""
        trunk = self.visual.trunk
        for block in trunk.blocks[layer + 1 :]:
            tokens = block(tokens)
        features: torch.Tensor = self.visual.head(trunk.forward_head(trunk.norm(tokens)))
        return features


@contextmanager
def replaced_output(module: nn.Module, replace: Callable[[torch.Tensor], torch.Tensor]) -> Iterator[None]:
    """Inside, what a module gives is handed through a function."""
    handle = module.register_forward_hook(lambda _module, _inputs, output: replace(output))
    try:
        yield
    finally:
        handle.remove()


class _ImageTower(nn.Module):
    def __init__(self, size: BiomedClipSize) -> None:
        super().__init__()
        self.trunk = import_module("timm").create_model(
            "vit_base_patch16_224",
            img_size=size.image_size,
            patch_size=size.patch_size,
            embed_dim=size.width,
            depth=size.depth,
            num_heads=size.num_heads,
            mlp_ratio=size.mlp_width / size.width,
            num_classes=0,
        )
        self.head = nn.Sequential()
        self.head.add_module("proj", nn.Linear(size.width, size.embed_width, bias=False))

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.head(self.trunk(pixel_values))
        return features


class _TextTower(nn.Module):
    def __init__(self, size: BiomedClipSize) -> None:
        super().__init__()
        config = BertConfig(
            vocab_size=size.vocabulary,
            hidden_size=size.text_width,
            num_hidden_layers=size.text_depth,
            num_attention_heads=size.text_num_heads,
            intermediate_size=size.text_mlp_width,
            max_position_embeddings=size.positions,
        )
        self.transformer = BertModel(config, add_pooling_layer=False)
        middle = (size.text_width + size.embed_width) // 2
        self.proj = nn.Sequential(
            nn.Linear(size.text_width, middle, bias=False), nn.GELU(), nn.Linear(middle, size.embed_width, bias=False)
        )

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        hidden = self.transformer(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        features: torch.Tensor = self.proj(hidden[:, 0])
        return features
