"""Attention of SAM2's image encoder (Hiera; Ravi et al. 2024, section 4), the most expensive part of the pipeline.

transformers (4.57 to 5.23 at least) computes beside each attention one between the heads of every position, and drops
it; and where a CPU multiplies bfloat16 in hardware, torch's fused attention makes nothing of that: docs/performance.md
has the numbers.

Shapes: B windows or images, N positions, H heads, d channels of a head.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

# Queries at once: the weights of a block of them, of all heads, stay in the processor's cache.
_BLOCK = 1024


def attend_without_detours(model: nn.Module) -> None:
    """Let every attention of a SAM2's image encoder run the way of this module, in place; parameter names stay."""
    for module in model.modules():
        if type(module).__name__ == "Sam2MultiScaleAttention":
            module.forward = _forward_of(module)


def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Scaled dot-product attention without a mask, for (B, H, N, d) tensors of one dtype, N of the query its own.

    Fused, but for bfloat16 on a CPU without gradients, where blocks of plain products are faster.
    """
    if query.device.type != "cpu" or query.dtype != torch.bfloat16 or query.requires_grad:
        return F.scaled_dot_product_attention(query, key, value)
    turned = (key * key.shape[-1] ** -0.5).transpose(-2, -1)
    blocks = [(block @ turned).softmax(dim=-1) @ value for block in query.split(_BLOCK, dim=-2)]
    return blocks[0] if len(blocks) == 1 else torch.cat(blocks, dim=-2)


def _forward_of(module: Any) -> Callable[..., torch.Tensor]:
    def forward(hidden_states: torch.Tensor, **options: Any) -> torch.Tensor:
        batch_size, height, width, _ = hidden_states.shape
        heads = module.num_attention_heads
        query, key, value = module.qkv(hidden_states).reshape(batch_size, height * width, 3, -1).unbind(dim=2)
        if module.query_stride:  # where a stage begins the answers are asked on a coarser grid
            maps = query.unflatten(1, (height, width)).permute(0, 3, 1, 2)
            pooled = F.max_pool2d(maps, kernel_size=module.query_stride, stride=module.query_stride)
            height, width = pooled.shape[-2:]
            query = pooled.flatten(2).transpose(1, 2)
        by_head = [part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in (query, key, value)]
        answer = attend(*by_head).transpose(1, 2).reshape(batch_size, height, width, -1)
        projected: torch.Tensor = module.proj(answer)
        return projected

    return forward
