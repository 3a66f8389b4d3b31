"""The published UltraSam file, written by mmdet, read into transformers' SAM."""

from __future__ import annotations

import re
from pathlib import Path

from transformers import SamModel

from gdinousam.errors import InputError
from gdinousam.models.checkpoints.files import Tensors
from gdinousam.models.checkpoints.keys import rename, translate
from gdinousam.models.checkpoints.sam import sam_from
from gdinousam.models.checkpoints.sam_parts import ATTENTION, WEIGHT

# Rows of one table in which UltraSam keeps what SAM keeps in eight: name of SAM and number of rows, in their order.
_LABELS = "prompt_encoder.label_encoder.label_embedding.weight"
_LABEL_ROWS = (
    ("prompt_encoder.no_mask_embed.weight", 1),
    ("prompt_encoder.point_embeddings.0.weight", 1),  # click beside the object
    ("prompt_encoder.point_embeddings.1.weight", 1),  # click on the object
    ("prompt_encoder.point_embeddings.2.weight", 1),  # top left corner of a box
    ("prompt_encoder.point_embeddings.3.weight", 1),  # bottom right corner
    ("prompt_encoder.not_a_point_embed.weight", 1),
    ("mask_decoder.mask_tokens.weight", 4),
    ("mask_decoder.iou_token.weight", 1),
)

_BLOCK = r"backbone\.layers\.(\d+)"
_DECODER_LAYER = r"decoder\.(layers\.[01])"
_SAM_DECODER = r"mask_decoder.transformer"
# To the names of the official SAM files.
_RULES = (
    rename(r"backbone\.pos_embed", "image_encoder.pos_embed"),
    rename(rf"backbone\.patch_embed\.projection\.{WEIGHT}", r"image_encoder.patch_embed.proj.\1"),
    rename(rf"{_BLOCK}\.ln([12])\.{WEIGHT}", r"image_encoder.blocks.\1.norm\2.\3"),
    rename(rf"{_BLOCK}\.(attn\.rel_pos_[hw])", r"image_encoder.blocks.\1.\2"),
    rename(rf"{_BLOCK}\.(attn\.(?:qkv|proj))\.{WEIGHT}", r"image_encoder.blocks.\1.\2.\3"),
    rename(rf"{_BLOCK}\.ffn\.layers\.0\.0\.{WEIGHT}", r"image_encoder.blocks.\1.mlp.lin1.\2"),
    rename(rf"{_BLOCK}\.ffn\.layers\.1\.{WEIGHT}", r"image_encoder.blocks.\1.mlp.lin2.\2"),
    rename(rf"backbone\.channel_reduction\.([0-3])\.{WEIGHT}", r"image_encoder.neck.\1.\2"),
    rename(rf"decoder\.{ATTENTION}\.attn\.([qkv])_proj_weight", rf"{_SAM_DECODER}.\1.\2_proj.weight"),
    rename(
        rf"decoder\.{ATTENTION}\.attn\.in_proj_bias", *(rf"{_SAM_DECODER}.\1.{letter}_proj.bias" for letter in "qkv")
    ),
    rename(rf"decoder\.{ATTENTION}\.attn\.out_proj\.{WEIGHT}", rf"{_SAM_DECODER}.\1.out_proj.\2"),
    rename(rf"{_DECODER_LAYER}\.(norm[1-4])\.{WEIGHT}", rf"{_SAM_DECODER}.\1.\2.\3"),
    rename(rf"{_DECODER_LAYER}\.mlp\.layers\.0\.0\.{WEIGHT}", rf"{_SAM_DECODER}.\1.mlp.lin1.\2"),
    rename(rf"{_DECODER_LAYER}\.mlp\.layers\.1\.{WEIGHT}", rf"{_SAM_DECODER}.\1.mlp.lin2.\2"),
    rename(rf"decoder\.post_norm\.{WEIGHT}", rf"{_SAM_DECODER}.norm_final_attn.\1"),
    rename(
        r"bbox_head\.((?:output_upscaling\.[013]|output_hypernetworks_mlps\.[0-3]\.layers\.[0-2]"
        rf"|iou_prediction_head\.layers\.[0-2])\.{WEIGHT})",
        r"mask_decoder.\1",
    ),
    rename(r"(prompt_encoder\.pe_layer\.positional_encoding_gaussian_matrix)", r"\1"),
    rename(rf"(prompt_encoder\.mask_downscaling\.[01346]\.{WEIGHT})", r"\1"),
)


def ultrasam_from(tensors: Tensors, path: Path) -> SamModel:
    """Build UltraSam's network, in eval mode, from the tensors of the published file.

    tensors: names and shapes as published (293, SAM ViT-B). path: the file, for messages. The tensors are all that the
    model returned has of UltraSam: its decoder calculates otherwise than SAM's, and
    ``UltraSam`` of the segmenter adds that; alone it is off by about one logit. Raises InputError where any
    tensor is missing, left over or of another shape.
    """
    return sam_from(translate(tensors, _RULES, re.escape(_LABELS), path) | _labels_apart(tensors, path), path)


def _labels_apart(tensors: Tensors, path: Path) -> Tensors:
    """The rows of the table of labels under the names of SAM."""
    if _LABELS not in tensors:
        raise InputError(f"{path}: missing 1 tensor ({_LABELS}); it is another architecture")
    table = tensors[_LABELS]
    num_rows = sum(count for _, count in _LABEL_ROWS)
    if table.dim() != 2 or len(table) != num_rows:
        raise InputError(
            f"{path} does not fit the architecture it looks like: 1 tensor ({_LABELS}) of another shape, "
            f"{tuple(table.shape)} instead of {num_rows} rows"
        )
    parts = table.split([count for _, count in _LABEL_ROWS])
    return {name: part.clone() for (name, _), part in zip(_LABEL_ROWS, parts, strict=True)}
