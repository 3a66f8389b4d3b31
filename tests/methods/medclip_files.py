"""What the tests of both MedCLIP-SAMs share: recorded outputs, and small networks in all layouts."""

import json
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from benchmarks.parity.weights import rule_values
from gdinousam.methods.medclip_sam.biomedclip import BiomedClip, BiomedClipSize
from gdinousam.models.checkpoints.files import Tensors

GOLDENS = Path(__file__).parents[2] / ".." / "shared" / "goldens" / "medclip_sam"
needs_goldens = pytest.mark.skipif(not GOLDENS.is_dir(), reason="needs the recorded outputs that developers have")

TINY = BiomedClipSize(
    image_size=32,
    patch_size=8,
    width=64,
    depth=4,
    num_heads=4,
    mlp_width=128,
    text_width=64,
    text_depth=2,
    text_num_heads=4,
    text_mlp_width=128,
    vocabulary=100,
    positions=32,
    embed_width=32,
)


def recorded(name: str) -> dict[str, npt.NDArray[np.generic]]:
    with np.load(GOLDENS / f"{name}.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def recorded_shapes(name: str) -> dict[str, tuple[int, ...]]:
    keys = json.loads((GOLDENS / f"{name}_state_dict_keys.json").read_text(encoding="utf-8"))["keys"]
    return {key: tuple(shape) for key, (shape, _) in keys.items()}


def recorded_tensors(name: str) -> Tensors:
    return {key: torch.from_numpy(rule_values(key, shape)) for key, shape in recorded_shapes(name).items()}


def with_epsilon(model: BiomedClip, epsilon: float) -> BiomedClip:
    """The re-packaged BiomedCLIP, which was recorded, has the text tower's epsilon in its image tower too."""
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = epsilon
    return model.requires_grad_(False)


def recorded_image_tower() -> tuple[BiomedClip, torch.Tensor]:
    """The tiny image tower that gScoreCAM was recorded with, and its table of text features, (10, 32)."""
    size = BiomedClipSize(32, 8, 64, 3, 4, 256, 64, 1, 4, 64, 10, 8, 32)
    model = BiomedClip(size).eval().requires_grad_(False)
    tensors = recorded_tensors("gscorecam_tiny")
    own = model.state_dict()
    for name, tensor in tensors.items():
        if name.startswith("visual."):
            own[name.replace("visual.", "visual.trunk.")].copy_(tensor)
    own["visual.head.proj.weight"].copy_(tensors["proj.weight"])
    own["logit_scale"].copy_(tensors["logit_scale"] + math.log(10))  # recorded with ten times the scale
    return model, tensors["text.weight"]


def in_layout_of_transformers(model: BiomedClip) -> Tensors:
    """The tensors of a model as in the fine-tuned file of MedCLIP-SAMv2."""
    own = model.state_dict()
    tensors = {"logit_scale": own["logit_scale"]}

    def put(target: str, source: str, kinds: tuple[str, ...] = ("weight", "bias")) -> None:
        tensors.update({f"{target}.{kind}": own[f"{source}.{kind}"] for kind in kinds})

    text, of_text = "text_model", "text.transformer"
    for target, source in (("token", "word"), ("position", "position"), ("token_type", "token_type")):
        put(f"{text}.embeddings.{target}_embedding", f"{of_text}.embeddings.{source}_embeddings", ("weight",))
    put(f"{text}.embeddings.layer_norm", f"{of_text}.embeddings.LayerNorm")
    for layer in range(model.size.text_depth):
        target, source = f"{text}.encoder.layers.{layer}", f"{of_text}.encoder.layer.{layer}"
        for letter, word in (("q", "query"), ("k", "key"), ("v", "value")):
            put(f"{target}.self_attn.{letter}_proj", f"{source}.attention.self.{word}")
        put(f"{target}.self_attn.out_proj", f"{source}.attention.output.dense")
        put(f"{target}.layer_norm1", f"{source}.attention.output.LayerNorm")
        put(f"{target}.mlp.fc1", f"{source}.intermediate.dense")
        put(f"{target}.mlp.fc2", f"{source}.output.dense")
        put(f"{target}.layer_norm2", f"{source}.output.LayerNorm")
    put("text_projection.fc1", "text.proj.0", ("weight",))
    put("text_projection.fc2", "text.proj.2", ("weight",))
    tensors["vision_model.embeddings.class_embedding"] = own["visual.trunk.cls_token"].flatten()
    tensors["vision_model.embeddings.position_embedding.weight"] = own["visual.trunk.pos_embed"][0]
    put("vision_model.embeddings.patch_embedding", "visual.trunk.patch_embed.proj")
    for layer in range(model.size.depth):
        target, source = f"vision_model.encoder.layers.{layer}", f"visual.trunk.blocks.{layer}"
        for kind in ("weight", "bias"):
            parts = own[f"{source}.attn.qkv.{kind}"].chunk(3)
            tensors |= {f"{target}.self_attn.{one}_proj.{kind}": part for one, part in zip("qkv", parts, strict=True)}
        put(f"{target}.self_attn.out_proj", f"{source}.attn.proj")
        for number in (1, 2):
            put(f"{target}.layer_norm{number}", f"{source}.norm{number}")
            put(f"{target}.mlp.fc{number}", f"{source}.mlp.fc{number}")
    put("vision_model.post_layernorm", "visual.trunk.norm")
    put("visual_projection", "visual.head.proj", ("weight",))
    return {name: tensor.clone() for name, tensor in tensors.items()}


def write_tokenizer(folder: Path, first: tuple[str, ...] = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")) -> None:
    """A vocabulary that begins as PubMedBERT's does."""
    words = (*first, "a", "an", "ultrasound", "image", "showing", "cyst", "nodule", ".")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
