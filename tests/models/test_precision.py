"""Low precision: only matrix products of frozen weights, and only where the hardware is made for it."""

import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

from gdinousam.models.detector.operating_point import PredictionSettings
from gdinousam.models.loading import load_detector, load_mask_head
from gdinousam.models.precision import allow_tf32, has_fast_bfloat16, pick_precision
from gdinousam.models.segmenter import load_segmenter
from gdinousam.records import Image

CPU = torch.device("cpu")


@pytest.mark.parametrize(("flags", "dtype"), [({"avx512_bf16": True}, torch.bfloat16), ({}, torch.float32)])
def test_auto_follows_the_processor(
    flags: dict[str, bool], dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: flags)
    assert has_fast_bfloat16(CPU) == bool(flags)
    assert pick_precision("auto", CPU) == dtype
    assert pick_precision("bfloat16", CPU) == torch.bfloat16
    assert pick_precision("float32", CPU) == torch.float32


def test_only_weights_of_products_are_turned(small_detector: Path) -> None:
    detector = load_detector(str(small_detector))
    detector.multiply_in(torch.bfloat16)
    model = detector.grounding_dino.model
    attention = model.encoder.layers[0].deformable_layer.self_attn
    assert attention.value_proj.weight.dtype == torch.bfloat16
    exact = [attention.sampling_offsets, *detector.grounding_dino.bbox_embed.modules()]
    exact += [module for module in detector.modules() if isinstance(module, nn.LayerNorm | nn.GroupNorm)]
    for module in exact:
        assert {parameter.dtype for parameter in module.parameters(recurse=False)} <= {torch.float32}, module


def test_the_mask_decoder_stays_in_float32(small_mask_head: Path) -> None:
    head = load_mask_head(str(small_mask_head))
    head.multiply_in(torch.bfloat16)
    assert {parameter.dtype for parameter in head.model.mask_decoder.parameters()} == {torch.float32}
    assert torch.bfloat16 in {parameter.dtype for parameter in head.image_encoder.parameters()}


def test_answers_hardly_differ(phantom_images: list[Image]) -> None:
    best = PredictionSettings(box_threshold=0, max_detections=1)  # the best box of each image
    segmenters = [
        load_segmenter("small", "small", prediction=best, device="cpu", precision=precision)
        for precision in ("float32", "bfloat16")
    ]
    phrases = [("cyst",) for _ in phantom_images]
    exact, low = (segmenter.segment(phantom_images, phrases) for segmenter in segmenters)
    assert any(exact)
    for (one,), (other,) in zip(exact, low, strict=True):
        assert one.score != other.score, "bfloat16 should show in the last digits"
        assert one.score == pytest.approx(other.score, abs=0.05)
        assert one.mask_hw is not None and other.mask_hw is not None
        assert (one.mask_hw == other.mask_hw).mean() > 0.98


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on a CPU")
def test_compiled_image_encoders_answer_alike(phantom_images: list[Image]) -> None:
    plain, compiled = (load_segmenter("small", "small", device="cpu", compiled=compiled) for compiled in (False, True))
    image, phrases = phantom_images[:1], [("cyst",)]
    ((expected,),) = plain.segment(image, phrases)
    ((found,),) = compiled.segment(image, phrases)
    assert compiled.mask_head.image_encoder._compiled_call_impl is not None
    assert found.box_xyxy == pytest.approx(expected.box_xyxy, abs=0.01)
    assert found.mask_hw is not None and expected.mask_hw is not None
    assert (found.mask_hw == expected.mask_hw).mean() > 0.999


@pytest.mark.parametrize("allowed", [True, False])
def test_tensorfloat_is_used_for_all_products_or_for_none(allowed: bool) -> None:
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    before = products.allow_tf32, convolutions.allow_tf32
    try:
        products.allow_tf32 = convolutions.allow_tf32 = not allowed
        allow_tf32(allowed)
        assert (products.allow_tf32, convolutions.allow_tf32) == (allowed, allowed)
    finally:
        products.allow_tf32, convolutions.allow_tf32 = before
