"""What official files of SAM and SAM2 share: names of prompt encoder and mask decoder, apart from a prefix ``sam_``."""

from __future__ import annotations

import re

from gdinousam.models.checkpoints.files import Tensors
from gdinousam.models.checkpoints.keys import Rule, rename

WEIGHT = r"(weight|bias)"
PROMPT = r"(?:sam_)?prompt_encoder"
DECODER = r"(?:sam_)?mask_decoder"
# The attention layers of the decoder's two-way transformer; one group.
ATTENTION = (
    r"((?:layers\.[01]\.(?:self_attn|cross_attn_token_to_image|cross_attn_image_to_token))|final_attn_token_to_image)"
)
# Small networks of three layers: one per mask token, the predicted quality, and (SAM2) whether there is an object.
_HEAD = r"(output_hypernetworks_mlps\.[0-3]|iou_prediction_head|pred_obj_score_head)"

SHARED_RULES = (
    # one matrix, which transformers keeps in the model and in its prompt encoder
    Rule(
        rf"{PROMPT}\.pe_layer\.positional_encoding_gaussian_matrix",
        ("shared_image_embedding.positional_embedding", "prompt_encoder.shared_embedding.positional_embedding"),
        several="copies",
    ),
    rename(rf"{PROMPT}\.(not_a_point_embed|no_mask_embed)\.weight", r"prompt_encoder.\1.weight"),
    rename(rf"{PROMPT}\.mask_downscaling\.0\.{WEIGHT}", r"prompt_encoder.mask_embed.conv1.\1"),
    rename(rf"{PROMPT}\.mask_downscaling\.1\.{WEIGHT}", r"prompt_encoder.mask_embed.layer_norm1.\1"),
    rename(rf"{PROMPT}\.mask_downscaling\.3\.{WEIGHT}", r"prompt_encoder.mask_embed.conv2.\1"),
    rename(rf"{PROMPT}\.mask_downscaling\.4\.{WEIGHT}", r"prompt_encoder.mask_embed.layer_norm2.\1"),
    rename(rf"{PROMPT}\.mask_downscaling\.6\.{WEIGHT}", r"prompt_encoder.mask_embed.conv3.\1"),
    rename(rf"{DECODER}\.transformer\.{ATTENTION}\.([qkv]_proj)\.{WEIGHT}", r"mask_decoder.transformer.\1.\2.\3"),
    rename(
        rf"{DECODER}\.transformer\.(layers\.[01])\.norm([1-4])\.{WEIGHT}",
        r"mask_decoder.transformer.\1.layer_norm\2.\3",
    ),
    rename(rf"{DECODER}\.transformer\.norm_final_attn\.{WEIGHT}", r"mask_decoder.transformer.layer_norm_final_attn.\1"),
    rename(rf"{DECODER}\.(iou_token|mask_tokens)\.weight", r"mask_decoder.\1.weight"),
    rename(rf"{DECODER}\.output_upscaling\.0\.{WEIGHT}", r"mask_decoder.upscale_conv1.\1"),
    rename(rf"{DECODER}\.output_upscaling\.1\.{WEIGHT}", r"mask_decoder.upscale_layer_norm.\1"),
    rename(rf"{DECODER}\.output_upscaling\.3\.{WEIGHT}", r"mask_decoder.upscale_conv2.\1"),
    rename(rf"{DECODER}\.{_HEAD}\.layers\.0\.{WEIGHT}", r"mask_decoder.\1.proj_in.\2"),
    rename(rf"{DECODER}\.{_HEAD}\.layers\.1\.{WEIGHT}", r"mask_decoder.\1.layers.0.\2"),
    rename(rf"{DECODER}\.{_HEAD}\.layers\.2\.{WEIGHT}", r"mask_decoder.\1.proj_out.\2"),
)

# The same two parts of SAM alone.
SAM_RULES = (
    rename(rf"{PROMPT}\.point_embeddings\.([0-3])\.weight", r"prompt_encoder.point_embed.\1.weight"),
    rename(rf"{DECODER}\.transformer\.{ATTENTION}\.out_proj\.{WEIGHT}", r"mask_decoder.transformer.\1.out_proj.\2"),
    rename(
        rf"{DECODER}\.transformer\.(layers\.[01])\.mlp\.(lin[12])\.{WEIGHT}",
        r"mask_decoder.transformer.\1.mlp.\2.\3",
    ),
    *SHARED_RULES,
)


def encoder_size(tensors: Tensors, encoder: str) -> tuple[int, int]:
    """Width of the first block and number of blocks of the image encoder under this name; zeros where there is none."""
    projection = tensors.get(f"{encoder}.patch_embed.proj.weight")
    block = re.compile(rf"{re.escape(encoder)}\.blocks\.(\d+)\.")
    num_blocks = len({match[1] for name in tensors if (match := block.match(name))})
    return 0 if projection is None or not projection.dim() else projection.shape[0], num_blocks
