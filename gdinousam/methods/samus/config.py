"""The sizes of a SAMUS network."""

from __future__ import annotations

from pydantic import ConfigDict, PositiveInt
from pydantic.dataclasses import dataclass

STRIDE = 8  # pixels from one token to the next, and what three poolings of the convolutional branch leave


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class SamusConfig:
    """Sizes; the defaults are the published ones.

    image_size: S, side in pixels of the square image, a multiple of 8. width, depth, num_heads, mlp_width: of the ViT.
    window_size: tokens along the side of a window. global_blocks: counted from 0; they attend to the whole image and to
    the convolutional branch, all others to a window. adapter_width: of the bottlenecks. cnn_channels: of the
    convolutional branch before its last stage, which has the ViT's width. embed_width: channels of the encoded image
    and of all tokens of the decoder. decoder_mlp_width, decoder_num_heads: of the decoder's transformer.
    Raises pydantic's ValidationError, which is a ValueError, for sizes that do not fit each other.
    """

    image_size: PositiveInt = 256
    width: PositiveInt = 768
    depth: PositiveInt = 12
    num_heads: PositiveInt = 12
    mlp_width: PositiveInt = 3072
    window_size: PositiveInt = 14
    global_blocks: tuple[int, ...] = (2, 5, 8, 11)
    adapter_width: PositiveInt = 192
    cnn_channels: tuple[PositiveInt, PositiveInt, PositiveInt] = (64, 128, 256)
    embed_width: PositiveInt = 256
    decoder_mlp_width: PositiveInt = 2048
    decoder_num_heads: PositiveInt = 8

    def __post_init__(self) -> None:
        if self.image_size % STRIDE:
            raise ValueError(f"image_size = {self.image_size} must be a multiple of {STRIDE}")
        if self.width % self.num_heads:
            raise ValueError(f"width = {self.width} must be a multiple of num_heads = {self.num_heads}")
        if not set(self.global_blocks) <= set(range(self.depth)):
            raise ValueError(f"global_blocks = {self.global_blocks} must lie in 0 .. {self.depth - 1}")

    @property
    def grid(self) -> int:
        """G, tokens along a side of the image."""
        return self.image_size // STRIDE


# For tests and first runs: every code path of the published network, the padding of windows included.
SMALL = SamusConfig(
    image_size=64,
    width=32,
    depth=4,
    num_heads=2,
    mlp_width=64,
    window_size=3,
    global_blocks=(1, 3),
    adapter_width=8,
    cnn_channels=(8, 12, 16),
    embed_width=32,
    decoder_mlp_width=64,
    decoder_num_heads=4,
)
