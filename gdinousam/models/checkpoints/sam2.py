"""Official SAM2 and SAM2.1 files of all four sizes, read into transformers' model of single images.

The files of both versions hold the same image model; they differ in how a video is followed, which is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import Sam2Config, Sam2HieraDetConfig, Sam2Model, Sam2VisionConfig

from gdinousam.errors import InputError
from gdinousam.models.checkpoints.files import Tensors
from gdinousam.models.checkpoints.keys import listed, rename, translate
from gdinousam.models.checkpoints.sam_parts import ATTENTION, DECODER, PROMPT, SHARED_RULES, WEIGHT, encoder_size
from gdinousam.models.weights.pretrained import from_tensors


@dataclass(frozen=True)
class _Size:
    """Shape of the image encoder; width and heads, given for the first of four stages, double from stage to stage.

    global_blocks, counted from 0, attend to the whole image instead of windows. background_side: side of the small
    grid of positions that is stretched over the image.
    """

    width: int
    num_heads: int
    blocks_per_stage: tuple[int, int, int, int]
    global_blocks: tuple[int, int, int]
    window_sizes: tuple[int, int, int, int] = (8, 4, 14, 7)
    background_side: int = 7

    @property
    def num_blocks(self) -> int:
        return sum(self.blocks_per_stage)


# The package sam2 1.1.0, configs/sam2.1; configs/sam2 agrees. Where base_plus is silent, the defaults of class Hiera.
_SIZES = (
    _Size(96, 1, (1, 2, 7, 2), (5, 7, 9)),
    _Size(96, 1, (1, 2, 11, 2), (7, 10, 13)),
    _Size(112, 2, (2, 3, 16, 3), (12, 16, 20), background_side=14),
    _Size(144, 2, (2, 6, 36, 4), (23, 33, 43), window_sizes=(8, 4, 16, 8)),
)
_SIZE_NAMES = "tiny, small, base_plus and large"

# What carries objects from one frame of a video to the next. no_mem_embed is not among it: it is added to the features
# of every image that has no earlier frame.
_VIDEO_ONLY = (
    r"(memory_attention|memory_encoder|mask_downsample|obj_ptr_proj|obj_ptr_tpos_proj)\..*"
    r"|maskmem_tpos_enc|no_mem_pos_enc|no_obj_ptr|no_obj_embed_spatial"
)

_TRUNK = r"image_encoder\.trunk"
_BLOCK = rf"{_TRUNK}\.blocks\.(\d+)"
_POINTS = "sam_prompt_encoder.point_embeddings"
_RULES = (
    rename(r"no_mem_embed", "no_memory_embedding"),
    rename(rf"{_TRUNK}\.(pos_embed|pos_embed_window)", r"vision_encoder.backbone.\1"),
    rename(rf"{_TRUNK}\.patch_embed\.proj\.{WEIGHT}", r"vision_encoder.backbone.patch_embed.projection.\1"),
    rename(rf"{_BLOCK}\.norm([12])\.{WEIGHT}", r"vision_encoder.backbone.blocks.\1.layer_norm\2.\3"),
    rename(rf"{_BLOCK}\.(attn\.qkv|attn\.proj|proj)\.{WEIGHT}", r"vision_encoder.backbone.blocks.\1.\2.\3"),
    rename(rf"{_BLOCK}\.mlp\.layers\.0\.{WEIGHT}", r"vision_encoder.backbone.blocks.\1.mlp.proj_in.\2"),
    rename(rf"{_BLOCK}\.mlp\.layers\.1\.{WEIGHT}", r"vision_encoder.backbone.blocks.\1.mlp.proj_out.\2"),
    rename(rf"image_encoder\.neck\.convs\.([0-3])\.conv\.{WEIGHT}", r"vision_encoder.neck.convs.\1.\2"),
    rename(rf"{PROMPT}\.point_embeddings\.weight", "prompt_encoder.point_embed.weight"),
    rename(rf"{DECODER}\.transformer\.{ATTENTION}\.out_proj\.{WEIGHT}", r"mask_decoder.transformer.\1.o_proj.\2"),
    rename(
        rf"{DECODER}\.transformer\.(layers\.[01])\.mlp\.layers\.0\.{WEIGHT}",
        r"mask_decoder.transformer.\1.mlp.proj_in.\2",
    ),
    rename(
        rf"{DECODER}\.transformer\.(layers\.[01])\.mlp\.layers\.1\.{WEIGHT}",
        r"mask_decoder.transformer.\1.mlp.proj_out.\2",
    ),
    rename(rf"{DECODER}\.obj_score_token\.weight", "mask_decoder.obj_score_token.weight"),
    rename(rf"{DECODER}\.(conv_s[01])\.{WEIGHT}", r"mask_decoder.\1.\2"),
    *SHARED_RULES,
)


def sam2_from(tensors: Tensors, path: Path) -> Sam2Model:
    """Build SAM2 or SAM2.1 for single images, in eval mode, from the tensors of an official file.

    tensors: names and shapes as published; those for videos alone are left out. path: the file, for messages. Raises
    InputError where the size is none of the four, or any tensor is missing, left over or of another shape.
    """
    config = _config(_size_of(tensors, path))
    renamed = translate(_with_one_table(tensors, path), _RULES, _VIDEO_ONLY, path)
    return from_tensors(Sam2Model, config, renamed, path)


def _size_of(tensors: Tensors, path: Path) -> _Size:
    width, num_blocks = encoder_size(tensors, "image_encoder.trunk")
    for size in _SIZES:
        if (size.width, size.num_blocks) == (width, num_blocks):
            return size
    raise InputError(f"{path} is a SAM2 of width {width} with {num_blocks} blocks; known are {_SIZE_NAMES}")


def _config(size: _Size) -> Sam2Config:
    """The sizes; all else, such as the answer with another mask where the single one is not stable, is the default."""
    widths = [size.width * 2**stage for stage in range(4)]
    backbone = Sam2HieraDetConfig(
        hidden_size=size.width,
        num_attention_heads=size.num_heads,
        blocks_per_stage=list(size.blocks_per_stage),
        embed_dim_per_stage=widths,
        num_attention_heads_per_stage=[size.num_heads * 2**stage for stage in range(4)],
        window_size_per_stage=list(size.window_sizes),
        global_attention_blocks=list(size.global_blocks),
        window_positional_embedding_background_size=[size.background_side] * 2,
    )
    return Sam2Config(vision_config=Sam2VisionConfig(backbone_config=backbone, backbone_channel_list=widths[::-1]))


def _with_one_table(tensors: Tensors, path: Path) -> Tensors:
    """Stack the four kinds of points, each (1, C) in the files, into the (4, C) table of transformers."""
    names = [f"{_POINTS}.{kind}.weight" for kind in range(4)]
    missing = [name for name in names if name not in tensors]
    if missing:
        raise InputError(f"{path}: missing {listed(missing)}; it is another architecture")
    others = {name: tensor for name, tensor in tensors.items() if name not in names}
    return others | {f"{_POINTS}.weight": torch.cat([tensors[name] for name in names])}
