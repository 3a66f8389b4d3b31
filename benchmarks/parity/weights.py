"""Weights from a rule instead of a file: every tensor from its name and shape alone, the same on every machine.

Full-size weights are too large to keep beside recorded outputs; this rule rebuilds them. Values keep the activations
of deep networks near one, and no tensor is zero, so that nothing is hidden by a path that is switched off.
"""

from __future__ import annotations

import zlib

import numpy as np
import torch
from torch import nn

_POSITION_NAMES = ("rel_pos", "position_embedding", "class_embedding", "cls_token")


def fill_by_rule(model: nn.Module) -> None:
    """Replace every floating-point tensor of a model's state dict, in place."""
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                tensor.copy_(torch.from_numpy(rule_values(name, tuple(tensor.shape))))


def rule_values(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The values of the tensor of this name: float32 of the shape, from uniform numbers seeded by the name's CRC-32."""
    uniform = np.random.RandomState(zlib.crc32(name.encode("utf-8"))).uniform(-1, 1, size=shape)
    return np.asarray(_scaled(uniform, name, shape), dtype=np.float32)


def _scaled(uniform: np.ndarray, name: str, shape: tuple[int, ...]) -> np.ndarray:
    if not shape:
        return 1 + 0.1 * uniform
    if "gaussian_matrix" in name:
        return uniform * np.sqrt(3)
    if ("pos_embed" in name and "post_pos" not in name) or any(part in name for part in _POSITION_NAMES):
        return 0.1 * uniform
    if len(shape) == 1:
        return 1 + 0.1 * uniform if name.endswith("weight") else 0.1 * uniform
    # unit variance stays unit variance through a linear layer or convolution
    fan_in = np.prod(shape[1:])
    return uniform * np.sqrt(3 / fan_in)
