"""BiomedParse as a whole.

Shapes: B images, S side of the square image (1024 as published), P texts about one image, Q queries, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from gdinousam.methods.biomedparse.backbone import Backbone
from gdinousam.methods.biomedparse.config import BiomedParseConfig
from gdinousam.methods.biomedparse.pixel_decoder import PixelDecoder
from gdinousam.methods.biomedparse.query_decoder import QueryDecoder
from gdinousam.methods.biomedparse.text import EmbeddedTexts, TextEncoder


@dataclass(frozen=True)
class EncodedImage:
    """levels: three maps (1, C, s, s), s = S / 32, S / 16, S / 8. pixels: (1, C, S/4, S/4)."""

    levels: Sequence[torch.Tensor]
    pixels: torch.Tensor


@dataclass(frozen=True)
class Found:
    """similarities: (P, Q) in [-1, 1], of each text with each query. kernels: (P, Q, C), whose product with the pixels'
    features are mask logits.
    """

    similarities: torch.Tensor
    kernels: torch.Tensor


class BiomedParse(nn.Module):
    """BiomedParse with random weights from torch's generator."""

    def __init__(self, config: BiomedParseConfig | None = None) -> None:
        super().__init__()
        self.config = config or BiomedParseConfig()
        self.backbone = Backbone(self.config)
        self.pixel_decoder = PixelDecoder(self.config)
        self.query_decoder = QueryDecoder(self.config)
        self.text_encoder = TextEncoder(self.config)

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        return self.text_encoder.projection.device

    def encode(self, pixel_values: torch.Tensor) -> EncodedImage:
        """(1, 3, S, S) float32, normalised, to what serves for all texts."""
        return EncodedImage(*self.pixel_decoder(self.backbone(pixel_values)))

    def find(self, image: EncodedImage, texts: EmbeddedTexts) -> Found:
        """What each text, by itself, finds in the image."""
        kernels, captions = self.query_decoder(image.levels, image.pixels, texts.tokens, texts.is_token)
        similarities = F.normalize(captions, dim=-1) @ F.normalize(texts.classes, dim=-1)[:, :, None]
        return Found(similarities[..., 0], kernels)

    def matched_logits(self, image: EncodedImage, found: Found) -> torch.Tensor:
        """The mask logits (P, S/4, S/4) of the query that is most similar to each text; above 0 is inside."""
        rows = torch.arange(len(found.kernels), device=found.kernels.device)
        kernels = found.kernels[rows, found.similarities.argmax(dim=1)]
        return torch.einsum("pc,chw->phw", kernels, image.pixels[0])
