"""The tensors of official BiomedParse files of any size, by their names, and a small model without a zero in it."""

from pathlib import Path

import pytest
import torch

from benchmarks.parity.weights import fill_by_rule, rule_values
from gdinousam.methods.biomedparse.config import SMALL, BiomedParseConfig
from gdinousam.methods.biomedparse.network import BiomedParse
from gdinousam.models.checkpoints.files import Tensors

GOLDENS = Path(__file__).parents[3] / ".." / "shared" / "goldens" / "biomedparse"
needs_goldens = pytest.mark.skipif(not GOLDENS.is_dir(), reason="needs the recorded outputs that developers have")
Shapes = dict[str, tuple[int, ...]]

_HEAD = "sem_seg_head.predictor"
# of the second text encoder, which an official file may hold
UNUSED_TEXT = {f"{_HEAD}.lang_encoder.biomed_encoder.embeddings.word_embeddings.weight": (30, 8)}


def small_biomedparse() -> BiomedParse:
    """A thin BiomedParse for images of 128 x 128 pixels."""
    network = BiomedParse(SMALL)
    fill_by_rule(network)
    return network.requires_grad_(False).eval()


def by_rule(shapes: Shapes) -> Tensors:
    """A tensor of every name and shape, as the recorded outputs were made with."""
    return {name: torch.from_numpy(rule_values(name, shape)) for name, shape in shapes.items()}


def official_shapes(config: BiomedParseConfig) -> Shapes:
    """Every tensor of an official file but those of the second text encoder."""
    return _backbone(config) | _pixel_decoder(config) | _predictor(config) | _text(config)


def _backbone(config: BiomedParseConfig) -> Shapes:
    shapes = _layer("backbone.patch_embed.proj", (config.focal_width, 3, 7, 7))
    shapes |= _layer("backbone.patch_embed.norm", (config.focal_width,))
    for stage, depth in enumerate(config.focal_depths):
        width = config.focal_width * 2**stage
        for number in range(depth):
            block = f"backbone.layers.{stage}.blocks.{number}"
            for part in "12":
                shapes[f"{block}.gamma_{part}"] = (width,)
                shapes |= _layer(f"{block}.norm{part}", (width,))
            shapes |= _layer(f"{block}.modulation.f", (2 * width + config.focal_levels + 1, width))
            shapes |= _layer(f"{block}.modulation.h", (width, width, 1, 1))
            shapes |= _layer(f"{block}.modulation.proj", (width, width))
            for level in range(config.focal_levels):
                shapes[f"{block}.modulation.focal_layers.{level}.0.weight"] = (width, 1, 3 + 2 * level, 3 + 2 * level)
            shapes |= _layer(f"{block}.mlp.fc1", (4 * width, width)) | _layer(f"{block}.mlp.fc2", (width, 4 * width))
        shapes |= _layer(f"backbone.norm{stage}", (width,))
        if stage < 3:
            down = f"backbone.layers.{stage}.downsample"
            shapes |= _layer(f"{down}.proj", (2 * width, width, 3, 3)) | _layer(f"{down}.norm", (2 * width,))
    return shapes


def _pixel_decoder(config: BiomedParseConfig) -> Shapes:
    decoder, width = "sem_seg_head.pixel_decoder", config.width
    shapes = _layer(f"{decoder}.input_proj", (width, 8 * config.focal_width, 1, 1))
    shapes |= _layer(f"{decoder}.mask_features", (width, width, 3, 3))
    for place in range(1, 5):
        shapes[f"{decoder}.layer_{place}.weight"] = (width, width, 3, 3)
        shapes |= _layer(f"{decoder}.layer_{place}.norm", (width,))
    for place in range(1, 4):
        shapes[f"{decoder}.adapter_{place}.weight"] = (width, config.focal_width * 2 ** (place - 1), 1, 1)
        shapes |= _layer(f"{decoder}.adapter_{place}.norm", (width,))
    for number in range(config.pixel_layers):
        layer = f"{decoder}.transformer.encoder.layers.{number}"
        shapes |= _attention(f"{layer}.self_attn", width) | _mlp(layer, config)
        shapes |= _layer(f"{layer}.norm1", (width,)) | _layer(f"{layer}.norm2", (width,))
    return shapes


def _predictor(config: BiomedParseConfig) -> Shapes:
    width = config.width
    rows = {
        "query_feat": config.num_queries,
        "query_embed": config.num_queries,
        "level_embed": 3,
        "pn_indicator": 2,
        "spatial_embed": 32,
        "spatial_featured": 32,
    }
    shapes: Shapes = {"dilation_kernel": (1, 1, 3, 3), f"{_HEAD}.class_embed": (width, width)}
    shapes |= {f"{_HEAD}.{name}.weight": (count, width) for name, count in rows.items()}
    shapes |= {f"{_HEAD}.mask_sptial_embed.{place}": (width, width) for place in range(3)}
    shapes |= _layer(f"{_HEAD}.decoder_norm", (width,))
    for place in range(3):
        shapes |= _layer(f"{_HEAD}.mask_embed.layers.{place}", (width, width))
    for number in range(config.query_layers):
        alone = f"{_HEAD}.transformer_self_attention_layers.{number}"
        across = f"{_HEAD}.transformer_cross_attention_layers.{number}"
        shapes |= _attention(f"{alone}.self_attn", width) | _layer(f"{alone}.norm", (width,))
        shapes |= _attention(f"{across}.multihead_attn", width) | _layer(f"{across}.norm", (width,))
        forward = f"{_HEAD}.transformer_ffn_layers.{number}"
        shapes |= _mlp(forward, config) | _layer(f"{forward}.norm", (width,))
    return shapes


def _text(config: BiomedParseConfig) -> Shapes:
    outer, width = f"{_HEAD}.lang_encoder", config.width
    inner = f"{outer}.lang_encoder"
    shapes: Shapes = {
        f"{outer}.lang_proj": (width, width),
        f"{outer}.logit_scale": (),
        f"{inner}.positional_embedding": (config.num_tokens, width),
        f"{inner}.token_embedding.weight": (config.vocabulary, width),
        **_layer(f"{inner}.ln_final", (width,)),
    }
    for number in range(config.text_layers):
        block = f"{inner}.resblocks.{number}"
        shapes |= _attention(f"{block}.attn", width)
        shapes |= _layer(f"{block}.ln_1", (width,)) | _layer(f"{block}.ln_2", (width,))
        shapes |= _layer(f"{block}.mlp.c_fc", (4 * width, width)) | _layer(f"{block}.mlp.c_proj", (width, 4 * width))
    return shapes


def _layer(name: str, shape: tuple[int, ...]) -> Shapes:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def _mlp(name: str, config: BiomedParseConfig) -> Shapes:
    return _layer(f"{name}.linear1", (config.mlp_width, config.width)) | _layer(
        f"{name}.linear2", (config.width, config.mlp_width)
    )


def _attention(name: str, width: int) -> Shapes:
    shapes: Shapes = {f"{name}.in_proj_weight": (3 * width, width), f"{name}.in_proj_bias": (3 * width,)}
    return shapes | _layer(f"{name}.out_proj", (width, width))
