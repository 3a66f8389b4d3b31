"""Sentences to tokens, and tokens to what the queries are told of them.

Shapes: P texts, T tokens, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any

import torch
from torch import nn

from gdinousam.errors import InputError
from gdinousam.methods.biomedparse.config import BiomedParseConfig
from gdinousam.methods.biomedparse.layers import Attention

_EPSILON = 1e-12  # of all norms here
_START, _END = 49406, 49407  # token ids of CLIP


@dataclass(frozen=True)
class EmbeddedTexts:
    """tokens: (P, T, C). is_token: (P, T) bool, false where a shorter text is filled up. classes: (P, C), of each text
    as a whole.
    """

    tokens: torch.Tensor
    is_token: torch.Tensor
    classes: torch.Tensor

    def part(self, rows: slice) -> EmbeddedTexts:
        """Some of the texts."""
        return EmbeddedTexts(self.tokens[rows], self.is_token[rows], self.classes[rows])


class TextEncoder(nn.Module):
    """CLIP's text transformer, whose tokens see those before them."""

    def __init__(self, config: BiomedParseConfig) -> None:
        super().__init__()
        width = config.width
        self.token_embedding = nn.Embedding(config.vocabulary, width)
        self.positional_embedding = nn.Parameter(torch.randn(config.num_tokens, width) * 0.1)
        self.blocks = nn.ModuleList(TextBlock(width, config.num_heads) for _ in range(config.text_layers))
        self.norm = nn.LayerNorm(width, eps=_EPSILON)
        self.projection = nn.Parameter(torch.randn(width, width) * width**-0.5)

    def forward(self, token_ids: Sequence[Sequence[int]]) -> EmbeddedTexts:
        """token_ids: of each text, with start and end; lengths may differ, to at most ``num_tokens``."""
        device = self.projection.device
        rows = [torch.tensor(ids, device=device) for ids in token_ids]
        # tokens never see what comes behind them, so what fills up does not matter
        ids = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=_END)
        lengths = torch.tensor([len(row) for row in rows], device=device)
        embedded = self.token_embedding(ids) + self.positional_embedding[: ids.shape[1]]
        for block in self.blocks:
            embedded = block(embedded)
        tokens = self.norm(embedded) @ self.projection
        is_token = torch.arange(ids.shape[1], device=device) < lengths[:, None]
        return EmbeddedTexts(tokens, is_token, tokens[torch.arange(len(rows), device=device), lengths - 1])


class TextBlock(nn.Module):
    """Attention to the tokens before, then two linear layers; each normed at its start."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=_EPSILON)
        self.attention = Attention(width, num_heads)
        self.norm2 = nn.LayerNorm(width, eps=_EPSILON)
        self.linear1 = nn.Linear(width, 4 * width)
        self.linear2 = nn.Linear(4 * width, width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(P, T, C) to the same shape."""
        normed = self.norm1(tokens)
        tokens = tokens + self.attention(normed, normed, normed, is_causal=True)
        hidden = self.linear1(self.norm2(tokens))
        return tokens + self.linear2(hidden * torch.sigmoid(1.702 * hidden))  # CLIP's GELU


def tokenize(text: str, num_tokens: int) -> list[int]:
    """The ids of CLIP's tokens with start and end, without filling.

    Raises InputError for a text of more than ``num_tokens``, which the official code would cut off.
    """
    ids = [_START, *clip_tokenizer().encode(text), _END]
    if len(ids) > num_tokens:
        raise InputError(f"{text!r} has {len(ids)} tokens and BiomedParse reads {num_tokens}; ask in fewer words")
    return ids


@lru_cache
def clip_tokenizer() -> Any:
    """CLIP's tokenizer, whose vocabulary comes with open_clip, so that nothing has to be fetched.

    Raises InputError where open_clip is not installed.
    """
    try:
        return import_module("open_clip.tokenizer").SimpleTokenizer()
    except ImportError as error:
        raise InputError(
            "open_clip_torch, whose tokenizer BiomedParse needs, is not installed; run pip install "
            '"gdinousam[biomedparse]"'
        ) from error
