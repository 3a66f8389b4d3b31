"""The trained U-Net as a method: it finds what it was trained on, asked for by the same phrases."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from gdinousam.errors import InputError
from gdinousam.identity import phrase_identity
from gdinousam.inputs import as_images, as_phrases
from gdinousam.methods.detections import detection_of
from gdinousam.methods.unet.network import UNet, UNetDescription
from gdinousam.preprocessing import ResizeSettings, build_resize, image_to_tensor, normalize_image
from gdinousam.records import Detection, Image, ImageRecord, Need


class UNetSegmenter:
    """A ``gdinousam.records.PhraseSegmenter`` of a closed vocabulary: one mask for a phrase, all its objects together.

    network: in eval mode. description: of its phrases and the side S of the square that it sees.
    """

    needs: frozenset[Need] = frozenset({"text"})

    def __init__(self, network: UNet, description: UNetDescription) -> None:
        self.network = network
        self.phrases = description.phrases
        self._channel_of = {phrase_identity(phrase): channel for channel, phrase in enumerate(description.phrases)}
        self._resize = build_resize(ResizeSettings(size=description.size))

    def to(self, device: torch.device | str) -> UNetSegmenter:
        """Move the network; returns itself."""
        self.network.to(device)
        return self

    def unsupported(self, record: ImageRecord) -> dict[str, str]:
        """See ``gdinousam.evaluation.scoring.methods.Limited``: the phrases without a channel."""
        unknown = [phrase for phrase in record.phrases if phrase_identity(phrase) not in self._channel_of]
        return dict.fromkeys(unknown, "the network was not trained on the phrase")

    @torch.inference_mode()
    def segment(self, images: Sequence[Image], phrases: Sequence[Sequence[str]]) -> list[list[Detection]]:
        """Segment every phrase in its image; see ``gdinousam.records.PhraseSegmenter``.

        At most one detection per phrase: the pixels of the image, all objects together, whose probability is above
        0.5 after bilinear resizing from the square. score: their mean probability. Raises InputError where the lists
        differ in length and for a phrase that the network was not trained on.
        """
        images = as_images(images)
        phrases = as_phrases(phrases, len(images))
        channels = [[self._channel(phrase) for phrase in row] for row in phrases]
        if not images:
            return []
        squares = torch.stack([self._resize(image_to_tensor(image)) for image in images])
        device = next(self.network.parameters()).device
        probabilities = self.network(normalize_image(squares).to(device)).float().sigmoid()  # (B, P, S, S)
        return [
            self._detections(probabilities[row], image, phrases[row], channels[row]) for row, image in enumerate(images)
        ]

    def _channel(self, phrase: str) -> int:
        channel = self._channel_of.get(phrase_identity(phrase))
        if channel is None:
            raise InputError(f"this U-Net was not trained on {phrase!r}; it knows: {', '.join(self.phrases)}")
        return channel

    def _detections(
        self, probabilities: torch.Tensor, image: Image, phrases: Sequence[str], channels: Sequence[int]
    ) -> list[Detection]:
        """probabilities: (P, S, S) of one image."""
        if not channels:
            return []
        of_size = F.interpolate(probabilities[None, list(channels)], image.shape[:2], mode="bilinear")[0].cpu().numpy()
        found = [detection_of(phrase, one) for phrase, one in zip(phrases, of_size, strict=True)]
        return [detection for detection in found if detection is not None]
