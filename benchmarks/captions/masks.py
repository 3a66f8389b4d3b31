"""``python scripts/benchmark.py caption-masks``: how independent a mask makes the phrases of one caption.

Two masks, which no setting offers, beside the plain caption. In the fusion layers the image takes a softmax per phrase
in place of one over all tokens, and the mean of what they give. Queries are chosen and decoded for each phrase, from
the features of the common encoder. What is measured is how far the best score of a phrase is from that in a caption of
its own.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.captions.questions import MAX_PHRASES, questions, spread
from benchmarks.machine import machine_facts, versions
from benchmarks.record import Record, add_output_options, command_text, publish, record_path
from gdinousam.data.images import read_record_image
from gdinousam.errors import InputError
from gdinousam.evaluation.reporting.table import Table, count_cell, number_cell, number_columns, text_cell, text_column
from gdinousam.models.bundled import SMALL
from gdinousam.models.detector import backbone
from gdinousam.models.detector.backbone import ImageFeatures
from gdinousam.models.detector.detector import Detector
from gdinousam.models.detector.fusion import Attended, ImageTextAttention
from gdinousam.models.loading import load_detector, trained_resize
from gdinousam.models.own_classes import give_own_classes
from gdinousam.preprocessing import build_resize, image_to_tensor, normalize_image
from gdinousam.prompts import TokenizedCaptions, build_caption, split_into_captions, tokenize_captions
from gdinousam.records import ImageRecord

NAME = "caption-masks"
_VARIANTS = {  # whether fusion and decoder are parted
    "one caption": (False, False),
    "softmax of the fusion per phrase": (True, False),
    "queries and decoder per phrase": (False, True),
    "both": (True, True),
}
_blocks: ContextVar[torch.Tensor | None] = ContextVar("blocks", default=None)


@dataclass(frozen=True)
class Distance:
    """Of one variant: mean and 95th percentile of the absolute difference of scores in [0, 1], of phrases that are in
    the image and of those that are not, and how many of each.
    """

    variant: str
    present: float
    present_95: float
    num_present: int
    absent: float
    absent_95: float
    num_absent: int


@dataclass(frozen=True)
class Masks(Record):
    """All variants. num_phrases: asked of each of num_images validation images."""

    distances: tuple[Distance, ...]
    num_phrases: int
    num_images: int


class FusionByPhrase(ImageTextAttention):
    """Attention in which, inside ``parting``, the image sees one phrase at a time and takes the mean of them all."""

    def forward(
        self,
        vision_features: torch.Tensor,
        text_features: torch.Tensor,
        vision_attention_mask: torch.Tensor | None = None,
        text_attention_mask: torch.Tensor | None = None,
    ) -> Any:
        """See ``gdinousam.models.detector.fusion.attend``; weights are those of the first phrase."""
        inputs = vision_features, text_features, vision_attention_mask
        blocks = _blocks.get()
        if blocks is None:
            return super().forward(*inputs, text_attention_mask)
        parted: list[Attended] = [super(FusionByPhrase, self).forward(*inputs, ~block[None]) for block in blocks]
        (_, weights), of_text = parted[0]
        return (torch.stack([image for (image, _), _ in parted]).mean(dim=0), weights), of_text


@contextmanager
def parting(blocks: torch.Tensor) -> Iterator[None]:
    """Inside, ``FusionByPhrase`` parts the tokens. blocks: (P, T) bool, those of each phrase with the special ones."""
    token = _blocks.set(blocks)
    try:
        yield
    finally:
        _blocks.reset(token)


def best_scores(
    detector: Detector, features: ImageFeatures, phrases: Sequence[str], by_fusion: bool, by_decoder: bool
) -> list[float]:
    """The largest token probability that any query gives each phrase, asked in as few captions as hold them.

    features: of one image. by_fusion, by_decoder: what is parted between the phrases of a caption.
    """
    scores: list[float] = []
    for group in split_into_captions(phrases, detector.tokenizer, detector.max_tokens):
        joint = tokenize_captions([build_caption(group)], detector.tokenizer, detector.max_tokens)
        blocks = _with_special_tokens(joint)
        if by_fusion:
            with parting(blocks):
                output = _answer(detector, features, joint)
        else:
            output = _answer(detector, features, joint)
        if not by_decoder:
            probabilities = output.logits[0].sigmoid()
            scores += [float(probabilities[:, : len(mask)][:, mask].max()) for mask in joint.phrase_tokens[0]]
            continue
        single = tokenize_captions([build_caption([one]) for one in group], detector.tokenizer, detector.max_tokens)
        encoded = output.encoder_last_hidden_state_text  # (1, T, D)
        text = encoded.new_zeros(*single.input_ids.shape, encoded.shape[-1])
        for row, block in enumerate(blocks):
            text[row, : int(block.sum())] = encoded[0, block]
        image = output.encoder_last_hidden_state_vision.expand(len(group), -1, -1)
        output = _answer(detector, features.rows([0] * len(group)), single, (image, text))
        probabilities = output.logits.sigmoid()
        for row, (mask,) in enumerate(single.phrase_tokens):
            scores.append(float(probabilities[row, :, : len(mask)][:, mask].max()))
    return scores


def _answer(detector: Detector, features: ImageFeatures, tokens: TokenizedCaptions, encoded: Any = None) -> Any:
    """What transformers' model says. encoded: features of image and text in the place of the encoder's."""
    with backbone.giving(features) as pixel_values:
        return detector.model(
            pixel_values=pixel_values,
            input_ids=tokens.input_ids,
            token_type_ids=tokens.token_type_ids,
            attention_mask=tokens.attention_mask,
            encoder_outputs=encoded,
            return_dict=True,
        )


def _with_special_tokens(tokens: TokenizedCaptions) -> torch.Tensor:
    """(P, T) bool of the only caption: the tokens that each phrase would have in a caption of its own."""
    blocks = tokens.phrase_tokens[0].clone()
    for block in blocks:
        block[int(block.nonzero().max()) + 1] = True  # the full stop
    blocks[:, 0] = blocks[:, -1] = True  # begin and end
    return blocks


@torch.inference_mode()
def measure_masks(records: Sequence[ImageRecord], num_phrases: int = 4) -> tuple[Distance, ...]:
    """Ask the bundled small model on the CPU for so many phrases of each image, at least 2; see ``Distance``.

    records: with at least one object in some image. Raises InputError for a phrase whose organ is not known.
    """
    detector, resize = load_detector(SMALL).eval(), build_resize(trained_resize(SMALL))
    attention = [layer.fusion_layer.attn for layer in detector.grounding_dino.model.encoder.layers]
    give_own_classes(attention, {ImageTextAttention: FusionByPhrase}, expected=len(attention))
    differences: dict[tuple[str, bool], list[float]] = defaultdict(list)  # by variant and whether it is in the image
    for record in questions(records, num_phrases):
        features = detector.encode(normalize_image(resize(image_to_tensor(read_record_image(record)))[None]))
        alone = [best_scores(detector, features, [phrase], False, False)[0] for phrase in record.phrases]
        for name, parted in _VARIANTS.items():
            together = best_scores(detector, features, record.phrases, *parted)
            for phrase, one, other in zip(record.phrases, together, alone, strict=True):
                differences[name, phrase not in record.absent_phrases].append(abs(one - other))
    return tuple(
        Distance(name, *_described(differences[name, True]), *_described(differences[name, False]))
        for name in _VARIANTS
    )


def _described(values: Sequence[float]) -> tuple[float, float, int]:
    return float(np.mean(values)), float(np.percentile(values, 95)), len(values)


def masks_command(arguments: Sequence[str]) -> int:
    """Parse arguments, measure and print the table; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=f"benchmark.py {NAME}",
        description="Ask the bundled small model for several phrases in one caption, with and without masks between "
        "them, and print how far their scores are from those in captions of their own. About 2 minutes on one core.",
        epilog="exit code: 0, or 2 where it cannot be measured",
    )
    parser.add_argument("data", type=Path, metavar="DATA", help="folder with val.CSV, val, val_mask")
    parser.add_argument("--phrases", type=int, default=4, metavar="N", help="of an image (default: %(default)s)")
    parser.add_argument("--images", type=int, default=170, metavar="N", help="evenly spread (default: %(default)s)")
    add_output_options(parser, f"a folder {NAME} with the numbers as JSON and the table")
    options = parser.parse_args(arguments)
    path = record_path(options.out / NAME, NAME, options.overwrite)
    if not 2 <= options.phrases <= MAX_PHRASES or options.images < 1:
        raise InputError(f"give --phrases from 2 to {MAX_PHRASES} and --images of 1 or more")
    records = spread(options.data / "val.CSV", options.data / "val", options.data / "val_mask", options.images)
    masks = Masks(
        command_text(NAME, arguments),
        machine_facts(torch.device("cpu")),
        versions(),
        measure_masks(records, options.phrases),
        options.phrases,
        len(records),
    )
    publish(masks, {NAME: masks_table(masks)}, path)
    return 0


def masks_table(masks: Masks) -> Table:
    """A line for each variant."""
    columns = (
        text_column("phrases parted by"),
        *number_columns("present n", "mean difference", "95th percentile"),
        *number_columns("absent n", "mean difference absent", "95th percentile absent"),
    )
    lines = tuple(
        (
            text_cell(one.variant),
            count_cell(one.num_present),
            number_cell(one.present, 3),
            number_cell(one.present_95, 3),
            count_cell(one.num_absent),
            number_cell(one.absent, 3),
            number_cell(one.absent_95, 3),
        )
        for one in masks.distances
    )
    remarks = (
        f"{masks.num_images} validation images, {masks.num_phrases} phrases of each, one of them present.",
        "Difference of a phrase's best token probability from that in a caption of its own, without its sign.",
    )
    return Table("One caption against captions of their own", columns, lines, remarks)
