"""Lets transformers 4 load a model whose image encoder comes from timm with frozen batch norms.

transformers 4 builds models without their parameters, which come from the file. timm copies the parameters of a norm
when it freezes it, and stops where there are none; transformers 5 builds in a way that timm can follow.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

import timm
from timm.layers import BatchNormAct2d, FrozenBatchNormAct2d
from torch import nn
from transformers import TimmBackbone

_one_thread = RLock()  # what is replaced is the class's, which all threads share


@contextmanager
def frozen_without_copying() -> Iterator[None]:
    """Inside, batch norms of a ``TimmBackbone`` are frozen as timm does, but for their values, which are loaded.

    One thread at a time; others wait.
    """
    with _one_thread:
        own = TimmBackbone.freeze_batch_norm_2d
        TimmBackbone.freeze_batch_norm_2d = _freeze  # type: ignore[method-assign]
        try:
            yield
        finally:
            TimmBackbone.freeze_batch_norm_2d = own  # type: ignore[method-assign]


def _freeze(backbone: TimmBackbone) -> None:
    encoder: nn.Module = backbone._backbone
    for name, module in list(encoder.named_modules()):
        if isinstance(module, BatchNormAct2d):
            frozen = FrozenBatchNormAct2d(module.num_features, eps=module.eps)
            frozen.drop, frozen.act = module.drop, module.act
            encoder.set_submodule(name, frozen)
    timm.layers.freeze_batch_norm_2d(encoder)  # plain norms, which have no activation
