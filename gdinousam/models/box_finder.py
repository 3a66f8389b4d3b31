"""From images and phrases to boxes: captions, batches through the detector, thresholds, suppression."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from pydantic import Field
from torchvision.ops import batched_nms, clip_boxes_to_image

from gdinousam.models.detector import Detector, LayerPrediction
from gdinousam.preprocessing import (
    ResizeSettings,
    boxes_xyxy_pixels,
    build_resize,
    image_to_tensor,
    normalize_image,
)
from gdinousam.prompts import build_caption, phrase_scores, split_into_captions, strongest_token, tokenize_captions
from gdinousam.records import Detection, Image
from gdinousam.settings import Settings


class PredictionSettings(Settings):
    """Which boxes count as found. The defaults are those of the public test script."""

    box_threshold: float = Field(0.1, ge=0, le=1, description="A box counts where a token of its phrase reaches this.")
    text_threshold: float = Field(
        0.3,
        ge=0,
        le=1,
        description="In a caption of several phrases a box goes to its best phrase, and to any other with a token "
        "above this.",
    )
    nms_threshold: float = Field(
        0.1, ge=0, le=1, description="Boxes of one phrase that overlap more (IoU) are one; the best stays."
    )
    max_detections: int = Field(1, ge=1, description="Boxes kept per image and phrase, best first.")
    joint_caption: bool = Field(
        False,
        description="All phrases of an image in one caption (faster, but phrases influence each other) instead of "
        "one caption per phrase.",
    )
    batch_size: int = Field(4, ge=1, description="Captions that go through the detector at once.")


@dataclass(frozen=True)
class _Job:
    """One caption to run on one image: the image's place in the list and the phrases of the caption."""

    image: int
    phrases: tuple[str, ...]


class BoxFinder:
    """Asks the detector for phrases.

    detector: in eval mode. resize: how its input is sized; as in training.
    """

    def __init__(
        self, detector: Detector, resize: ResizeSettings, prediction: PredictionSettings | None = None
    ) -> None:
        self.detector = detector
        self.prediction = prediction or PredictionSettings()
        self._resize = build_resize(resize)

    @torch.inference_mode()
    def find(self, images: Sequence[Image], phrases: Sequence[Sequence[str]]) -> list[list[Detection]]:
        """Find the boxes of every phrase in its image.

        images: (H, W, 3) uint8 RGB in [0, 255], sizes may differ. phrases: for each image the phrases to look for; a
        phrase given twice counts once. Returns detections without masks, one list per image, ordered by phrase as
        asked, then by falling score; a phrase that is not found has none.
        Raises ValueError where the lists differ in length, InputError for a phrase that cannot be asked.
        """
        if len(images) != len(phrases):
            raise ValueError(f"{len(images)} images but {len(phrases)} lists of phrases; give one list per image")
        distinct = [tuple(dict.fromkeys(row)) for row in phrases]
        resized = [self._resize(image_to_tensor(image)) for image in images]
        found: list[dict[str, list[Detection]]] = [{} for _ in images]
        jobs = [job for index, row in enumerate(distinct) for job in self._jobs(index, row)]
        for batch in self._batches(jobs, resized):
            pixel_values = normalize_image(torch.stack([resized[job.image] for job in batch]))
            sizes_hw = [images[job.image].shape[:2] for job in batch]
            for job, chosen in zip(batch, self._run(pixel_values, batch, sizes_hw), strict=True):
                found[job.image] |= chosen
        return [
            [detection for phrase in row for detection in found[index][phrase]] for index, row in enumerate(distinct)
        ]

    def _jobs(self, index: int, phrases: tuple[str, ...]) -> Iterator[_Job]:
        together = [phrases] if self.prediction.joint_caption else [(phrase,) for phrase in phrases]
        for asked in together:
            for group in split_into_captions(asked, self.detector.tokenizer, self.detector.max_tokens):
                yield _Job(index, group)

    def _batches(self, jobs: Sequence[_Job], resized: Sequence[torch.Tensor]) -> Iterator[list[_Job]]:
        """Batches of equal size after resizing: padding would change what the detector makes of the smaller images."""
        by_shape: dict[torch.Size, list[_Job]] = {}
        for job in jobs:
            by_shape.setdefault(resized[job.image].shape, []).append(job)
        for alike in by_shape.values():
            for start in range(0, len(alike), self.prediction.batch_size):
                yield alike[start : start + self.prediction.batch_size]

    def _run(
        self, pixel_values: torch.Tensor, jobs: Sequence[_Job], sizes_hw: Sequence[tuple[int, int]]
    ) -> Iterator[dict[str, list[Detection]]]:
        device = self.detector.device
        captions = [build_caption(job.phrases) for job in jobs]
        tokens = tokenize_captions(captions, self.detector.tokenizer, self.detector.max_tokens).to(device)
        last = self.detector(pixel_values.to(device), tokens).last
        for row, job in enumerate(jobs):
            prediction = LayerPrediction(last.logits[row], last.boxes_cxcywh_norm[row])
            yield self.choose(prediction, tokens.phrase_tokens[row], job.phrases, sizes_hw[row])

    def choose(
        self,
        prediction: LayerPrediction,
        phrase_tokens: torch.Tensor,
        phrases: tuple[str, ...],
        size_hw: tuple[int, int],
    ) -> dict[str, list[Detection]]:
        """Thresholds, per-phrase suppression and the best ``max_detections`` of each phrase; best first.

        prediction: of one image, logits (Q, T), boxes (Q, 4). phrase_tokens: (P, T).
        """
        probabilities = prediction.logits.sigmoid()
        scores, strongest = phrase_scores(probabilities, phrase_tokens), strongest_token(probabilities, phrase_tokens)
        best_phrase = scores == scores.amax(dim=1, keepdim=True)
        claimed = best_phrase | (strongest > self.prediction.text_threshold)
        kept = claimed & (strongest >= self.prediction.box_threshold)  # (Q, P)
        queries, indices = kept.nonzero(as_tuple=True)
        boxes_xyxy = boxes_xyxy_pixels(prediction.boxes_cxcywh_norm[queries], size_hw)
        boxes_xyxy = clip_boxes_to_image(boxes_xyxy, size_hw)
        pair_scores = scores[queries, indices]
        order = batched_nms(boxes_xyxy, pair_scores, indices, self.prediction.nms_threshold)  # by falling score
        found: dict[str, list[Detection]] = {phrase: [] for phrase in phrases}
        for index, score, box in zip(
            indices[order].tolist(), pair_scores[order].tolist(), boxes_xyxy[order].tolist(), strict=True
        ):
            x0, y0, x1, y1 = box
            detections = found[phrases[index]]
            if len(detections) < self.prediction.max_detections and x1 > x0 and y1 > y0:
                detections.append(Detection(phrases[index], (x0, y0, x1, y1), score))
        return found
