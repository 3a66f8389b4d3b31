"""What transformers computes otherwise than the official code: box refinement at the edges, SAM's norms."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from transformers import GroundingDinoForObjectDetection

from gdinousam.models.detector.corrections import inverse_sigmoid, normalize_officially
from gdinousam.models.detector.detector import Detector
from gdinousam.models.loading import load_grounding_dino
from gdinousam.models.mask_heads.random_sam import random_sam
from gdinousam.prompts import build_caption, tokenize_captions
from gdinousam.runtime import torch_seed


@given(fraction=st.floats(0.001, 0.999))
def test_the_inverse_sigmoid_is_one_away_from_the_edges(fraction: float) -> None:
    number = torch.tensor(fraction, dtype=torch.float64)
    torch.testing.assert_close(inverse_sigmoid(number).sigmoid(), number)


def test_the_inverse_sigmoid_is_bounded_at_the_edges() -> None:
    edges = torch.tensor([0.0, 1e-6, 1 - 1e-6, 1.0], dtype=torch.float64)
    expected = torch.tensor([1e-3 / 1.0, 1e-3 / (1 - 1e-6), (1 - 1e-6) / 1e-3, 1.0 / 1e-3], dtype=torch.float64).log()
    torch.testing.assert_close(inverse_sigmoid(edges), expected)


@pytest.mark.parametrize("push", [0.0, 12.0, -12.0])
def test_every_decoder_layer_refines_the_boxes_of_the_one_before(small_detector: Path, push: float) -> None:
    model, tokenizer = load_grounding_dino(str(small_detector))
    model.model.encoder_output_bbox_embed.layers[2].bias.data += push  # proposals within a thousandth of the edges
    detector = Detector(model.requires_grad_(False), tokenizer).eval()
    tokens = tokenize_captions([build_caption(["cyst"])], tokenizer, detector.max_tokens)
    outputs, hidden = [], []
    model.model.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    for layer in model.model.decoder.layers:
        layer.register_forward_hook(lambda _module, _inputs, output: hidden.append(output[0]))
    with torch_seed(3), torch.no_grad():
        found = detector(torch.randn(1, 3, 96, 96), tokens, with_earlier_layers=True)

    before = outputs[0].init_reference_points
    assert not push or ((before < 1e-3) | (before > 1 - 1e-3)).float().mean() > 0.5
    for index, prediction in enumerate([*found.earlier, found.last]):
        after = outputs[0].intermediate_reference_points[:, index]
        torch.testing.assert_close(after, refined(model, hidden[index], before), atol=1e-6, rtol=0)
        # predictions are made from the normalised state, of the same boxes
        normalised = outputs[0].intermediate_hidden_states[:, index]
        expected = refined(model, normalised, before)
        torch.testing.assert_close(prediction.boxes_cxcywh_norm, expected, atol=1e-6, rtol=0)
        before = after


def test_the_boxes_of_a_layer_are_learned_through_the_layer_before(small_detector: Path) -> None:
    model, tokenizer = load_grounding_dino(str(small_detector))
    detector = Detector(model, tokenizer).eval()
    tokens = tokenize_captions([build_caption(["cyst"])], tokenizer, detector.max_tokens)
    outputs = []
    model.model.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    with torch_seed(3):
        boxes = detector(torch.randn(1, 3, 96, 96), tokens).last.boxes_cxcywh_norm
    starts = outputs[0].intermediate_reference_points
    (gradient,) = torch.autograd.grad(boxes.sum(), starts)
    # the last layer's boxes start from those of the layer before it, and from no other
    assert gradient[:, -2].abs().min() > 0
    assert not gradient[:, :-2].any() and not gradient[:, -1].any()
    assert starts.grad_fn is not None  # so that the gradient goes on into the layer before


@torch.no_grad()
def refined(model: GroundingDinoForObjectDetection, hidden: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    """Boxes moved by the box head, with the official bounds."""
    return (model.bbox_embed[0](hidden) + torch.log(boxes.clamp(min=1e-3) / (1 - boxes).clamp(min=1e-3))).sigmoid()


def test_sam_s_decoder_gets_the_epsilon_of_its_authors() -> None:
    sam = random_sam(small=True)
    normalize_officially(sam)
    epsilons = {name: module.eps for name, module in sam.named_modules() if isinstance(module, nn.LayerNorm)}
    in_transformer = {name for name in epsilons if name.startswith("mask_decoder.transformer.")}
    assert len(in_transformer) == 9  # four of each of two layers, and the last
    assert {epsilons[name] for name in in_transformer} == {1e-5}
    assert {epsilons[name] for name in epsilons.keys() - in_transformer} == {1e-6}
