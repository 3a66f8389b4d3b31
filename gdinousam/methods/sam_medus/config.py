"""The sizes of the network."""

from __future__ import annotations

from typing import ClassVar

from pydantic import ConfigDict, PositiveInt
from pydantic.dataclasses import dataclass

from gdinousam.methods.sam_sizes import SamSizes

PATCH = 16  # pixels along a side of a patch; SAM's
NUM_STAGES = 4  # of every ConvNeXt V2


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class SamMedUsConfig(SamSizes):
    """Sizes; the defaults are those of ``SamSizes``, and our guess of the branch.

    Behind each of the global blocks a stage of the branch joins the tokens, so there are four. branch: name of a
    ConvNeXt V2 in timm. joint_width: channels in which tokens and branch are joined.
    """

    stride: ClassVar[int] = PATCH

    branch: str = "convnextv2_tiny"
    joint_width: PositiveInt = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.branch.startswith("convnextv2_"):
            raise ValueError(f"branch = {self.branch!r} must be a ConvNeXt V2 of timm, such as convnextv2_tiny")

    def _check_global_blocks(self) -> None:
        if len(set(self.global_blocks)) != NUM_STAGES or not set(self.global_blocks) <= set(range(self.depth)):
            raise ValueError(
                f"global_blocks = {self.global_blocks} must be {NUM_STAGES} different ones of 0 .. {self.depth - 1}"
            )


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
