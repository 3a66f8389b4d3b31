"""The sizes of a SAMUS network."""

from __future__ import annotations

from typing import ClassVar

from pydantic import ConfigDict, PositiveInt
from pydantic.dataclasses import dataclass

from gdinousam.methods.sam_sizes import SamSizes

STRIDE = 8  # pixels from one token to the next, and what three poolings of the convolutional branch leave


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class SamusConfig(SamSizes):
    """Sizes; the defaults are the published ones. See ``SamSizes``; global blocks attend to the branch as well.

    adapter_width: of the bottlenecks. cnn_channels: of the convolutional branch before its last stage, which has the
    ViT's width.
    """

    stride: ClassVar[int] = STRIDE

    adapter_width: PositiveInt = 192
    cnn_channels: tuple[PositiveInt, PositiveInt, PositiveInt] = (64, 128, 256)


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
