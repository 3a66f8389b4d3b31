"""Attention of SAM2's image encoder (Hiera; Ravi et al. 2024, section 4), the most expensive part of the pipeline.

transformers (4.57 to 5.23 at least) computes beside each attention one between the heads of every position, and drops
it; and where a CPU multiplies bfloat16 in hardware, torch's fused attention makes nothing of that: docs/performance.md
has the numbers.

Shapes: B windows or images, N positions, H heads, d channels of a head.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from transformers import Sam2Model
from transformers.models.sam2.modeling_sam2 import Sam2MultiScaleAttention

from gdinousam.models.own_classes import give_own_classes

# Queries at once: the weights of a block of them, of all heads, stay in the processor's cache.
_BLOCK = 1024


def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Scaled dot-product attention without a mask, for (B, H, N, d) tensors of one dtype, N of the query its own.

    Fused, but for bfloat16 on a CPU without gradients, where blocks of plain products are faster.
    """
    if query.device.type != "cpu" or query.dtype != torch.bfloat16 or query.requires_grad:
        return F.scaled_dot_product_attention(query, key, value)
    turned = (key * key.shape[-1] ** -0.5).transpose(-2, -1)
    blocks = [(block @ turned).softmax(dim=-1) @ value for block in query.split(_BLOCK, dim=-2)]
    return blocks[0] if len(blocks) == 1 else torch.cat(blocks, dim=-2)


class HieraAttention(Sam2MultiScaleAttention):
    """transformers' attention of windows and images, by ``attend``."""

    def forward(self, hidden_states: torch.Tensor, **options: Any) -> torch.Tensor:
        """(B, height, width, C) to (B, height, width, C'), on a coarser grid where a stage begins."""
        batch_size, height, width, _ = hidden_states.shape
        heads = self.num_attention_heads
        query, key, value = self.qkv(hidden_states).reshape(batch_size, height * width, 3, -1).unbind(dim=2)
        if self.query_stride:  # where a stage begins the answers are asked on a coarser grid
            maps = query.unflatten(1, (height, width)).permute(0, 3, 1, 2)
            pooled = F.max_pool2d(maps, kernel_size=self.query_stride, stride=self.query_stride)
            height, width = pooled.shape[-2:]
            query = pooled.flatten(2).transpose(1, 2)
        by_head = [part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in (query, key, value)]
        answer = attend(*by_head).transpose(1, 2).reshape(batch_size, height, width, -1)
        projected: torch.Tensor = self.proj(answer)
        return projected


def use_hiera_attention(model: Sam2Model) -> None:
    """Make every attention of a SAM2's image encoder a ``HieraAttention``, in place; parameter names stay.

    Raises RuntimeError where there are not as many as its config says.
    """
    # an image encoder of another kind has none
    blocks_per_stage = getattr(model.config.vision_config.backbone_config, "blocks_per_stage", ())
    give_own_classes(model.modules(), {Sam2MultiScaleAttention: HieraAttention}, expected=sum(blocks_per_stage))
