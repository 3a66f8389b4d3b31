"""Phrases into one caption, captions into tokens, token probabilities back into phrase scores.

Grounding DINO reads one caption per image in which full stops part the phrases ("kidney. kidney capsule."), and answers
with one probability per query box and text token. Everything that connects phrases with tokens is here, so that the
phrase that comes back is the one that was asked for and never text rebuilt from tokens.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from transformers import PreTrainedTokenizerBase

from gdinousam.errors import PhraseError
from gdinousam.identity import has_no_text, phrase_identity, phrases_in

logger = logging.getLogger(__name__)

SEPARATOR = "."


@dataclass(frozen=True)
class Caption:
    """The text that the model reads for one image.

    text: lower-case phrases, each followed by a full stop. phrases: what was asked for, unchanged, in order.
    spans: for each phrase its (start, end) characters in ``text``. Phrases that read alike ("Cyst", "cyst ") share one
    span.
    """

    text: str
    phrases: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class TokenizedCaptions:
    """A batch of captions as the model takes them.

    input_ids, attention_mask, token_type_ids: (B, T) int64, padded on the right.
    phrase_tokens: for each caption a (P, T) bool tensor, true on the tokens of each of its P phrases and on no
    separator.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    token_type_ids: torch.Tensor
    phrase_tokens: tuple[torch.Tensor, ...]

    def to(self, device: torch.device) -> TokenizedCaptions:
        """The same captions with every tensor on the device."""
        return TokenizedCaptions(
            self.input_ids.to(device),
            self.attention_mask.to(device),
            self.token_type_ids.to(device),
            tuple(tokens.to(device) for tokens in self.phrase_tokens),
        )


CaptionOf = Callable[[Sequence[str]], Caption]


def caption_form(phrase: str) -> str:
    """The phrase as it stands in a caption: its ``phrase_identity``, so phrases that read alike are one.

    Raises PhraseError for a phrase without a letter or digit, for several written as one (``cyst. mass.``), and for
    bytes that are not text.
    """
    if has_no_text(phrase):
        raise PhraseError(f"phrase {phrase!a} holds bytes that are not UTF-8 text; write it as UTF-8")
    parts = phrases_in(phrase)
    if len(parts) > 1 and phrase.rstrip().endswith(SEPARATOR):
        raise PhraseError(f"{phrase!r} reads as {len(parts)} phrases; give each as its own: {', '.join(parts)}")
    form = phrase_identity(phrase)
    if not any(character.isalnum() for character in form):
        raise PhraseError(f"phrase {phrase!r} has no letter or digit; give the name of what to look for")
    return form


def build_caption(phrases: Sequence[str]) -> Caption:
    """Join phrases into one caption; see ``Caption``. An empty list gives the empty caption."""
    spans_by_form: dict[str, tuple[int, int]] = {}
    text = ""
    for form in map(caption_form, phrases):
        if form not in spans_by_form:
            start = len(text) + (1 if text else 0)
            text = f"{text} {form}{SEPARATOR}" if text else f"{form}{SEPARATOR}"
            spans_by_form[form] = (start, start + len(form))
    return Caption(text, tuple(phrases), tuple(spans_by_form[caption_form(phrase)] for phrase in phrases))


def build_public_caption(phrases: Sequence[str]) -> Caption:
    """Join phrases as the paper's public training code does: each in its turn, also one that stood there before.

    Lower case, words parted by one blank, " ." after each phrase. Phrases that read alike share the span of the last of
    them, because that code keeps one place per text. Raises PhraseError for a phrase without a word.
    """
    parts: list[str] = []
    spans: dict[str, tuple[int, int]] = {}
    forms = [" ".join(phrase.lower().split()) for phrase in phrases]
    start = 0
    for form, phrase in zip(forms, phrases, strict=True):
        caption_form(phrase)  # refuses what cannot be asked
        spans[form] = (start, start + len(form))
        parts.append(f"{form} {SEPARATOR}")
        start += len(parts[-1]) + 1
    return Caption(" ".join(parts), tuple(phrases), tuple(spans[form] for form in forms))


def split_into_captions(
    phrases: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    max_tokens: int,
    caption_of: CaptionOf = build_caption,
) -> list[tuple[str, ...]]:
    """Part phrases, in order, into the fewest groups whose captions, as ``caption_of`` joins them, each fit into
    ``max_tokens`` tokens.

    Raises PhraseError where one phrase alone is longer. No phrases give no groups.
    """
    groups: list[tuple[str, ...]] = []
    for phrase in phrases:
        if groups and _num_tokens([*groups[-1], phrase], tokenizer, caption_of) <= max_tokens:
            groups[-1] = (*groups[-1], phrase)
        elif (needed := _num_tokens([phrase], tokenizer, caption_of)) <= max_tokens:
            groups.append((phrase,))
        else:
            raise PhraseError(
                f"phrase {phrase[:60]!r}... takes {needed} tokens, the model reads {max_tokens}; shorten it"
            )
    return groups


def fits_a_caption(
    phrases: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    max_tokens: int,
    caption_of: CaptionOf = build_caption,
) -> bool:
    """Whether one caption of at most ``max_tokens`` tokens holds all of the phrases."""
    return _num_tokens(phrases, tokenizer, caption_of) <= max_tokens


def _num_tokens(phrases: Sequence[str], tokenizer: PreTrainedTokenizerBase, caption_of: CaptionOf) -> int:
    # verbose=False: the tokenizer's own length warning would double our error
    return len(tokenizer(caption_of(phrases).text, verbose=False)["input_ids"])


def tokenize_captions(
    captions: Sequence[Caption], tokenizer: PreTrainedTokenizerBase, max_tokens: int
) -> TokenizedCaptions:
    """Tokenize captions and find the tokens of each phrase by its characters.

    Raises PhraseError where a caption has more than ``max_tokens`` tokens (``split_into_captions`` parts it): a caption
    that is cut off would lose phrases unnoticed.
    """
    encoded = tokenizer(
        [caption.text for caption in captions],
        padding="longest",
        return_tensors="pt",
        return_offsets_mapping=True,
        return_token_type_ids=True,
        verbose=False,
    )
    num_tokens = encoded["attention_mask"].sum(dim=1)
    if int(num_tokens.max()) > max_tokens:
        longest = captions[int(num_tokens.argmax())]
        raise PhraseError(
            f"a caption of {len(longest.phrases)} phrases takes {int(num_tokens.max())} tokens, the model reads "
            f"{max_tokens}; give fewer or shorter phrases per image (it begins with {longest.text[:60]!r})"
        )
    for row in (encoded["input_ids"] == tokenizer.unk_token_id).any(dim=1).nonzero():
        _warn_of_unknown_words(captions[int(row)].text)
    offsets = encoded["offset_mapping"]  # (B, T, 2) characters; (0, 0) for [CLS], [SEP] and padding
    return TokenizedCaptions(
        input_ids=encoded["input_ids"],
        attention_mask=encoded["attention_mask"],
        token_type_ids=encoded["token_type_ids"],
        phrase_tokens=tuple(_phrase_tokens(caption, offsets[row]) for row, caption in enumerate(captions)),
    )


@lru_cache(maxsize=1024)  # a server hears captions without end
def _warn_of_unknown_words(text: str) -> None:
    """Say once per caption that the model cannot tell some of its words from any other unknown word."""
    logger.warning("caption %r holds words that the model's vocabulary lacks; it cannot tell them apart", text)


def _phrase_tokens(caption: Caption, offsets: torch.Tensor) -> torch.Tensor:
    starts, ends = offsets[:, 0], offsets[:, 1]  # (T,)
    tokens = torch.zeros(len(caption.phrases), len(offsets), dtype=torch.bool)
    for row, (start, end) in enumerate(caption.spans):
        tokens[row] = (starts >= start) & (ends <= end) & (ends > starts)
    return tokens


def positive_map(phrase_tokens: torch.Tensor, phrase_indices: torch.Tensor) -> torch.Tensor:
    """Targets of the classification loss: the tokens that each instance should light up.

    phrase_tokens: (P, T) bool of one caption. phrase_indices: (N,) int64, the phrase of each instance.
    Returns (N, T) float32 of zeros and ones; (0, T) for an image without instances.
    """
    return phrase_tokens[phrase_indices].float()


def phrase_scores(token_probabilities: torch.Tensor, phrase_tokens: torch.Tensor) -> torch.Tensor:
    """Score of every phrase for every query box: the mean probability over the phrase's tokens.

    token_probabilities: (Q, T) in [0, 1]. phrase_tokens: (P, T) bool. Returns (Q, P) in [0, 1].
    The mean, as in the official code's token-span path, and not the maximum: phrases that share a word ("benign
    lesion", "malignant lesion") would tie on it.
    """
    weights = phrase_tokens.to(token_probabilities.dtype)
    return token_probabilities @ weights.T / weights.sum(dim=1).clamp(min=1)


def strongest_token(token_probabilities: torch.Tensor, phrase_tokens: torch.Tensor) -> torch.Tensor:
    """The largest token probability of every phrase for every query box, which the public thresholds apply to.

    Shapes as in ``phrase_scores``. Returns (Q, P) in [0, 1].
    """
    spread = token_probabilities[:, None, :].masked_fill(~phrase_tokens[None], 0.0)  # (Q, P, T)
    return spread.amax(dim=-1)
