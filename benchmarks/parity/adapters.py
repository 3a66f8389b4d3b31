"""LoRA: the published adaptation on the official model by peft, its file read by us, both at full size and live.

torch's MultiheadAttention takes the weight of its output projection but never calls the module: an adapter there has
no say until it is merged, and gets no gradient in training, so that in a trained file these 18 are zero. They are zero
here too while the official model is unmerged, and filled for the comparison of merged ones.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from torch import nn

from benchmarks.parity.detector import TOLERANCE, DetectorCase, case_images, parity_phantom
from benchmarks.parity.official_grounding_dino import (
    PACKAGE,
    OfficialOutput,
    build_official,
    official_output,
    official_version,
    write_text_encoder,
)
from benchmarks.parity.rows import ParityRow, largest_difference
from benchmarks.parity.topk import ReplayTopk
from benchmarks.parity.weights import rule_values
from gdinousam.models.adapters.loading import load_adapter
from gdinousam.models.checkpoints.files import Tensors
from gdinousam.models.checkpoints.grounding_dino import grounding_dino_from, official_tokenizer
from gdinousam.models.checkpoints.published_lora import LAST_BOX_LAYER, adapted_modules
from gdinousam.models.detector.detector import Detector, LayerPrediction
from gdinousam.prompts import tokenize_captions
from gdinousam.records import Image

logger = logging.getLogger(__name__)

CASE = DetectorCase("two phrases", ((256, 288),), (("cyst", "benign lesion"),))
MERGING_TOLERANCE = 1e-5
_RANK = 32  # of the public adaptation, with alpha the same
_NUM_LAYERS = 6
# A tenth of what a layer gives: far above the noise of float32, and no layer leaves its range.
_UPDATE = 0.1


def adapter_rows() -> Iterator[ParityRow]:
    """Compare adapted models, unmerged and merged; raises InputError where groundingdino-py is missing."""
    against = f"{PACKAGE} {official_version()}, peft {version('peft')}"
    phantom = parity_phantom()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_text_encoder(folder)
        logger.info("building the official Grounding DINO Swin-T with adapters, and ours from its file")
        official = build_official("Swin-T", folder)
        ours = AdaptedOurs(official.state_dict(), folder)
        adapted = adapt_official(official)

        logger.info("LoRA, unmerged: %s", CASE)
        output = _official_output(adapted.get_base_model(), phantom)
        content = get_peft_model_state_dict(adapted, save_embedding_layers=False)
        unmerged = _answer(ours.detector(content, merged=False), output, phantom)
        yield from _rows("Swin-T with LoRA, unmerged", unmerged, output, against)

        logger.info("LoRA, ours merged: %s", CASE)
        trained = {name: p.detach() for name, p in adapted.named_parameters() if p.requires_grad}
        merged = _answer(ours.detector(trained, merged=True), output, phantom)
        yield from _rows("Swin-T with LoRA, ours merged", merged, output, against)
        yield from _merging_rows("Swin-T with LoRA, ours merged", merged, unmerged)

        logger.info("LoRA, both merged, attention outputs too: %s", CASE)
        fill_attention_adapters(adapted)
        content = get_peft_model_state_dict(adapted, save_embedding_layers=False)
        output = _official_output(adapted.merge_and_unload(), phantom)
        merged = _answer(ours.detector(content, merged=True), output, phantom)
        yield from _rows("Swin-T with LoRA, both merged", merged, output, against)


class AdaptedOurs:
    """Our detector from official weights, which reads adapter files. folder: holds the tokenizer's vocabulary."""

    def __init__(self, state_dict: Tensors, folder: Path) -> None:
        self.path = folder / "lora.pth"
        self.base = grounding_dino_from(state_dict, self.path)
        self.tokenizer = official_tokenizer(self.path)

    def detector(self, tensors: Tensors, merged: bool) -> Detector:
        """The detector with the adapter of these tensors, by way of a file as published."""
        adapted: Any = self.adapted(tensors)
        model = adapted.merge_and_unload() if merged else adapted
        return Detector(model.requires_grad_(False), self.tokenizer).eval()

    def adapted(self, tensors: Tensors) -> PeftModel:
        """A copy of the base with the adapter of these tensors."""
        torch.save({"model": tensors}, self.path)
        return load_adapter(deepcopy(self.base), self.path)


def adapt_official(official: nn.Module) -> PeftModel:
    """Put the public adaptation on the official model: values by rule, the adapters that torch ignores zero."""
    targets = adapted_modules(_NUM_LAYERS, _NUM_LAYERS)
    settings = LoraConfig(r=_RANK, lora_alpha=_RANK, target_modules=targets, modules_to_save=[LAST_BOX_LAYER])
    adapted = get_peft_model(official, settings).eval()
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if parameter.requires_grad:
                parameter.copy_(_update(name, parameter))
                if _is_ignored(name):
                    parameter.zero_()
    return adapted


def fill_attention_adapters(adapted: PeftModel) -> None:
    """Give the adapters that torch's MultiheadAttention ignores values as well, for when they are merged."""
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if _is_ignored(name):
                parameter.copy_(_update(name, parameter))


def _update(name: str, parameter: nn.Parameter) -> torch.Tensor:
    values = torch.from_numpy(rule_values(name, tuple(parameter.shape)))
    if ".lora_A." in name:
        return values
    # the trained layer moves from where it started; an adapter's second half starts as zeros
    return parameter + _UPDATE * values


def _is_ignored(name: str) -> bool:
    return ".out_proj.lora_B." in name


def _official_output(official: Any, phantom: Image) -> OfficialOutput:
    return official_output(official, *case_images(CASE, phantom), [caption.text for caption in CASE.captions])


@dataclass(frozen=True, eq=False)
class _Answer:
    """last: our answer from the proposals that the official model chose. choice: how far their scores are from ours."""

    last: LayerPrediction
    choice: float


def _answer(detector: Detector, official: OfficialOutput, phantom: Image) -> _Answer:
    pixel_values, pixel_mask = case_images(CASE, phantom)
    tokens = tokenize_captions(CASE.captions, detector.tokenizer, detector.max_tokens)
    replay = ReplayTopk([official.choices])
    with torch.no_grad(), replay:
        last = detector(pixel_values, tokens, pixel_mask).last
    assert not replay.remaining, "our detector chooses proposals once"
    return _Answer(last, replay.largest_difference)


def _rows(model: str, ours: _Answer, official: OfficialOutput, against: str) -> Iterator[ParityRow]:
    differences = {
        "scores of the proposals chosen": ours.choice,
        "token logits": largest_difference(ours.last.logits, official.logits),
        "boxes": largest_difference(ours.last.boxes_cxcywh_norm, official.boxes_cxcywh_norm),
    }
    for output, difference in differences.items():
        yield ParityRow(model, str(CASE), output, against, difference, TOLERANCE)


def _merging_rows(model: str, merged: _Answer, unmerged: _Answer) -> Iterator[ParityRow]:
    """Scores instead of logits: those of random weights reach 14, where the last digit of float32 is 1e-6 already."""
    differences = {
        "token scores": largest_difference(merged.last.logits.sigmoid(), unmerged.last.logits.sigmoid()),
        "boxes": largest_difference(merged.last.boxes_cxcywh_norm, unmerged.last.boxes_cxcywh_norm),
    }
    for output, difference in differences.items():
        yield ParityRow(model, str(CASE), output, "unmerged", difference, MERGING_TOLERANCE)
