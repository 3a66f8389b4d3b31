"""The sizes of the parts that networks made from SAM have in common with it: image encoder and mask decoder."""

from __future__ import annotations

from typing import ClassVar

from pydantic import ConfigDict, PositiveInt
from pydantic.dataclasses import dataclass


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class SamSizes:
    """Sizes; the defaults are those of SAM ViT-B at 256 pixels.

    stride: pixels from one token to the next; each network has its own. image_size: S, side in pixels of the square
    image, a multiple of it. width, depth, num_heads, mlp_width: of the ViT. window_size: tokens along the side of a
    window. global_blocks: counted from 0; they attend to the whole image, all others to a window. embed_width: channels
    of the encoded image and of all tokens of the decoder. decoder_mlp_width, decoder_num_heads: of the decoder's
    transformer.
    Raises pydantic's ValidationError, which is a ValueError, for sizes that do not fit each other.
    """

    stride: ClassVar[int]

    image_size: PositiveInt = 256
    width: PositiveInt = 768
    depth: PositiveInt = 12
    num_heads: PositiveInt = 12
    mlp_width: PositiveInt = 3072
    window_size: PositiveInt = 14
    global_blocks: tuple[int, ...] = (2, 5, 8, 11)
    embed_width: PositiveInt = 256
    decoder_mlp_width: PositiveInt = 2048
    decoder_num_heads: PositiveInt = 8

    def __post_init__(self) -> None:
        if self.image_size % self.stride:
            raise ValueError(f"image_size = {self.image_size} must be a multiple of {self.stride}")
        if self.width % self.num_heads:
            raise ValueError(f"width = {self.width} must be a multiple of num_heads = {self.num_heads}")
        self._check_global_blocks()

    def _check_global_blocks(self) -> None:
        if not set(self.global_blocks) <= set(range(self.depth)):
            raise ValueError(f"global_blocks = {self.global_blocks} must lie in 0 .. {self.depth - 1}")

    @property
    def grid(self) -> int:
        """G, tokens along a side of the image."""
        return self.image_size // self.stride
