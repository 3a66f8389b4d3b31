"""The sizes of a BiomedParse network."""

from __future__ import annotations

from pydantic import ConfigDict, PositiveInt
from pydantic.dataclasses import dataclass

STRIDE = 32  # pixels to a place of the coarsest map
NUM_LEVELS = 3  # maps that queries look at, of strides 32, 16 and 8


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class BiomedParseConfig:
    """Sizes; the defaults are the published ones.

    image_size: S, side in pixels of the square image, a multiple of 32. focal_width, focal_depths, focal_levels: of the
    backbone, whose width doubles from stage to stage. width: C, of everything behind the backbone, a multiple of 32.
    num_heads, mlp_width: of all transformers but the text's, whose mlp is four times as wide as C. num_queries: Q.
    num_tokens, vocabulary: the longest text, and the token ids that there are.
    Raises pydantic's ValidationError, which is a ValueError, for sizes that do not fit each other.
    """

    image_size: PositiveInt = 1024
    focal_width: PositiveInt = 192
    focal_depths: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt] = (2, 2, 18, 2)
    focal_levels: PositiveInt = 4
    width: PositiveInt = 512
    num_heads: PositiveInt = 8
    mlp_width: PositiveInt = 2048
    pixel_layers: PositiveInt = 6
    query_layers: PositiveInt = 9
    text_layers: PositiveInt = 12
    num_queries: PositiveInt = 101
    num_tokens: PositiveInt = 77
    vocabulary: PositiveInt = 49408

    def __post_init__(self) -> None:
        if self.image_size % STRIDE:
            raise ValueError(f"image_size = {self.image_size} must be a multiple of {STRIDE}")
        if self.width % 32 or self.width % self.num_heads:
            raise ValueError(f"width = {self.width} must be a multiple of 32 and of num_heads = {self.num_heads}")


# For tests and first runs: every code path of the published network.
SMALL = BiomedParseConfig(
    image_size=128,
    focal_width=8,
    focal_depths=(1, 1, 2, 1),
    focal_levels=2,
    width=32,
    num_heads=4,
    mlp_width=64,
    pixel_layers=1,
    query_layers=4,
    text_layers=2,
    num_queries=9,
)
