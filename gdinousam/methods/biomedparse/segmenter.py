"""BiomedParse as a compared method: images shown as its official code does, and masks of the images' own sizes.

Shapes: S side of the square image, P phrases.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import PIL.Image
import torch
import torch.nn.functional as F

from gdinousam.inputs import as_images, as_phrases
from gdinousam.methods.biomedparse.absence import AbsenceTest
from gdinousam.methods.biomedparse.network import BiomedParse
from gdinousam.methods.biomedparse.text import tokenize
from gdinousam.methods.detections import detection_of
from gdinousam.methods.sentences import PLACE, Sentences
from gdinousam.records import Detection, Image, Need

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # of ImageNet, in bytes
AS_THEY_ARE = Sentences(PLACE)
_TEXTS_AT_ONCE = 8  # what attention to the finest of the maps needs grows with them


class BiomedParseSegmenter:
    """BiomedParse as a ``gdinousam.records.PhraseSegmenter``: one mask for each phrase, all its objects together.

    network: in eval mode. sentences: what is asked in place of phrases; by default the phrases themselves.
    absence: what takes back what was found; none: it stays.
    """

    needs: frozenset[Need] = frozenset({"text"})

    def __init__(
        self, network: BiomedParse, sentences: Sentences = AS_THEY_ARE, absence: AbsenceTest | None = None
    ) -> None:
        self.network = network
        self._sentences = sentences
        self._absence = absence

    def to(self, device: torch.device | str) -> BiomedParseSegmenter:
        """Move the network; returns itself."""
        self.network.to(device)
        return self

    def sentence(self, phrase: str) -> str:
        """What is asked for a phrase, the same for all its spellings; InputError for one without a letter or digit."""
        return self._sentences.of(phrase)

    def token_ids(self, phrase: str) -> list[int]:
        """The tokens of what is asked for a phrase; InputError where they are too many."""
        return tokenize(self.sentence(phrase), self.network.config.num_tokens)

    @torch.inference_mode()
    def segment(self, images: Sequence[Image], phrases: Sequence[Sequence[str]]) -> list[list[Detection]]:
        """Segment every phrase in its image; see ``gdinousam.records.PhraseSegmenter``.

        An image is encoded once and each phrase asked by itself, as if it were the only one. At most one detection per
        phrase: the pixels whose probability is above 0.5; score: their mean probability. Raises InputError where the
        lists differ in length and for a sentence that is too long.
        """
        images = as_images(images)
        asked = as_phrases(phrases, len(images))
        return [self._segment(image, row) if row else [] for image, row in zip(images, asked, strict=True)]

    def probabilities(self, image: Image, phrases: Sequence[str]) -> torch.Tensor:
        """How likely each pixel of an (H, W, 3) image is inside what each phrase names: (P, H, W) float32 in [0, 1].

        The best query's logits are enlarged bilinearly and made probabilities then, as published.
        """
        texts = self.network.text_encoder([self.token_ids(phrase) for phrase in phrases])
        square = square_of(image, self.network.config.image_size)
        encoded = self.network.encode(square[None].to(self.network.device))
        logits = [
            self.network.matched_logits(encoded, self.network.find(encoded, texts.part(slice(at, at + _TEXTS_AT_ONCE))))
            for at in range(0, len(phrases), _TEXTS_AT_ONCE)
        ]
        return F.interpolate(torch.cat(logits)[None], image.shape[:2], mode="bilinear")[0].sigmoid()

    def _segment(self, image: Image, phrases: Sequence[str]) -> list[Detection]:
        answers = []
        for phrase, probability in zip(phrases, self.probabilities(image, phrases).cpu().numpy(), strict=True):
            found = detection_of(phrase, probability)
            if found and not (self._absence and self._absence.is_absent(phrase, image, probability)):
                answers.append(found)
        return answers


def square_of(image: Image, side: int) -> torch.Tensor:
    """Turn an (H, W, 3) uint8 RGB image into the (3, S, S) float32 that the network sees.

    Stretched to S x S with Pillow's bicubic filter, then normalised by ImageNet's statistics.
    """
    square = PIL.Image.fromarray(image).resize((side, side), PIL.Image.Resampling.BICUBIC)
    return normalized(torch.from_numpy(np.array(square)).permute(2, 0, 1).float())


def normalized(pixels: torch.Tensor) -> torch.Tensor:
    """(3, S, S) in [0, 255], less ImageNet's mean, divided by its deviation."""
    return (pixels - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
