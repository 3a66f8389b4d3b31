"""SAM with random weights: what is built on it runs from end to end without a download; its numbers mean nothing."""

from __future__ import annotations

from torch import nn
from transformers import SamConfig, SamMaskDecoderConfig, SamModel, SamPromptEncoderConfig, SamVisionConfig

RANDOM = "random"  # what a config names as weights to get a compared method of full size without any
_SMALL_SIDE = 256
PLAIN_LAYERS = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


def random_sam(small: bool = False) -> SamModel:
    """SAM ViT-B, or two thin layers for images of 256 x 256 pixels; weights from torch's generator, in eval mode."""
    model = SamModel(_small_config() if small else SamConfig(vision_config=SamVisionConfig()))
    reset_plain_layers(model)
    return model.eval()


def reset_plain_layers(model: nn.Module) -> None:
    """Start linear layers and convolutions as torch does: transformers starts them so faint that masks are empty."""
    for module in model.modules():
        if isinstance(module, PLAIN_LAYERS):
            module.reset_parameters()


def _small_config() -> SamConfig:
    vision = SamVisionConfig(
        hidden_size=32,
        output_channels=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=_SMALL_SIDE,
        window_size=4,
        global_attn_indexes=[1],
        num_pos_feats=16,
    )
    prompt = SamPromptEncoderConfig(hidden_size=32, image_size=_SMALL_SIDE)
    decoder = SamMaskDecoderConfig(hidden_size=32, mlp_dim=64, num_attention_heads=4, iou_head_hidden_dim=32)
    return SamConfig(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder)
