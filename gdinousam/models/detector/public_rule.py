"""Which boxes the paper's public test scripts keep for a phrase, exactly: what the ``paper`` protocol scores.

It differs from ``BoxFinder.choose`` in all that decides: a box is scored by the largest of all its token probabilities,
those of the special tokens and of the full stop included, instead of the mean over the phrase's own; it counts above
the threshold and not at it; overlaps are suppressed among boxes whose words, read back from the tokens, are the same;
and boxes are not cut at the border of the image.

Shapes: Q query boxes, T text tokens, N boxes kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from pydantic import Field
from torchvision.ops import batched_nms
from transformers import PreTrainedTokenizerBase

from gdinousam.models.detector.detector import LayerPrediction
from gdinousam.preprocessing import boxes_xyxy_pixels
from gdinousam.prompts import SEPARATOR
from gdinousam.records import Detection
from gdinousam.settings import Settings


class PublicRuleSettings(Settings):
    """The thresholds of the public test scripts' rule; used only by the protocol ``paper``."""

    box_threshold: float = Field(0.1, ge=0, le=1, description="A box counts if any token is above this.")
    text_threshold: float = Field(0.3, ge=0, le=1, description="Tokens above this are the words of a box.")
    nms_threshold: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Of boxes with the same words that overlap by more than this (IoU), only the best stays.",
    )


@dataclass(frozen=True, eq=False)
class KeptBoxes:
    """What is left after thresholds and suppression, best first; N may be 0.

    boxes_xyxy: (N, 4) pixels of the image, may reach beyond it. scores: (N,) in [0, 1]. labels: N texts, the words read
    back from the tokens, which may be empty. queries: (N,) int64, the place of each box among the Q.
    """

    boxes_xyxy: torch.Tensor
    scores: torch.Tensor
    labels: tuple[str, ...]
    queries: torch.Tensor

    def detections(self, phrase: str) -> list[Detection]:
        """The boxes as detections of the phrase, without masks."""
        return [
            Detection(phrase, (x0, y0, x1, y1), score)
            for (x0, y0, x1, y1), score in zip(self.boxes_xyxy.tolist(), self.scores.tolist(), strict=True)
        ]


def public_text(phrase: str) -> str:
    """The caption that the public test scripts ask: lower case, stripped, a full stop at the end."""
    text = phrase.lower().strip()
    return text if text.endswith(SEPARATOR) else text + SEPARATOR


def public_boxes(
    prediction: LayerPrediction,
    token_ids: torch.Tensor,
    tokenizer: PreTrainedTokenizerBase,
    size_hw: tuple[int, int],
    settings: PublicRuleSettings,
) -> KeptBoxes:
    """Threshold, label and suppress the boxes of one image and one caption.

    prediction: logits (Q, T), ``-inf`` on padding, boxes (Q, 4). token_ids: (T,) of the caption. size_hw: of the image.
    """
    probabilities = prediction.logits.sigmoid()
    scores = probabilities.amax(dim=1)
    queries = (scores > settings.box_threshold).nonzero()[:, 0]
    labels = [_words(probabilities[query], token_ids, tokenizer, settings.text_threshold) for query in queries]
    groups = torch.tensor([labels.index(label) for label in labels], dtype=torch.int64)
    boxes_xyxy = boxes_xyxy_pixels(prediction.boxes_cxcywh_norm[queries], size_hw)
    kept = batched_nms(boxes_xyxy, scores[queries], groups, settings.nms_threshold)  # by falling score
    return KeptBoxes(boxes_xyxy[kept], scores[queries][kept], tuple(labels[row] for row in kept), queries[kept])


def _words(
    probabilities: torch.Tensor, token_ids: torch.Tensor, tokenizer: PreTrainedTokenizerBase, text_threshold: float
) -> str:
    """The tokens above the threshold that stand between the separators round the strongest token, as text.

    probabilities: (T,). Empty where the strongest token is a separator itself and the first of its caption.
    """
    ids = token_ids.tolist()
    ends = {tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.convert_tokens_to_ids(SEPARATOR)}
    separators = [place for place, one in enumerate(ids) if one in ends]
    strongest = int(probabilities.argmax())
    # as there: the first separator at the strongest token or after it, and the one before that
    right = next(number for number, place in enumerate(separators) if place >= strongest)
    first, last = separators[right - 1] + 1, separators[right]
    chosen = [one for place, one in enumerate(ids[first:last], first) if probabilities[place] > text_threshold]
    return tokenizer.decode(chosen).replace(SEPARATOR, "")
