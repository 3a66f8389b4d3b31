"""The sizes of the network."""

from __future__ import annotations

from pydantic import ConfigDict, PositiveInt
from pydantic.dataclasses import dataclass

PATCH = 16  # pixels along a side of a patch; SAM's
NUM_STAGES = 4  # of every ConvNeXt V2


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class SamMedUsConfig:
    """Sizes; the defaults are those of SAM ViT-B at 256 pixels, and our guess of the branch.

    image_size: S, side in pixels of the square image, a multiple of 16. width, depth, num_heads, mlp_width: of the ViT.
    window_size: tokens along the side of a window. global_blocks: counted from 0; they attend to the whole image, all
    others to a window, and behind each of them a stage of the branch joins the tokens, so there are four.
    embed_width: channels of the encoded image and of all tokens of the decoder. decoder_mlp_width,
    decoder_num_heads: of the decoder's transformer. branch: name of a ConvNeXt V2 in timm. joint_width: channels in
    which tokens and branch are joined.
    Raises pydantic's ValidationError, which is a ValueError, for sizes that do not fit each other.
    """

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
    branch: str = "convnextv2_tiny"
    joint_width: PositiveInt = 256

    def __post_init__(self) -> None:
        if self.image_size % PATCH:
            raise ValueError(f"image_size = {self.image_size} must be a multiple of {PATCH}")
        if self.width % self.num_heads:
            raise ValueError(f"width = {self.width} must be a multiple of num_heads = {self.num_heads}")
        if len(set(self.global_blocks)) != NUM_STAGES or not set(self.global_blocks) <= set(range(self.depth)):
            raise ValueError(
                f"global_blocks = {self.global_blocks} must be {NUM_STAGES} different ones of 0 .. {self.depth - 1}"
            )
        if not self.branch.startswith("convnextv2_"):
            raise ValueError(f"branch = {self.branch!r} must be a ConvNeXt V2 of timm, such as convnextv2_tiny")

    @property
    def grid(self) -> int:
        """G, tokens along a side of the image."""
        return self.image_size // PATCH


# Every code path of the full network, and small enough to be trained from random weights on a CPU.
SMALL = SamMedUsConfig(
    image_size=192,
    width=128,
    depth=8,
    num_heads=4,
    mlp_width=512,
    window_size=7,
    global_blocks=(1, 3, 5, 7),
    embed_width=96,
    decoder_mlp_width=256,
    decoder_num_heads=4,
    branch="convnextv2_atto",
    joint_width=64,
)
