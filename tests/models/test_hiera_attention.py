"""Attention of SAM2's image encoder: transformers' answers, in both ways to compute it."""

import pytest
import torch
import torch.nn.functional as F
from transformers import Sam2Model

from gdinousam.models.mask_heads import hiera_attention
from gdinousam.models.mask_heads.hiera_attention import attend, use_hiera_attention
from gdinousam.models.small import random_small_mask_head
from gdinousam.runtime import torch_seed


def small_sam2() -> Sam2Model:
    with torch_seed(0):
        return random_small_mask_head().eval()


def test_features_are_those_of_transformers() -> None:
    model = small_sam2()
    with torch_seed(1):
        pixels = torch.randn(2, 3, 256, 256)
    with torch.no_grad():
        expected = model.get_image_embeddings(pixels)
        use_hiera_attention(model)
        found = model.get_image_embeddings(pixels)
    assert len(found) == len(expected) == 3
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("block", [3, 1024])
def test_products_of_blocks_are_fused_attention(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hiera_attention, "_BLOCK", block)
    with torch_seed(2):
        query, key, value = torch.randn(2, 3, 10, 8), torch.randn(2, 3, 40, 8), torch.randn(2, 3, 40, 8)
    expected = F.scaled_dot_product_attention(query, key, value)
    found = attend(query.bfloat16(), key.bfloat16(), value.bfloat16())
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, atol=0.02, rtol=0.02)


def test_gradients_come_through_in_low_precision() -> None:
    query = torch.randn(1, 1, 4, 8, dtype=torch.bfloat16, requires_grad=True)
    attend(query, query, query).sum().backward()
    assert query.grad is not None and query.grad.abs().sum() > 0
