"""Official SAM files of all three sizes, and MedSAM's, which has the same layout, read into transformers' model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from transformers import SamConfig, SamModel, SamVisionConfig

from gdinousam.errors import InputError
from gdinousam.models.checkpoints.files import Tensors
from gdinousam.models.checkpoints.keys import rename, translate
from gdinousam.models.checkpoints.sam_parts import SAM_RULES, WEIGHT, encoder_size
from gdinousam.models.weights.pretrained import from_tensors


@dataclass(frozen=True)
class _Size:
    """Shape of the image encoder; global_blocks, counted from 0, attend to the whole image instead of a window."""

    width: int
    num_blocks: int
    num_heads: int
    global_blocks: tuple[int, ...]


# The package segment-anything 1.0, build_sam.py.
_SIZES = (
    _Size(768, 12, 12, (2, 5, 8, 11)),
    _Size(1024, 24, 16, (5, 11, 17, 23)),
    _Size(1280, 32, 16, (7, 15, 23, 31)),
)
_SIZE_NAMES = "ViT-B, ViT-L and ViT-H"

_ENCODER = r"image_encoder"
_BLOCK = rf"{_ENCODER}\.blocks\.(\d+)"
_RULES = (
    rename(rf"{_ENCODER}\.pos_embed", "vision_encoder.pos_embed"),
    rename(rf"{_ENCODER}\.patch_embed\.proj\.{WEIGHT}", r"vision_encoder.patch_embed.projection.\1"),
    rename(rf"{_BLOCK}\.norm([12])\.{WEIGHT}", r"vision_encoder.layers.\1.layer_norm\2.\3"),
    rename(rf"{_BLOCK}\.attn\.(rel_pos_[hw])", r"vision_encoder.layers.\1.attn.\2"),
    rename(rf"{_BLOCK}\.(attn\.qkv|attn\.proj|mlp\.lin[12])\.{WEIGHT}", r"vision_encoder.layers.\1.\2.\3"),
    rename(rf"{_ENCODER}\.neck\.0\.weight", "vision_encoder.neck.conv1.weight"),
    rename(rf"{_ENCODER}\.neck\.1\.{WEIGHT}", r"vision_encoder.neck.layer_norm1.\1"),
    rename(rf"{_ENCODER}\.neck\.2\.weight", "vision_encoder.neck.conv2.weight"),
    rename(rf"{_ENCODER}\.neck\.3\.{WEIGHT}", r"vision_encoder.neck.layer_norm2.\1"),
    *SAM_RULES,
)
# Every name in an official file is used.
_NOTHING = r"(?!)"


def sam_from(tensors: Tensors, path: Path) -> SamModel:
    """Build SAM ViT-B, ViT-L or ViT-H, in eval mode, from the tensors of an official file.

    tensors: names and shapes as published, also those of MedSAM. path: the file, for messages. Raises InputError where
    the size is none of these, or any tensor is missing, left over or of another shape.
    """
    size = _size_of(tensors, path)
    vision = SamVisionConfig(
        hidden_size=size.width,
        num_hidden_layers=size.num_blocks,
        num_attention_heads=size.num_heads,
        global_attn_indexes=list(size.global_blocks),
    )
    return from_tensors(SamModel, SamConfig(vision_config=vision), translate(tensors, _RULES, _NOTHING, path), path)


def _size_of(tensors: Tensors, path: Path) -> _Size:
    width, num_blocks = encoder_size(tensors, "image_encoder")
    for size in _SIZES:
        if (size.width, size.num_blocks) == (width, num_blocks):
            return size
    raise InputError(f"{path} is a SAM of width {width} with {num_blocks} blocks; known are {_SIZE_NAMES}")
