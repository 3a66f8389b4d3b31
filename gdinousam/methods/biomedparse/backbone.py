"""The backbone: timm's FocalNet, and a norm on each of the four maps that leave it."""

from __future__ import annotations

from importlib import import_module

import torch
from torch import nn

from gdinousam.methods.biomedparse.config import BiomedParseConfig


class Backbone(nn.Module):
    """FocalNet as BiomedParse has it: overlapping patches, norms behind each step, context divided by its levels."""

    def __init__(self, config: BiomedParseConfig) -> None:
        super().__init__()
        focalnet = import_module("timm.models.focalnet")
        network = focalnet.FocalNet(
            embed_dim=config.focal_width,
            depths=config.focal_depths,
            focal_levels=(config.focal_levels,) * 4,
            focal_windows=(3,) * 4,
            use_overlap_down=True,
            use_post_norm=True,
            normalize_modulator=True,
            # random weights would stay without effect at timm's 1e-4; files bring their own
            layerscale_value=1.0,
        )
        self.stem: nn.Module = network.stem
        self.stages: nn.Sequential = network.layers
        self.norms = nn.ModuleList(nn.LayerNorm(config.focal_width * 2**stage) for stage in range(4))

    def forward(self, pixel_values: torch.Tensor) -> list[torch.Tensor]:
        """(B, 3, S, S) to four maps of strides 4, 8, 16 and 32, each twice as many channels as the one before."""
        maps = []
        features = self.stem(pixel_values)
        for stage, norm in zip(self.stages, self.norms, strict=True):
            features = stage(features)
            maps.append(norm(features.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).contiguous())
        return maps
