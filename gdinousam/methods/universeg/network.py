"""The network of UniverSeg (section 3.2 of the paper), written from the facts of its published weights.

Shapes: B targets, S examples that support each, C and F channels, H and W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

import torch
import torch.nn.functional as F
from torch import nn

FEATURES = 64  # of the published weights
NUM_LEVELS = 4
FACTOR = 2 ** (NUM_LEVELS - 1)  # the deepest level is this much smaller than the image
SLOPE = 0.01  # of LeakyReLU


class CrossBlock(nn.Module):
    """Mixes a target with each of its examples, the only place where they meet.

    num_target, num_support: channels of a target and of an example. features: channels of both that come out.
    """

    def __init__(self, num_target: int, num_support: int, features: int) -> None:
        super().__init__()
        self.num_target = num_target
        self.cross = nn.Conv2d(num_target + num_support, features, 3, padding=1)
        self.target = nn.Conv2d(features, features, 3, padding=1)
        self.support = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, target: torch.Tensor, support: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Both streams after the block: (B, C, H, W) and (B, S, C', H, W) to (B, F, H, W) and (B, S, F, H, W)."""
        pairs = self.pairs(target, support)
        return self.next_target(pairs), F.leaky_relu(_each(self.support, pairs), SLOPE)

    def pairs(self, target: torch.Tensor, support: torch.Tensor) -> torch.Tensor:
        """The cross-convolution: each example beside its target, (B, S, F, H, W), without activation.

        A convolution of concatenated channels is the sum of two convolutions, of which the target's is the same for
        all examples. So it is taken once instead of S times, and the concatenation is never made.
        """
        weight = self.cross.weight
        of_target = F.conv2d(target, weight[:, : self.num_target], self.cross.bias, padding=1)
        of_support = _each(lambda one: F.conv2d(one, weight[:, self.num_target :], padding=1), support)
        return of_target[:, None] + of_support

    def next_target(self, pairs: torch.Tensor) -> torch.Tensor:
        """The target after the block, (B, F, H, W): it sees the mean over its examples, whatever their order."""
        return F.leaky_relu(self.target(pairs.mean(dim=1)), SLOPE)


class UniverSegNetwork(nn.Module):
    """A U-Net of cross blocks, without normalisation layers. features: channels everywhere."""

    def __init__(self, features: int = FEATURES) -> None:
        super().__init__()
        # at first a target is its image, an example its image and its label
        entry = CrossBlock(1, 2, features)
        deeper = (CrossBlock(features, features, features) for _ in range(NUM_LEVELS - 1))
        self.encoder = nn.ModuleList([entry, *deeper])
        self.decoder = nn.ModuleList(CrossBlock(2 * features, 2 * features, features) for _ in range(NUM_LEVELS - 1))
        self.output = nn.Conv2d(features, 1, 1)

    def forward(self, target: torch.Tensor, support_images: torch.Tensor, support_labels: torch.Tensor) -> torch.Tensor:
        """Segment targets as their examples are segmented.

        target: (B, 1, H, W) float32 in [0, 1], H and W multiples of 8; 128 in the paper. support_images: (B, S, 1, H,
        W), likewise, S at least 1; 64 in the training of the published weights. support_labels: of the same shape, 1 on
        the object and 0 beside it.
        Returns (B, 1, H, W) logits; above 0 is inside. The order of the examples does not matter. Nothing of the
        examples can be computed ahead for several targets: from the first block on their features depend on the target.
        Raises ValueError for other shapes.
        """
        _check_shapes(target, support_images, support_labels)
        support = torch.cat([support_images, support_labels], dim=2)
        skips: list[tuple[torch.Tensor, torch.Tensor]] = []
        for block in self.encoder:
            if skips:
                target, support = _halved(target), _each(_halved, support)
            target, support = block(target, support)
            skips.append((target, support))
        skips.pop()
        *blocks, last = cast(Iterable[CrossBlock], self.decoder)
        for block in blocks:
            target, support = block(*upsampled_beside((target, support), skips.pop()))
        # what the last block would make of the examples goes nowhere
        return self.output(last.next_target(last.pairs(*upsampled_beside((target, support), skips.pop()))))


def upsampled_beside(
    low: tuple[torch.Tensor, torch.Tensor], skip: tuple[torch.Tensor, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Target and support of a level, enlarged twice, with those of the level above behind them along the channels.

    low: (B, C, H, W) and (B, S, C, H, W). skip: the same of twice the height and width.
    Returns (B, 2C, 2H, 2W) and (B, S, 2C, 2H, 2W).
    """
    return (
        torch.cat([_doubled(low[0]), skip[0]], dim=1),
        torch.cat([_each(_doubled, low[1]), skip[1]], dim=2),
    )


def _halved(images: torch.Tensor) -> torch.Tensor:
    return F.max_pool2d(images, 2)


def _doubled(images: torch.Tensor) -> torch.Tensor:
    # aligned corners, unlike torch's default, as the weights were trained
    return F.interpolate(images, scale_factor=2, mode="bilinear", align_corners=True)


def _each(function: Callable[[torch.Tensor], torch.Tensor], support: torch.Tensor) -> torch.Tensor:
    """Apply a function of (N, C, H, W) to the examples of all targets, (B, S, C, H, W)."""
    return function(support.flatten(0, 1)).unflatten(0, support.shape[:2])


def _check_shapes(target: torch.Tensor, support_images: torch.Tensor, support_labels: torch.Tensor) -> None:
    shapes = " and ".join(str(tuple(one.shape)) for one in (target, support_images, support_labels))
    if target.ndim != 4 or support_images.ndim != 5 or support_images.shape != support_labels.shape:
        raise ValueError(f"shapes {shapes}; give (B, 1, H, W) and twice (B, S, 1, H, W)")
    batch, *others = target.shape
    if support_images.shape[0] != batch or list(support_images.shape[2:]) != others or others[0] != 1:
        raise ValueError(f"shapes {shapes}; give targets and examples of equal number, size and one channel")
    if support_images.shape[1] == 0:
        raise ValueError("no example; give at least one image with its label")
    if any(length % FACTOR for length in others[1:]):
        raise ValueError(f"shapes {shapes}; height and width must be multiples of {FACTOR}")
