"""The model: SAM from transformers with the joined encoder in place of its own, shown boxes.

Shapes: S side of the square image that the model sees (256 at full size).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from transformers import SamConfig, SamMaskDecoderConfig, SamModel, SamPromptEncoderConfig, SamVisionConfig

from gdinousam.methods.sam_medus.config import PATCH, SamMedUsConfig
from gdinousam.methods.sam_medus.encoder import JoinedEncoder
from gdinousam.models.mask_heads.random_sam import reset_plain_layers
from gdinousam.models.mask_heads.sam import MedSamFrame, SamMaskHead
from gdinousam.preprocessing import ResizeSettings, build_resize, image_to_tensor, normalize_image
from gdinousam.records import Image


class SquareFrame(MedSamFrame):
    """How images are shown in training: stretched to the square, normalised as for SAM."""

    def pixel_values(self, image: Image) -> torch.Tensor:
        """Resize as training does, normalise by ImageNet's statistics."""
        return normalize_image(build_resize(ResizeSettings(size=self.side))(image_to_tensor(image)))

    def masks_of_size(self, low_res_logits: torch.Tensor, size_hw: tuple[int, int]) -> torch.Tensor:
        """Logits above 0 after they were brought to the image."""
        return F.interpolate(low_res_logits, size_hw, mode="bilinear")[:, 0] > 0


class SamMedUs(SamMaskHead):
    """SAM-MedUS (approximation) with random weights from torch's generator."""

    def __init__(self, config: SamMedUsConfig | None = None) -> None:
        config = config or SamMedUsConfig()
        sam = plain_sam(config)
        sam.vision_encoder = JoinedEncoder(sam.vision_encoder, config)  # type: ignore[assignment]
        super().__init__(sam, SquareFrame)
        self.config = config


def plain_sam(config: SamMedUsConfig) -> SamModel:
    """SAM of these sizes with its own encoder and random weights from torch's generator."""
    vision = SamVisionConfig(
        hidden_size=config.width,
        output_channels=config.embed_width,
        num_hidden_layers=config.depth,
        num_attention_heads=config.num_heads,
        image_size=config.image_size,
        patch_size=PATCH,
        window_size=config.window_size,
        global_attn_indexes=list(config.global_blocks),
        num_pos_feats=config.embed_width // 2,
        mlp_dim=config.mlp_width,
    )
    prompt = SamPromptEncoderConfig(hidden_size=config.embed_width, image_size=config.image_size, patch_size=PATCH)
    decoder = SamMaskDecoderConfig(
        hidden_size=config.embed_width,
        mlp_dim=config.decoder_mlp_width,
        num_attention_heads=config.decoder_num_heads,
        iou_head_hidden_dim=config.embed_width,
    )
    sam = SamModel(SamConfig(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder))
    reset_plain_layers(sam)
    # SAM draws these random frequencies of positions with a deviation of 1, transformers with half the ViT's width;
    # nobody trains them, but transformers 5 makes them a parameter
    frequencies = torch.randn(2, config.embed_width // 2)
    for embedding in (sam.shared_image_embedding, sam.prompt_encoder.shared_embedding):
        embedding.requires_grad_(False).load_state_dict({"positional_embedding": frequencies})
    return sam
