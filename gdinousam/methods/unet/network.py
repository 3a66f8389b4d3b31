"""The network, and what is kept beside its weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from monai.networks.nets import UNet as ResidualUNet
from pydantic import Field, model_validator
from torch import nn

from gdinousam.identity import phrase_identity
from gdinousam.settings import Settings

NumChannels = Annotated[int, Field(ge=1)]


class UNetShape(Settings):
    """The size of a U-Net."""

    name: Literal["unet"] = Field(description="The method.")
    size: int = Field(192, ge=4, description="Side of the square that images are stretched to, in pixels.")
    channels: tuple[NumChannels, ...] = Field(
        (24, 48, 96, 192, 256),
        min_length=2,
        description="Features of each level. The first level has half the side of the image and each further "
        "one half of the one before; the last has the same side as the one before it.",
    )

    @model_validator(mode="after")
    def _levels_fit(self) -> UNetShape:
        # instance norm over a single pixel would erase it, so the deepest level keeps at least 2 x 2
        factor = 2 ** (len(self.channels) - 1)
        if self.size % factor or self.size < 2 * factor:
            raise ValueError(
                f"{len(self.channels)} levels make size a multiple of {factor}, at least {2 * factor}; {self.size} is "
                "not"
            )
        return self


class UNetDescription(UNetShape):
    """A trained U-Net: what its weights do not say. Written beside them as JSON."""

    phrases: tuple[str, ...] = Field(min_length=1, description="The phrase of each output channel.")

    @model_validator(mode="after")
    def _phrases_differ(self) -> UNetDescription:
        if len(set(map(phrase_identity, self.phrases))) < len(self.phrases):
            raise ValueError("a phrase appears twice; every channel needs a phrase of its own")
        return self


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
