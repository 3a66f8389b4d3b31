"""SAMUS as a whole: its own image encoder with SAM's prompt encoder and mask decoder from transformers.

Shapes: B images, S side of the square image (256 as published), G = S / 8, E channels of the encoded image, M objects
of an image, N clicks on an object.
"""

from __future__ import annotations

import re

import torch
from torch import nn
from transformers import SamConfig, SamMaskDecoderConfig, SamModel, SamPromptEncoderConfig, SamVisionConfig

from gdinousam.methods.samus.config import STRIDE, SamusConfig
from gdinousam.methods.samus.encoder import SamusEncoder
from gdinousam.models.detector.corrections import normalize_officially
from gdinousam.models.mask_heads.random_sam import reset_plain_layers

_ADDED = r"image_encoder\.(cnn_stem|cnn_stages|pos_reduce|input_adapter|blocks\.\d+\.(cross|refine|mlp_adapter))\..*"


class Samus(nn.Module):
    """SAMUS with random weights from torch's generator."""

    def __init__(self, config: SamusConfig | None = None) -> None:
        super().__init__()
        self.config = config or SamusConfig()
        self.image_encoder = SamusEncoder(self.config)
        self.sam = _sam_without_encoder(self.config)

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        return self.image_encoder.pos_embed.device

    def forward(self, pixel_values: torch.Tensor, points_xy: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Mask logits of one object per image, for training.

        pixel_values: (B, 3, S, S) float32 in [0, 1], gray as three equal channels, not normalised any further.
        points_xy: (B, N, 2) clicks, x before y, in pixels of the square counted from the centre of the first one.
        labels: (B, N), 1 on the object, 0 beside it. Returns (B, 1, S/2, S/2) float32; above 0 is inside.
        """
        return self.decode(self.encode(pixel_values), points_xy[:, None], labels[:, None])

    def encode(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S) float32 in [0, 1] to (B, E, G, G), which serves for all clicks on the image."""
        return self.image_encoder(pixel_values)

    def decode(self, encoded: torch.Tensor, points_xy: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Mask logits of M objects per image, which do not see each other.

        encoded: (B, E, G, G) of ``encode``. points_xy: (B, M, N, 2), labels: (B, M, N), as for ``forward``.
        Returns (B, M, S/2, S/2) float32. Objects with fewer clicks than others need a call of their own: transformers'
        label for "no click" still gives a token that the decoder sees.
        """
        output = self.sam(image_embeddings=encoded, input_points=points_xy, input_labels=labels, multimask_output=False)
        return output.pred_masks[:, :, 0].float()


def added_names(model: Samus) -> frozenset[str]:
    """The parameters that SAM does not have: convolutional branch, adapters, and what halves the positions."""
    return frozenset(name for name, _ in model.named_parameters() if re.fullmatch(_ADDED, name))


def resized_names(model: Samus) -> frozenset[str]:
    """The parameters that SAM has in another size: the tables of relative positions of the global blocks."""
    blocks = model.config.global_blocks
    return frozenset(f"image_encoder.blocks.{block}.attn.rel_pos_{axis}" for block in blocks for axis in "hw")


def trainable_names(model: Samus) -> frozenset[str]:
    """The parameters that the official code trains: all that SAM does not have or has in another size."""
    return added_names(model) | resized_names(model)


def freeze_as_published(model: Samus) -> None:
    """Let those of ``trainable_names`` require gradients and no other: 39.65 of 133.3 million at full size."""
    trained = trainable_names(model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in trained)


def _sam_without_encoder(config: SamusConfig) -> SamModel:
    width, side = config.embed_width, config.image_size
    # no layer of this encoder remains; its hidden_size scales the random frequencies of positions: 2 means by 1, as SAM
    vision = SamVisionConfig(
        hidden_size=2,
        num_hidden_layers=0,
        num_attention_heads=1,
        image_size=side,
        patch_size=STRIDE,
        num_pos_feats=width // 2,
    )
    decoder = SamMaskDecoderConfig(
        hidden_size=width,
        mlp_dim=config.decoder_mlp_width,
        num_attention_heads=config.decoder_num_heads,
        iou_head_hidden_dim=width,
    )
    prompt = SamPromptEncoderConfig(hidden_size=width, image_size=side, patch_size=STRIDE)
    sam = SamModel(SamConfig(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder))
    normalize_officially(sam)
    # random frequencies, which nobody trains; transformers 5 makes them a parameter
    sam.shared_image_embedding.positional_embedding.requires_grad_(False)
    sam.vision_encoder = nn.Identity()  # type: ignore[assignment]
    reset_plain_layers(sam)
    return sam
