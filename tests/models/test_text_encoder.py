"""A frozen text encoder remembers what it made of captions, until its weights change in whatever way."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mask_checks import count_rows
from torch import nn

from gdinousam.models.detector.detector import Detector
from gdinousam.models.detector.text_encoder import TextEncoder
from gdinousam.models.loading import load_grounding_dino
from gdinousam.prompts import build_caption, tokenize_captions


@pytest.fixture
def detector(small_detector: Path) -> Detector:
    model, tokenizer = load_grounding_dino(str(small_detector))
    return Detector(model.requires_grad_(False), tokenizer).eval()


def encoder_of(detector: Detector) -> TextEncoder:
    return detector.grounding_dino.model.text_backbone


@torch.no_grad()
def features(detector: Detector, phrase: str = "cyst") -> torch.Tensor:
    """(T, D) of the caption of one phrase."""
    tokens = tokenize_captions([build_caption([phrase])], detector.tokenizer, detector.max_tokens)
    positions = torch.arange(tokens.input_ids.shape[1])[None]
    encoder = encoder_of(detector)
    answer = encoder(tokens.input_ids, tokens.attention_mask, tokens.token_type_ids, positions)
    return answer.last_hidden_state[0]


def words(detector: Detector) -> nn.Embedding:
    return encoder_of(detector).embeddings.word_embeddings


def in_place(detector: Detector) -> None:
    with torch.no_grad():
        words(detector).weight.mul_(-1)


def during_inference(detector: Detector) -> None:
    with torch.inference_mode():
        words(detector).weight.mul_(-1)


def by_state_dict(detector: Detector) -> None:
    weights = {name: -tensor for name, tensor in words(detector).state_dict().items()}
    words(detector).load_state_dict(weights)


def by_assigned_state_dict(detector: Detector) -> None:
    weights = {name: -tensor for name, tensor in words(detector).state_dict().items()}
    words(detector).load_state_dict(weights, assign=True)


def by_another_parameter(detector: Detector) -> None:
    words(detector).weight = nn.Parameter(-words(detector).weight, requires_grad=False)


def by_other_data(detector: Detector) -> None:
    words(detector).weight.data = -words(detector).weight


def by_rounding(detector: Detector) -> None:
    detector.to(torch.bfloat16).to(torch.float32)


def by_rounding_products(detector: Detector) -> None:
    detector.multiply_in(torch.bfloat16)
    detector.multiply_in(torch.float32)


def by_data_and_word(detector: Detector) -> None:
    words(detector).weight.data.mul_(-1)  # which torch does not count
    detector.forget_texts()


@pytest.mark.parametrize(
    "change",
    [
        in_place,
        during_inference,
        by_state_dict,
        by_assigned_state_dict,
        by_another_parameter,
        by_other_data,
        by_rounding,
        by_rounding_products,
        by_data_and_word,
    ],
)
def test_other_weights_give_other_features(detector: Detector, change: Callable[[Detector], None]) -> None:
    before = features(detector)
    change(detector)
    after = features(detector)
    assert not torch.equal(after, before)
    detector.forget_texts()
    assert torch.equal(features(detector), after)


def test_a_caption_is_computed_once_while_weights_stay(detector: Detector) -> None:
    with count_rows(encoder_of(detector).encoder.layer[0]) as rows:
        first = features(detector)
        assert torch.equal(features(detector), first)
        features(detector, "liver")
        assert rows == [1, 1]
        detector.forget_texts()
        assert torch.equal(features(detector), first)
        assert rows == [1, 1, 1]


def test_a_text_encoder_that_is_trained_later_computes_with_gradients(detector: Detector) -> None:
    tokens = tokenize_captions([build_caption(["cyst"])], detector.tokenizer, detector.max_tokens)
    detector(torch.zeros(1, 3, 64, 64), tokens)
    words(detector).requires_grad_(True)
    detector(torch.zeros(1, 3, 64, 64), tokens).last.boxes_cxcywh_norm.sum().backward()
    assert words(detector).weight.grad is not None and words(detector).weight.grad.any()


def test_features_of_mixed_precision_do_not_serve_float32(detector: Detector) -> None:
    exact = features(detector)
    detector.forget_texts()
    with torch.autocast("cpu", torch.bfloat16):
        rounded = features(detector)
    assert not torch.equal(rounded, exact)
    assert torch.equal(features(detector), exact)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda memory: pickle.loads(pickle.dumps(memory))])
def test_copies_begin_with_an_empty_memory(detector: Detector, copied: Callable[[object], object]) -> None:
    features(detector)
    memory = encoder_of(detector).memory
    assert memory is not None and len(memory) == 1
    other = copied(memory)
    assert isinstance(other, type(memory)) and len(other) == 0 and len(memory) == 1


def test_weights_made_during_inference_are_read_every_time(small_detector: Path) -> None:
    """torch counts no changes of such tensors, so that nothing would tell the memory of them."""
    with torch.inference_mode():
        model, tokenizer = load_grounding_dino(str(small_detector))
        model.model.text_backbone.embeddings.word_embeddings.weight = nn.Parameter(
            model.model.text_backbone.embeddings.word_embeddings.weight.clone(), requires_grad=False
        )
        detector = Detector(model.requires_grad_(False), tokenizer).eval()
        before = features(detector)
        words(detector).weight.mul_(-1)
        assert not torch.equal(features(detector), before)
