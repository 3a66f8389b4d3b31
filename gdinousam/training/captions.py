"""Images with more phrases than one caption holds are trained with several captions, as prediction asks for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import torch
from transformers import PreTrainedTokenizerBase

from gdinousam.data.dataset import Batch, Example
from gdinousam.errors import InputError
from gdinousam.prompts import CaptionOf, build_caption, fits_a_caption, split_into_captions
from gdinousam.records import ImageRecord


def with_captions_that_fit(
    batch: Batch, tokenizer: PreTrainedTokenizerBase, max_tokens: int, caption_of: CaptionOf = build_caption
) -> Batch:
    """The batch with an example for each caption: images whose phrases take several stand in it as often.

    caption_of: joins phrases into a caption. Every instance stays with the caption that holds its phrase, so their
    number does not change. A batch in which all captions fit is returned as it is. Raises InputError for a phrase that
    alone is too long.
    """
    if all(fits_a_caption(example.phrases, tokenizer, max_tokens, caption_of) for example in batch.examples):
        return batch
    rows: list[int] = []
    examples: list[Example] = []
    for row, example in enumerate(batch.examples):
        start = 0
        for group in split_into_captions(example.phrases, tokenizer, max_tokens, caption_of) or [()]:
            rows.append(row)
            examples.append(_part(example, start, group))
            start += len(group)
    pixel_mask = None if batch.pixel_mask is None else batch.pixel_mask[rows]
    return Batch(batch.pixel_values[rows], pixel_mask, tuple(examples))


def require_askable(records: Iterable[ImageRecord], tokenizer: PreTrainedTokenizerBase, max_tokens: int) -> None:
    """Raise InputError, with its image, for a phrase that alone is longer than a caption."""
    seen: set[str] = set()
    for record in records:
        for phrase in set(record.phrases) - seen:
            seen.add(phrase)
            try:
                split_into_captions((phrase,), tokenizer, max_tokens)
            except InputError as error:
                raise InputError(f"{record.path}: {error}") from error


def require_texts_askable(texts: Iterable[str], tokenizer: PreTrainedTokenizerBase, max_tokens: int) -> None:
    """Raise InputError for a text, from a phrase book say, that alone is longer than a caption."""
    for text in texts:
        split_into_captions((text,), tokenizer, max_tokens)


def _part(example: Example, start: int, phrases: Sequence[str]) -> Example:
    """The example with some of its phrases, which follow each other from a place on, and their instances."""
    indices = example.phrase_indices - start
    kept = torch.nonzero((indices >= 0) & (indices < len(phrases)))[:, 0]
    return replace(
        example,
        phrases=tuple(phrases),
        boxes_cxcywh_norm=example.boxes_cxcywh_norm[kept],
        phrase_indices=indices[kept],
        masks=None if example.masks is None else example.masks[kept],
    )
