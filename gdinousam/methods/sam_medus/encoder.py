"""The image encoder: SAM's ViT, a ConvNeXt V2 beside it, and convolutional blocks that join the two.

Shapes: B images, S side of the square image, G = S / 16 side of the grid of tokens, C width of the ViT, E channels of
the encoded image. Tokens are (B, G, G, C).
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from transformers.models.sam.modeling_sam import SamVisionEncoder, SamVisionEncoderOutput

from gdinousam.errors import InputError
from gdinousam.methods.sam_medus.config import SamMedUsConfig
from gdinousam.methods.samus.encoder import ConvStage


class JoinedEncoder(nn.Module):
    """Stands in place of SAM's image encoder, which it is until the blocks between it and the branch have learned.

    vit: SAM's, of the sizes of config. Random weights of the branch come from torch's generator. Raises InputError
    where timm does not know the branch.
    """

    def __init__(self, vit: SamVisionEncoder, config: SamMedUsConfig) -> None:
        super().__init__()
        self.vit = vit
        self.branch, channels = _branch(config.branch)
        self.joints = nn.ModuleList(JointBlock(config.width, one, config.joint_width) for one in channels)
        self._stage_behind = {block: stage for stage, block in enumerate(sorted(config.global_blocks))}

    def forward(self, pixel_values: torch.Tensor, **options: Any) -> SamVisionEncoderOutput:
        """(B, 3, S, S) float32, normalised, to (B, E, G, G) as ``last_hidden_state``.

        options: those that ``SamModel`` passes on, about outputs that this encoder does not have.
        """
        features = self.branch(pixel_values)
        tokens = self.vit.patch_embed(pixel_values) + self.vit.pos_embed
        for place, layer in enumerate(self.vit.layers):
            tokens = layer(tokens)
            if place in self._stage_behind:
                stage = self._stage_behind[place]
                tokens = self.joints[stage](tokens, features[stage])
        return SamVisionEncoderOutput(last_hidden_state=self.vit.neck(tokens))


class JointBlock(nn.Module):
    """Adds to the tokens what a convolution over both makes of them and of a stage of the branch.

    Its last convolution starts at zero, so that the tokens pass unchanged at first. channels: K, of the stage.
    """

    def __init__(self, width: int, channels: int, joint_width: int) -> None:
        super().__init__()
        self.from_tokens = nn.Conv2d(width, joint_width, 1)
        self.from_branch = nn.Conv2d(channels, joint_width, 1)
        self.join = ConvStage(2 * joint_width, joint_width)
        self.to_tokens = nn.Conv2d(joint_width, width, 1)
        for parameter in self.to_tokens.parameters():
            nn.init.zeros_(parameter)

    def forward(self, tokens: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """(B, G, G, C) tokens and (B, K, H, W) features to the shape of the tokens."""
        # finer stages are averaged over a token's patch, the coarsest is repeated
        on_grid = F.adaptive_avg_pool2d(features, tokens.shape[1])
        both = torch.cat([self.from_tokens(tokens.permute(0, 3, 1, 2)), self.from_branch(on_grid)], dim=1)
        return tokens + self.to_tokens(self.join(both)).permute(0, 2, 3, 1)


def _branch(name: str) -> tuple[nn.Module, Sequence[int]]:
    """A ConvNeXt V2 that gives the features of its four stages, and the channels of each."""
    timm = import_module("timm")
    if not timm.is_model(name):
        raise InputError(f"timm {timm.__version__} knows no {name}; install a newer one, or correct branch")
    branch = timm.create_model(name, features_only=True)
    return branch, branch.feature_info.channels()
