"""What makes a U-Net, and what is kept beside its weights."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from gdinousam.identity import phrase_identity
from gdinousam.settings import Settings

NumChannels = Annotated[int, Field(ge=1)]


class UNetTraining(Settings):
    """A U-Net from random weights: one output channel for each phrase of the training images."""

    # an image that is known to lack a phrase teaches its channel to stay empty
    needs_objects: ClassVar[bool] = False

    name: Literal["unet"] = Field(description="The method.")
    size: int = Field(192, ge=4, description="Pixels of the side of the square that images are stretched to.")
    channels: tuple[NumChannels, ...] = Field(
        (24, 48, 96, 192, 256),
        min_length=2,
        description="Features of each level. The first has half the side, each further one half of the one before, but "
        "the last the same.",
    )

    @model_validator(mode="after")
    def _levels_fit(self) -> UNetTraining:
        # instance norm over a single pixel would erase it, so the deepest level keeps at least 2 x 2
        factor = 2 ** (len(self.channels) - 1)
        if self.size % factor or self.size < 2 * factor:
            raise ValueError(
                f"{len(self.channels)} levels make size a multiple of {factor}, at least {2 * factor}; {self.size} is "
                "not"
            )
        return self


class UNetDescription(UNetTraining):
    """A trained U-Net: what its weights do not say. Written beside them as JSON."""

    phrases: tuple[str, ...] = Field(min_length=1, description="The phrase of each output channel.")

    @model_validator(mode="after")
    def _phrases_differ(self) -> UNetDescription:
        if len(set(map(phrase_identity, self.phrases))) < len(self.phrases):
            raise ValueError("a phrase appears twice; every channel needs a phrase of its own")
        return self
