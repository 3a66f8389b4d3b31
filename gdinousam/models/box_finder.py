"""From images and phrases to boxes: captions, batches through the detector, thresholds, suppression."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from pydantic import Field
from torchvision.ops import batched_nms, clip_boxes_to_image

from gdinousam.models.backbone import ImageFeatures
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
    batch_size: int = Field(4, ge=1, description="Images, and then captions, that go through the detector at once.")


@dataclass(frozen=True)
class _Job:
    """One caption to run on one image: the image's place in its batch and the phrases of the caption."""

    image: int
    phrases: tuple[str, ...]


class BoxFinder:
    """Asks the detector for phrases. Its image backbone runs once per image, its text encoder once per caption.

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
        for together in self._alike(distinct, resized):
            # as bytes to the device, where they become numbers four times as large
            pixel_bytes = torch.stack([resized[index] for index in together]).to(self.detector.device)
            features = self.detector.encode(normalize_image(pixel_bytes))
            jobs = [job for place, index in enumerate(together) for job in self._jobs(place, distinct[index])]
            sizes_hw = [images[index].shape[:2] for index in together]
            for start in range(0, len(jobs), self.prediction.batch_size):
                batch = jobs[start : start + self.prediction.batch_size]
                for job, chosen in zip(batch, self._run(features, batch, sizes_hw), strict=True):
                    found[together[job.image]] |= chosen
        return [
            [detection for phrase in row for detection in found[index][phrase]] for index, row in enumerate(distinct)
        ]

    def _alike(self, phrases: Sequence[Sequence[str]], resized: Sequence[torch.Tensor]) -> Iterator[list[int]]:
        """Images that are asked for something, in batches of equal size after resizing: padding would change what the
        detector makes of the smaller images.
        """
        by_shape: dict[torch.Size, list[int]] = {}
        for index, row in enumerate(phrases):
            if row:
                by_shape.setdefault(resized[index].shape, []).append(index)
        for alike in by_shape.values():
            for start in range(0, len(alike), self.prediction.batch_size):
                yield alike[start : start + self.prediction.batch_size]

    def _jobs(self, place: int, phrases: tuple[str, ...]) -> Iterator[_Job]:
        together = [phrases] if self.prediction.joint_caption else [(phrase,) for phrase in phrases]
        for asked in together:
            for group in split_into_captions(asked, self.detector.tokenizer, self.detector.max_tokens):
                yield _Job(place, group)

    def _run(
        self, features: ImageFeatures, jobs: Sequence[_Job], sizes_hw: Sequence[tuple[int, int]]
    ) -> Iterator[dict[str, list[Detection]]]:
        captions = [build_caption(job.phrases) for job in jobs]
        tokens = tokenize_captions(captions, self.detector.tokenizer, self.detector.max_tokens)
        last = self.detector(features.rows([job.image for job in jobs]), tokens.to(self.detector.device)).last
        # from here on the processor: one transfer for the batch instead of several for each image
        logits, boxes = last.logits.cpu(), last.boxes_cxcywh_norm.cpu()
        for row, job in enumerate(jobs):
            prediction = LayerPrediction(logits[row], boxes[row])
            yield self.choose(prediction, tokens.phrase_tokens[row], job.phrases, sizes_hw[job.image])

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
