"""Modules of ours in the place of transformers': all of them, under its names, and each copy with its own weights."""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors import safe_open
from torch import nn

from gdinousam.models.adapters.lora import LoraSettings, add_lora
from gdinousam.models.detector.detector import Detector
from gdinousam.models.detector.own_modules import use_own_modules
from gdinousam.models.loading import load_grounding_dino, load_mask_head
from gdinousam.models.mask_heads.hiera_attention import use_hiera_attention
from gdinousam.models.mask_heads.sam2 import MaskHead
from gdinousam.models.small import random_small_mask_head
from gdinousam.prompts import build_caption, tokenize_captions
from gdinousam.runtime import torch_seed

Copy = Callable[[nn.Module], Any]


def through_a_file(model: nn.Module) -> Any:
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


COPIES = pytest.mark.parametrize("copied", [copy.deepcopy, through_a_file])
not_with_5 = pytest.mark.skipif(
    int(transformers.__version__.split(".")[0]) >= 5,
    reason="transformers 5 hangs local functions on its own image backbone, which no pickle takes",
)
COPIES_OF_DETECTORS = pytest.mark.parametrize("copied", [copy.deepcopy, pytest.param(through_a_file, marks=not_with_5)])


def plain_detector(folder: Path) -> Detector:
    model, tokenizer = load_grounding_dino(str(folder))
    return Detector(model.requires_grad_(False), tokenizer).eval()


def recomputing_lora_detector(folder: Path) -> Detector:
    model, tokenizer = load_grounding_dino(str(folder))
    with torch_seed(1):
        detector = Detector(add_lora(model, LoraSettings(rank=4)), tokenizer)
    detector.recompute_layers()
    return detector.train()


def answers(detector: Detector) -> torch.Tensor:
    """Boxes for one image; with gradients, so that recomputed layers are."""
    tokens = tokenize_captions([build_caption(["cyst", "liver"])], detector.tokenizer, detector.max_tokens)
    with torch_seed(7):
        return detector(torch.randn(1, 3, 96, 96), tokens).last.boxes_cxcywh_norm


@COPIES_OF_DETECTORS
@pytest.mark.parametrize("build", [plain_detector, recomputing_lora_detector])
def test_a_copy_answers_alike(small_detector: Path, build: Callable[[Path], Detector], copied: Copy) -> None:
    detector = build(small_detector)
    expected = answers(detector)
    assert torch.equal(answers(copied(detector)), expected)


# a part of each class of ours, with a weight that only it reads
@pytest.mark.parametrize(
    "part",
    [
        "backbone.conv_encoder",
        "text_backbone",
        "encoder.layers.0.fusion_layer.attn",
        "encoder.layers.0.deformable_layer.self_attn.value_proj",
        "encoder.layers.0.deformable_layer.self_attn.sampling_offsets",
        "decoder.layers.0.encoder_attn.sampling_offsets",
        "decoder.layers.0.encoder_attn.output_proj",
        "decoder.bbox_embed.0",
        "encoder_output_bbox_embed",
    ],
)
@COPIES_OF_DETECTORS
def test_a_copy_of_a_detector_runs_its_own_weights(small_detector: Path, part: str, copied: Copy) -> None:
    detector = plain_detector(small_detector)
    expected = answers(detector)
    other = copied(detector)
    with torch.no_grad():
        for parameter in other.grounding_dino.model.get_submodule(part).parameters():
            parameter.mul_(1.5)
    assert not torch.equal(answers(other), expected)
    assert torch.equal(answers(detector), expected)


@COPIES_OF_DETECTORS
def test_a_copy_trains_its_own_weights(small_detector: Path, copied: Copy) -> None:
    detector = recomputing_lora_detector(small_detector)
    other = copied(detector)
    answers(other).sum().backward()
    trained = {name for name, parameter in other.named_parameters() if parameter.requires_grad}
    with_gradient = {name for name, parameter in other.named_parameters() if parameter.grad is not None}
    assert with_gradient and with_gradient <= trained
    assert all(parameter.grad is None for parameter in detector.parameters())


@COPIES
def test_a_copy_of_a_mask_head_runs_its_own_weights(small_mask_head: Path, copied: Copy) -> None:
    head = load_mask_head(str(small_mask_head))
    expected = mask_logits(head)
    other = copied(head)
    assert torch.equal(mask_logits(other), expected)
    with torch.no_grad():
        for block in other.image_encoder.backbone.blocks:
            block.attn.qkv.weight.mul_(2)
    assert not torch.equal(mask_logits(other), expected)
    assert torch.equal(mask_logits(head), expected)


@torch.no_grad()
def mask_logits(head: MaskHead) -> torch.Tensor:
    with torch_seed(3):
        pixels = torch.randn(1, 3, head.side, head.side)
    return head(pixels, torch.tensor([[[20.0, 30.0, 120.0, 130.0]]]))


def contents(folder: Path) -> tuple[set[str], dict[str, Any]]:
    """Of a saved model: the names of its tensors, and its config."""
    with safe_open(folder / "model.safetensors", "pt") as tensors:
        return set(tensors.keys()), json.loads((folder / "config.json").read_text())


def test_names_of_weights_and_files_are_those_of_transformers(small_detector: Path, tmp_path: Path) -> None:
    model, tokenizer = load_grounding_dino(str(small_detector))
    names = list(model.state_dict())
    model.save_pretrained(tmp_path / "before")
    Detector(model, tokenizer)
    assert list(model.state_dict()) == names
    model.save_pretrained(tmp_path / "after")
    assert contents(tmp_path / "after") == contents(tmp_path / "before")

    with torch_seed(0):
        head = random_small_mask_head()
    names = list(head.state_dict())
    use_hiera_attention(head)
    assert list(head.state_dict()) == names


def renamed(theirs: type[nn.Module]) -> type[nn.Module]:
    """The same class under another name, as another version of transformers may have it."""
    content = {name: value for name, value in vars(theirs).items() if name not in ("__dict__", "__weakref__")}
    return type(theirs)(f"{theirs.__name__}V2", theirs.__bases__, content)


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("model.backbone", r"found 0 of 1 modules of class \S+\.GroundingDinoConvModel in"),
        ("model.text_backbone", r"found 0 of 1 modules of class \S+\.BertModel in"),
        ("model.encoder.layers.1.fusion_layer.attn", r"found 1 of 2 modules of class \S+BiMultiHeadAttention in"),
        ("model.decoder.layers.0.encoder_attn.attn", r"found 4 of 5 modules of class \S+DeformableAttention in"),
        ("model.decoder", r"found 0 of 1 modules of class \S+\.GroundingDinoDecoder in"),
        (
            "model.encoder.layers.0.deformable_layer.self_attn.sampling_offsets",
            r"found 4 of 5 modules of class torch\S+\.Linear or peft\S+\.Linear in",
        ),
        ("model.encoder_output_bbox_embed", r"found 6 of 7 modules of class \S+MLPPredictionHead in"),
        ("model.encoder_output_class_embed", r"found 3 of 4 modules of class \S+ContrastiveEmbedding in"),
    ],
)
def test_a_class_of_the_detector_that_is_not_found_is_an_error(small_detector: Path, part: str, said: str) -> None:
    model, _ = load_grounding_dino(str(small_detector))
    module: Any = model.get_submodule(part)
    module.__class__ = renamed(type(module))
    with pytest.raises(RuntimeError, match=f"{said} a model of transformers {transformers.__version__}; install"):
        use_own_modules(model)


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_a_layer_that_cannot_be_recomputed_is_an_error(small_detector: Path, part: str) -> None:
    detector = plain_detector(small_detector)
    layer: Any = detector.grounding_dino.model.get_submodule(part).layers[0]
    layer.__class__ = renamed(type(layer))
    with pytest.raises(RuntimeError, match=rf"modules of class \S+{part.title()}Layer in"):
        detector.recompute_layers()


def test_an_attention_of_the_mask_head_that_is_not_found_is_an_error() -> None:
    head = random_small_mask_head()
    attention: Any = head.vision_encoder.backbone.blocks[2].attn
    attention.__class__ = renamed(type(attention))
    with pytest.raises(RuntimeError, match=r"found 6 of 7 modules of class \S+Sam2MultiScaleAttention in"):
        use_hiera_attention(head)


def test_a_detector_is_built_again_around_the_same_model(small_detector: Path) -> None:
    detector = plain_detector(small_detector)
    expected = answers(detector)
    assert torch.equal(answers(Detector(detector.grounding_dino, detector.tokenizer).eval()), expected)


def test_the_image_encoder_of_the_mask_head_is_exported(small_mask_head: Path) -> None:
    head = load_mask_head(str(small_mask_head))
    with torch_seed(3):
        pixels = torch.randn(2, 3, head.side, head.side)
    exported = torch.export.export(head.image_encoder, (pixels[:1],)).module()
    with torch.no_grad():
        expected = head.image_encoder(pixels[1:]).fpn_hidden_states
        found = exported(pixels[1:]).fpn_hidden_states
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)
