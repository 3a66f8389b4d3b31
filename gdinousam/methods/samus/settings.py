"""What SAMUS is trained from, and how much of it is trained."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from gdinousam.settings import ModelName, Settings


class SamusTraining(Settings):
    """SAMUS from the weights of SAM, shown a random click on an object of each image."""

    needs_objects: ClassVar[bool] = True  # there is nothing to click on otherwise

    name: Literal["samus"] = Field(description="The method.")
    start: ModelName = Field(description="Official file of SAM ViT-B; random or random-small for a first run.")
    tune: Literal["published", "full"] = Field(
        "published",
        description="published: what SAM does not have (convolutional branch, adapters, halved positions) and the "
        "relative positions of the global blocks, 39.65 million parameters; full: everything, which random weights "
        "need.",
    )
