"""The network: MONAI's residual U-Net (Kerfoot and others, 2018) and a 1 x 1 convolution to the phrases.

Shapes: B images, S side of the square, P phrases.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.nets import UNet as ResidualUNet
from torch import nn

_NUM_FEATURES = 16  # of each pixel, which all phrases share; more cost much time at full size


class UNet(nn.Module):
    """Logits of every phrase at every pixel.

    channels: features of each level, see ``UNetTraining``. num_phrases: P. Phrases share everything but the last,
    pixel-wise step, so a phrase that an image says nothing about gets no gradient from it. Normalisation is per image:
    an image gives the same logits in any batch.
    """

    def __init__(self, channels: Sequence[int], num_phrases: int) -> None:
        super().__init__()
        self.body = ResidualUNet(
            spatial_dims=2,
            in_channels=3,
            out_channels=_NUM_FEATURES,
            channels=tuple(channels),
            strides=(2,) * (len(channels) - 1),
            num_res_units=2,
            norm="INSTANCE",
        )
        self.head = nn.Sequential(nn.PReLU(), nn.Conv2d(_NUM_FEATURES, num_phrases, kernel_size=1))

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """pixel_values: (B, 3, S, S) float32, normalised. Returns (B, P, S, S); above 0 is inside."""
        logits: torch.Tensor = self.head(self.body(pixel_values))
        return logits
