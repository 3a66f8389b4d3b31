"""In which numbers models multiply matrices: float32, or TensorFloat-32 or bfloat16 where the hardware has them.

bfloat16 halves the weights and makes matrix products several times as fast. What it would spoil most stays in float32:
sampling positions, boxes and scores of the detector, the mask decoder of the mask heads, and all norms. Boxes whose
scores are nearly equal may still change places: docs/performance.md has how often, and what that does to Dice.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, get_args

import torch
from torch import nn

from gdinousam.errors import InputError

Precision = Literal["float32", "bfloat16", "auto"]
_PRODUCTS = (nn.Linear, nn.Conv2d)


def pick_precision(precision: Precision, device: torch.device) -> torch.dtype:
    """The number type of matrix products; ``auto``: bfloat16 where the device computes it faster than float32.

    Raises InputError for another name, and for bfloat16 on a GPU that lacks it; a CPU that lacks it computes it, only
    slowly.
    """
    if precision == "float32":
        return torch.float32
    if precision not in get_args(Precision):
        raise InputError(f"precision is {precision!r}; set it to one of {', '.join(get_args(Precision))}")
    if precision == "auto":
        return torch.bfloat16 if has_fast_bfloat16(device) else torch.float32
    if device.type == "cuda" and not has_fast_bfloat16(device):
        raise InputError(f"precision is bfloat16, which {torch.cuda.get_device_name(device)} lacks; set it to float32")
    return torch.bfloat16


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether a GPU computes bfloat16 (compute capability 8 on), or a CPU has AVX-512 BF16 or AMX."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def allow_tf32(allowed: bool) -> None:
    """Whether CUDA computes float32 matrix products and convolutions of this process in TensorFloat-32.

    It keeps 10 of float32's 23 bits behind the point. torch's own default is neither one thing nor the other: products
    in float32, convolutions in TensorFloat-32. Changes nothing on a CPU and on GPUs older than compute capability 8.
    """
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


class MixedPrecision(nn.Module, ABC):
    """A model whose frozen matrix products can be made bfloat16 once it lies where it is to run."""

    product_dtype: torch.dtype = torch.float32
    answered: frozenset[str] = frozenset()  # names of methods; see ``gdinousam.models.first_answer``

    @property
    @abstractmethod
    def image_encoder(self) -> nn.Module:
        """The part that sees the image, which is also what ``torch.compile`` is given."""

    def multiply_in(self, dtype: torch.dtype) -> None:
        """Turn the weights of the products of ``in_low_precision`` into ``dtype``, in place."""
        for module in self.in_low_precision():
            if isinstance(module, _PRODUCTS):
                module.to(dtype)
        self.product_dtype = dtype

    @abstractmethod
    def in_low_precision(self) -> Collection[nn.Module]:
        """The modules whose products may be in bfloat16."""

    def products(self, device: torch.device) -> AbstractContextManager[object]:
        """What products run in: nothing of its own in float32, so that a training loop can choose the precision."""
        if self.product_dtype == torch.float32:
            return nullcontext()
        return torch.autocast(device.type, self.product_dtype)
