"""The tensors of official SAMUS and SAM files of any size, by their names, and small models without a zero in them."""

from pathlib import Path

import pytest
import torch

from benchmarks.parity.weights import fill_by_rule, rule_values
from gdinousam.methods.samus.config import SMALL, SamusConfig
from gdinousam.methods.samus.network import Samus
from gdinousam.models.checkpoints.files import Tensors

GOLDENS = Path(__file__).parents[3] / ".." / "shared" / "goldens" / "samus"
needs_goldens = pytest.mark.skipif(not GOLDENS.is_dir(), reason="needs the recorded outputs that developers have")
Shapes = dict[str, tuple[int, ...]]


def small_samus() -> Samus:
    """SAMUS of four thin blocks for images of 64 x 64 pixels."""
    model = Samus(SMALL)
    fill_by_rule(model)
    return model.eval()


def by_rule(shapes: Shapes) -> Tensors:
    """A tensor of every name and shape, as the recorded outputs were made with."""
    return {name: torch.from_numpy(rule_values(name, shape)) for name, shape in shapes.items()}


def samus_shapes(config: SamusConfig) -> Shapes:
    """Every tensor of an official SAMUS file."""
    return sam_shapes(config, table_side=config.grid) | _added_shapes(config)


def sam_shapes(config: SamusConfig, table_side: int | None = None) -> Shapes:
    """Every tensor of the official SAM file that such a SAMUS starts from.

    table_side: tokens along a side that the relative positions of global blocks are for; SAM's have twice SAMUS's.
    """
    width, embed = config.width, config.embed_width
    shapes: Shapes = {
        "image_encoder.pos_embed": (1, 2 * config.grid, 2 * config.grid, width),
        **_layer("image_encoder.patch_embed.proj", (width, 3, 16, 16)),
        "image_encoder.neck.0.weight": (embed, width, 1, 1),
        **_layer("image_encoder.neck.1", (embed,)),
        "image_encoder.neck.2.weight": (embed, embed, 3, 3),
        **_layer("image_encoder.neck.3", (embed,)),
    }
    for place in range(config.depth):
        block, is_global = f"image_encoder.blocks.{place}", place in config.global_blocks
        side = (table_side or 2 * config.grid) if is_global else config.window_size
        for axis in "hw":
            shapes[f"{block}.attn.rel_pos_{axis}"] = (2 * side - 1, width // config.num_heads)
        shapes |= _layer(f"{block}.norm1", (width,)) | _layer(f"{block}.norm2", (width,))
        shapes |= _layer(f"{block}.attn.qkv", (3 * width, width)) | _layer(f"{block}.attn.proj", (width, width))
        shapes |= _layer(f"{block}.mlp.lin1", (config.mlp_width, width))
        shapes |= _layer(f"{block}.mlp.lin2", (width, config.mlp_width))
    return shapes | _prompt_shapes(embed) | _decoder_shapes(config)


def _added_shapes(config: SamusConfig) -> Shapes:
    width, narrow = config.width, config.adapter_width
    channels = (*config.cnn_channels, width)
    encoder = "image_encoder"
    shapes = _convolution(f"{encoder}.cnn_embed.inc.conv", 0, 3, channels[0])
    for place in range(3):
        down = f"{encoder}.cnn_embed.downs.{place}.maxpool_conv"
        shapes |= _convolution(down, 1, channels[place], channels[place + 1])
    shapes |= _convolution(f"{encoder}.post_pos_embed.downs.0.maxpool_conv", 1, width, width)
    adapters = [f"{encoder}.input_Adapter", *(f"{encoder}.blocks.{n}.MLP_Adapter" for n in config.global_blocks)]
    for adapter in adapters:
        shapes |= _layer(f"{adapter}.D_fc1", (narrow, width)) | _layer(f"{adapter}.D_fc2", (width, narrow))
    for place in config.global_blocks:
        block = f"{encoder}.blocks.{place}"
        for part in ("q", "k", "v", "proj"):
            shapes |= _layer(f"{block}.Space_Adapter.{part}", (width, width))
        shapes |= _convolution(f"{block}.refine_Adapter.conv", 0, width, width)
    return shapes


def _prompt_shapes(embed: int) -> Shapes:
    prompt = "prompt_encoder"
    embeddings = [*(f"point_embeddings.{label}" for label in range(4)), "not_a_point_embed", "no_mask_embed"]
    return {
        f"{prompt}.pe_layer.positional_encoding_gaussian_matrix": (2, embed // 2),
        **{f"{prompt}.{name}.weight": (1, embed) for name in embeddings},
        **_layer(f"{prompt}.mask_downscaling.0", (4, 1, 2, 2)),
        **_layer(f"{prompt}.mask_downscaling.1", (4,)),
        **_layer(f"{prompt}.mask_downscaling.3", (16, 4, 2, 2)),
        **_layer(f"{prompt}.mask_downscaling.4", (16,)),
        **_layer(f"{prompt}.mask_downscaling.6", (embed, 16, 1, 1)),
    }


def _decoder_shapes(config: SamusConfig) -> Shapes:
    decoder, embed, mlp = "mask_decoder", config.embed_width, config.decoder_mlp_width
    shapes: Shapes = {f"{decoder}.iou_token.weight": (1, embed), f"{decoder}.mask_tokens.weight": (4, embed)}
    shapes |= _attention(f"{decoder}.transformer.final_attn_token_to_image", embed, embed // 2)
    shapes |= _layer(f"{decoder}.transformer.norm_final_attn", (embed,))
    for layer in (f"{decoder}.transformer.layers.0", f"{decoder}.transformer.layers.1"):
        shapes |= _attention(f"{layer}.self_attn", embed, embed)
        shapes |= _attention(f"{layer}.cross_attn_token_to_image", embed, embed // 2)
        shapes |= _attention(f"{layer}.cross_attn_image_to_token", embed, embed // 2)
        shapes |= _layer(f"{layer}.mlp.lin1", (mlp, embed)) | _layer(f"{layer}.mlp.lin2", (embed, mlp))
        for norm in range(1, 5):
            shapes |= _layer(f"{layer}.norm{norm}", (embed,))
    # a transposed convolution: as many biases as the weight has in its second place
    shapes[f"{decoder}.output_upscaling.0.weight"] = (embed, embed // 4, 2, 2)
    shapes[f"{decoder}.output_upscaling.0.bias"] = (embed // 4,)
    shapes |= _layer(f"{decoder}.output_upscaling.1", (embed // 4,))
    shapes[f"{decoder}.output_upscaling.3.weight"] = (embed // 4, embed // 8, 2, 2)
    shapes[f"{decoder}.output_upscaling.3.bias"] = (embed // 8,)
    heads = {f"output_hypernetworks_mlps.{token}": embed // 8 for token in range(4)} | {"iou_prediction_head": 4}
    for head, num_out in heads.items():
        for place, rows in enumerate((embed, embed, num_out)):
            shapes |= _layer(f"{decoder}.{head}.layers.{place}", (rows, embed))
    return shapes


def _layer(name: str, shape: tuple[int, ...]) -> Shapes:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def _convolution(name: str, place: int, channels: int, new_channels: int) -> Shapes:
    """A convolution without bias at this place of a sequence, and the norm behind it."""
    return {f"{name}.{place}.weight": (new_channels, channels, 3, 3), **_layer(f"{name}.{place + 1}", (new_channels,))}


def _attention(name: str, embed: int, inner: int) -> Shapes:
    shapes = _layer(f"{name}.out_proj", (embed, inner))
    for part in "qkv":
        shapes |= _layer(f"{name}.{part}_proj", (inner, embed))
    return shapes
