"""Official Grounding DINO files, ``groundingdino_swint_ogc.pth`` and ``groundingdino_swinb_cogcoor.pth``, renamed.

The names of groundingdino-py 0.4.0 on the left of the rules, those of transformers 4.57 on the right; transformers 5
renames the latter by itself. Sizes are read off the tensors, so that Swin-T, Swin-B and smaller models of the same
layout need no settings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isqrt
from pathlib import Path

import torch
from huggingface_hub import try_to_load_from_cache
from transformers import (
    BertConfig,
    BertTokenizerFast,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    PreTrainedTokenizerBase,
    SwinConfig,
)

from gdinousam.errors import InputError
from gdinousam.models.checkpoints.files import Tensors
from gdinousam.models.checkpoints.keys import Rule, new_names, rename, translate
from gdinousam.models.weights.pretrained import first_line, from_tensors, has_tokenizer, require_places
from gdinousam.reading import reading

_TEXT = "model.text_backbone."
_IMAGE = "model.backbone.conv_encoder.model."
_BLOCK = r"backbone\.0\.layers\.(\d+\.blocks\.\d+)\."
_NEW_BLOCK = _IMAGE + r"encoder.layers.\1."
_ENCODER = r"transformer\.encoder\.layers\.(\d+)\."
_TEXT_ENHANCER = r"transformer\.encoder\.text_layers\.(\d+)\."
_NEW_TEXT_ENHANCER = r"model.encoder.layers.\1.text_enhancer_layer."
_FUSION = r"transformer\.encoder\.fusion_layers\.(\d+)\."
_NEW_FUSION = r"model.encoder.layers.\1.fusion_layer."
_DECODER = r"transformer\.decoder\.layers\.(\d+)\."
_NEW_DECODER = r"model.decoder.layers.\1."
# The one box head of all decoder layers: in official files under two names per layer, here under the first of ours.
_BOX_HEAD = r"(?:transformer\.decoder\.)?bbox_embed\.\d+\.(.+)"
_NEW_BOX_HEAD = "model.decoder.bbox_embed.0."


def _attention(old: str, new: str) -> list[Rule]:
    """torch's MultiheadAttention: one matrix for query, key and value there, three here."""
    return [
        rename(rf"{old}in_proj_(weight|bias)", *(rf"{new}{part}.\2" for part in ("query", "key", "value"))),
        rename(rf"{old}out_proj\.(.+)", rf"{new}out_proj.\2"),
    ]


_RULES = (
    rename(r"backbone\.0\.patch_embed\.proj\.(.+)", rf"{_IMAGE}embeddings.patch_embeddings.projection.\1"),
    rename(r"backbone\.0\.patch_embed\.norm\.(.+)", rf"{_IMAGE}embeddings.norm.\1"),
    rename(rf"{_BLOCK}norm1\.(.+)", rf"{_NEW_BLOCK}layernorm_before.\2"),
    rename(rf"{_BLOCK}norm2\.(.+)", rf"{_NEW_BLOCK}layernorm_after.\2"),
    rename(rf"{_BLOCK}attn\.(relative_position_.+)", rf"{_NEW_BLOCK}attention.self.\2"),
    rename(
        rf"{_BLOCK}attn\.qkv\.(.+)", *(rf"{_NEW_BLOCK}attention.self.{part}.\2" for part in ("query", "key", "value"))
    ),
    rename(rf"{_BLOCK}attn\.proj\.(.+)", rf"{_NEW_BLOCK}attention.output.dense.\2"),
    rename(rf"{_BLOCK}mlp\.fc1\.(.+)", rf"{_NEW_BLOCK}intermediate.dense.\2"),
    rename(rf"{_BLOCK}mlp\.fc2\.(.+)", rf"{_NEW_BLOCK}output.dense.\2"),
    rename(r"backbone\.0\.layers\.(\d+\.downsample\..+)", rf"{_IMAGE}encoder.layers.\1"),
    # stages count from 0 there and from 1 here
    *(rename(rf"backbone\.0\.norm{i}\.(.+)", rf"{_IMAGE}hidden_states_norms.stage{i + 1}.\1") for i in range(4)),
    rename(r"input_proj\.(.+)", r"model.input_proj_vision.\1"),
    rename(r"bert\.((?:embeddings|encoder)\..+)", rf"{_TEXT}\1"),
    rename(r"feat_map\.(.+)", r"model.text_projection.\1"),
    rename(rf"{_ENCODER}(self_attn\..+)", r"model.encoder.layers.\1.deformable_layer.\2"),
    rename(rf"{_ENCODER}norm1\.(.+)", r"model.encoder.layers.\1.deformable_layer.self_attn_layer_norm.\2"),
    rename(rf"{_ENCODER}norm2\.(.+)", r"model.encoder.layers.\1.deformable_layer.final_layer_norm.\2"),
    rename(rf"{_ENCODER}linear([12])\.(.+)", r"model.encoder.layers.\1.deformable_layer.fc\2.\3"),
    *_attention(rf"{_TEXT_ENHANCER}self_attn\.", f"{_NEW_TEXT_ENHANCER}self_attn."),
    rename(rf"{_TEXT_ENHANCER}norm1\.(.+)", rf"{_NEW_TEXT_ENHANCER}layer_norm_before.\2"),
    rename(rf"{_TEXT_ENHANCER}norm2\.(.+)", rf"{_NEW_TEXT_ENHANCER}layer_norm_after.\2"),
    rename(rf"{_TEXT_ENHANCER}linear([12])\.(.+)", rf"{_NEW_TEXT_ENHANCER}fc\2.\3"),
    rename(rf"{_FUSION}gamma_v", f"{_NEW_FUSION}vision_param"),
    rename(rf"{_FUSION}gamma_l", f"{_NEW_FUSION}text_param"),
    rename(rf"{_FUSION}layer_norm_v\.(.+)", rf"{_NEW_FUSION}layer_norm_vision.\2"),
    rename(rf"{_FUSION}layer_norm_l\.(.+)", rf"{_NEW_FUSION}layer_norm_text.\2"),
    rename(rf"{_FUSION}attn\.(values_|out_|)v_proj\.(.+)", rf"{_NEW_FUSION}attn.\2vision_proj.\3"),
    rename(rf"{_FUSION}attn\.(values_|out_|)l_proj\.(.+)", rf"{_NEW_FUSION}attn.\2text_proj.\3"),
    rename(rf"{_DECODER}cross_attn\.(.+)", rf"{_NEW_DECODER}encoder_attn.\2"),
    rename(rf"{_DECODER}norm1\.(.+)", rf"{_NEW_DECODER}encoder_attn_layer_norm.\2"),
    *_attention(rf"{_DECODER}ca_text\.", f"{_NEW_DECODER}encoder_attn_text."),
    rename(rf"{_DECODER}catext_norm\.(.+)", rf"{_NEW_DECODER}encoder_attn_text_layer_norm.\2"),
    *_attention(rf"{_DECODER}self_attn\.", f"{_NEW_DECODER}self_attn."),
    rename(rf"{_DECODER}norm2\.(.+)", rf"{_NEW_DECODER}self_attn_layer_norm.\2"),
    rename(rf"{_DECODER}norm3\.(.+)", rf"{_NEW_DECODER}final_layer_norm.\2"),
    rename(rf"{_DECODER}linear([12])\.(.+)", rf"{_NEW_DECODER}fc\2.\3"),
    rename(r"transformer\.decoder\.norm\.(.+)", r"model.decoder.layer_norm.\1"),
    rename(r"transformer\.decoder\.ref_point_head\.(.+)", r"model.decoder.reference_points_head.\1"),
    rename(_BOX_HEAD, rf"{_NEW_BOX_HEAD}\1"),
    rename(r"transformer\.level_embed", "model.level_embed"),
    rename(r"transformer\.tgt_embed\.(.+)", r"model.query_position_embeddings.\1"),
    rename(r"transformer\.enc_(output|output_norm)\.(.+)", r"model.enc_\1.\2"),
    rename(r"transformer\.enc_out_bbox_embed\.(.+)", r"model.encoder_output_bbox_embed.\1"),
)
# BERT's pooler and position numbers, and the label embedding of the denoising task of pre-training: nothing reads them.
_IGNORED = r"bert\.pooler\..+|bert\.embeddings\.position_ids|label_enc\.weight"

# The same in both published files, and not to be seen from the shapes of tensors.
_NUM_HEADS = 8
_MAX_TEXT_LENGTH = 256
_BERT_HEAD_SIZE = 64
_SWIN_DOWNSAMPLING = 32

_TOKENIZER_REPOSITORIES = ("google-bert/bert-base-uncased", "bert-base-uncased")


def grounding_dino_from(tensors: Tensors, path: Path) -> GroundingDinoForObjectDetection:
    """Build the model, in eval mode and float32, that an official file holds.

    tensors: the file's, under official names. path: the file, for messages. Raises InputError where a tensor is
    unknown, missing or of a shape that does not fit the others, or where the names of the shared box head disagree.
    """
    _require_one_box_head(tensors, path)
    with reading(path, "an official Grounding DINO file", "fetch it again"):  # sizes are read off any shape
        config = _config_from(tensors, path)
    # transformers 5 would build the model in the type that it finds
    floats = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    renamed = translate(floats, _RULES, _IGNORED, path)
    box_head = {name: tensor for name, tensor in renamed.items() if name.startswith(_NEW_BOX_HEAD)}
    for prefix in ("bbox_embed.", "model.decoder.bbox_embed."):
        for layer in range(config.decoder_layers):
            for name, tensor in box_head.items():
                renamed[f"{prefix}{layer}.{name.removeprefix(_NEW_BOX_HEAD)}"] = tensor.clone()
    model: GroundingDinoForObjectDetection = from_tensors(GroundingDinoForObjectDetection, config, renamed, path)
    return model


def transformers_module(official_module: str) -> str | None:
    """The name in transformers' model of a module of the official one.

    Modules of the shared box head have one name, that of decoder layer 0. ``None``: no such module, or one that is
    several here, such as a joint query, key and value projection.
    """
    names = new_names(f"{official_module}.weight", _RULES)
    return names[0].removesuffix(".weight") if len(names) == 1 else None


def official_tokenizer(path: Path) -> PreTrainedTokenizerBase:
    """BERT's tokenizer for an official file: from the file's folder, else from the hub's cache on this machine.

    Never fetches. Raises InputError where it is in neither place, or where the folder holds another model's.
    """
    folder = path.parent if has_tokenizer(path.parent) else _cached_tokenizer()
    if folder is None:
        raise InputError(
            f"{path} comes without BERT's tokenizer and {path.parent} has none; "
            "gdinousam download official-grounding-dino-swin-t fetches both into one folder"
        )
    # the class by name: BERT's own repository does not say in its tokenizer files which class reads them
    try:
        tokenizer: PreTrainedTokenizerBase = BertTokenizerFast.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:  # the tokenizers library raises nothing narrower
        raise InputError(f"cannot read the tokenizer in {folder}: {first_line(error)}") from error
    require_places(tokenizer, folder)
    return tokenizer


def _cached_tokenizer() -> Path | None:
    for repository in _TOKENIZER_REPOSITORIES:
        for file in ("tokenizer.json", "vocab.txt"):
            cached = try_to_load_from_cache(repository, file)
            if isinstance(cached, str):
                return Path(cached).parent
    return None


def _require_one_box_head(tensors: Tensors, path: Path) -> None:
    first: Tensors = {}
    for name, tensor in tensors.items():
        match = re.fullmatch(_BOX_HEAD, name)
        if match and not torch.equal(first.setdefault(match[1], tensor), tensor):
            raise InputError(
                f"{path}: {name} differs from the box head's other names; its decoder layers share one box head here"
            )


def _config_from(tensors: Tensors, path: Path) -> GroundingDinoConfig:
    shapes = _Shapes(tensors, path)
    levels, width = shapes.of("transformer.level_embed")
    weights_per_point = _NUM_HEADS * levels  # of deformable attention
    encoder, decoder = "transformer.encoder.layers.", "transformer.decoder.layers."
    return GroundingDinoConfig(
        backbone_config=_image_config(shapes),
        text_config=_text_config(shapes),
        d_model=width,
        num_queries=shapes.of("transformer.tgt_embed.weight")[0],
        num_feature_levels=levels,
        encoder_layers=shapes.count(encoder),
        encoder_attention_heads=_NUM_HEADS,
        encoder_ffn_dim=shapes.of(f"{encoder}0.linear1.bias")[0],
        encoder_n_points=shapes.of(f"{encoder}0.self_attn.attention_weights.bias")[0] // weights_per_point,
        decoder_layers=shapes.count(decoder),
        decoder_attention_heads=_NUM_HEADS,
        decoder_ffn_dim=shapes.of(f"{decoder}0.linear1.bias")[0],
        decoder_n_points=shapes.of(f"{decoder}0.cross_attn.attention_weights.bias")[0] // weights_per_point,
        max_text_len=_MAX_TEXT_LENGTH,
        dropout=0.0,  # as in both official configurations; transformers' default is 0.1
    )


def _image_config(shapes: _Shapes) -> SwinConfig:
    blocks = [f"backbone.0.layers.{stage}.blocks." for stage in range(shapes.count("backbone.0.layers."))]
    # one row for each of (2 w - 1)^2 differences of places in a window of w x w, one column for each head
    tables = [shapes.of(f"{stage}0.attn.relative_position_bias_table") for stage in blocks]
    window = (isqrt(tables[0][0]) + 1) // 2
    return SwinConfig(
        image_size=_SWIN_DOWNSAMPLING * window,  # of its pre-training: 224 with windows of 7, 384 with windows of 12
        embed_dim=shapes.of("backbone.0.patch_embed.proj.weight")[0],
        depths=[shapes.count(stage) for stage in blocks],
        num_heads=[heads for _, heads in tables],
        window_size=window,
        out_indices=[stage + 1 for stage in range(len(blocks)) if f"backbone.0.norm{stage}.weight" in shapes.tensors],
    )


def _text_config(shapes: _Shapes) -> BertConfig:
    words, width = shapes.of("bert.embeddings.word_embeddings.weight")
    return BertConfig(
        vocab_size=words,
        hidden_size=width,
        num_hidden_layers=shapes.count("bert.encoder.layer."),
        num_attention_heads=max(1, width // _BERT_HEAD_SIZE),
        intermediate_size=shapes.of("bert.encoder.layer.0.intermediate.dense.bias")[0],
        max_position_embeddings=shapes.of("bert.embeddings.position_embeddings.weight")[0],
    )


@dataclass(frozen=True, eq=False)
class _Shapes:
    """What sizes are read off: the tensors of a file, and the file for messages."""

    tensors: Tensors
    path: Path

    def of(self, name: str) -> torch.Size:
        if name not in self.tensors:
            raise InputError(f"{self.path} lacks {name}; it is cut off or of another architecture")
        return self.tensors[name].shape

    def count(self, prefix: str) -> int:
        """How many different numbers follow this beginning of names."""
        return len({name.removeprefix(prefix).split(".")[0] for name in self.tensors if name.startswith(prefix)})
