"""How BiomedCLIP is fine-tuned: images and sentences that belong together come near each other, all others do not."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from torchvision.transforms.v2 import functional

from gdinousam.data.dataset import Batch, Example
from gdinousam.methods.medclip_sam.biomedclip import BiomedClip
from gdinousam.methods.medclip_sam.dhn_nce import DhnNce
from gdinousam.methods.medclip_sam.frame import CLIP_MEAN, CLIP_STD
from gdinousam.methods.medclip_sam.segmenter import SentenceReader
from gdinousam.methods.medclip_sam.weights import save_biomedclip
from gdinousam.methods.sentences import Sentences
from gdinousam.preprocessing import image_of
from gdinousam.training.losses import Term
from gdinousam.training.tasks import IMAGES, Task

_LOSS = "dhn_nce"
_TERMS = {_LOSS: Term(1.0, IMAGES)}


class PairsTask(Task):
    """BiomedCLIP with the loss DHN-NCE, on each image of a batch with the sentence of one of its objects.

    In training the object is any of the image's, drawn from torch's generator; in validation the first. Images with one
    sentence in a batch count as negatives of each other, as in the published code, whose sentences hardly ever repeat.
    """

    terms = _TERMS

    def __init__(self, reader: SentenceReader, sentences: Sentences, loss: DhnNce) -> None:
        self.model: BiomedClip = reader.model
        self._reader, self._sentences, self._loss = reader, sentences, loss

    def counts(self, batch: Batch) -> dict[str, int]:
        """Each image is one pair."""
        return {IMAGES: len(batch.examples)}

    def sums(self, model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        """The loss of a batch times its pairs, so that a batch weighs as much as it holds."""
        sentences = [self._sentences.of(self._phrase(example)) for example in batch.examples]
        tokens = self._reader.tokens(sentences).to(batch.pixel_values.device)
        images = functional.normalize(image_of(batch.pixel_values), list(CLIP_MEAN), list(CLIP_STD))
        image_features, text_features = model(images, tokens["input_ids"], tokens["attention_mask"])
        return {_LOSS: self._loss.loss(image_features.float(), text_features.float()) * len(sentences)}

    def save(self, folder: Path) -> None:
        save_biomedclip(self.model, self._reader.tokenizer, folder)

    def _phrase(self, example: Example) -> str:
        count = len(example.phrase_indices)
        if not count:
            raise ValueError("BiomedCLIP learns from phrases of objects; build its dataset of images that have some")
        place = int(torch.randint(count, ())) if self.model.training else 0
        return example.phrases[int(example.phrase_indices[place])]
