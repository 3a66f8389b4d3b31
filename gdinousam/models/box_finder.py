"""From images and phrases to boxes: captions, batches through the detector, thresholds, suppression."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from pydantic import Field
from torchvision.ops import batched_nms, clip_boxes_to_image

from gdinousam.inputs import as_images, as_phrases
from gdinousam.models.backbone import ImageFeatures
from gdinousam.models.detector import Detector, LayerPrediction
from gdinousam.models.public_rule import KeptBoxes, public_boxes, public_text
from gdinousam.preprocessing import (
    ResizeSettings,
    boxes_xyxy_pixels,
    build_resize,
    image_to_tensor,
    normalize_image,
)
from gdinousam.prompts import (
    Caption,
    build_caption,
    phrase_scores,
    split_into_captions,
    strongest_token,
    tokenize_captions,
)
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
    """One caption to run on one image: the image's place in its batch, and by which rules its answer is read."""

    image: int
    caption: Caption
    by_phrase: bool
    publicly: bool = False


@dataclass(frozen=True)
class Found:
    """What was found in one image, without masks.

    detections: as ``BoxFinder.find`` returns them. public_choices: what the public test scripts keep, best first, by
    the phrases that were asked by their rule.
    """

    detections: list[Detection]
    public_choices: dict[str, list[Detection]] = field(default_factory=dict)


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

    def find(self, images: Sequence[Image], phrases: Sequence[Sequence[str]]) -> list[list[Detection]]:
        """Find the boxes of every phrase in its image.

        images: (H, W, 3) uint8 RGB in [0, 255], sizes may differ, or what ``gdinousam.inputs.as_images`` takes.
        phrases: for each image the phrases to look for; a phrase given twice counts once.
        Returns detections without masks, one list per image, ordered by phrase as asked, then by falling score; a
        phrase that is not found has none.
        Raises InputError where the lists differ in length, for a text in place of a list of phrases, and for an image
        or a phrase that cannot be taken.
        """
        images = as_images(images)
        return [found.detections for found in self.find_and_choose(images, phrases, [()] * len(images))]

    @torch.inference_mode()
    def find_and_choose(
        self, images: Sequence[Image], phrases: Sequence[Sequence[str]], public_phrases: Sequence[Sequence[str]]
    ) -> list[Found]:
        """``find``, and what the public test scripts would keep, from the same run of the detector.

        public_phrases: for each image the phrases to ask as the scripts do, each by itself; may be none.
        """
        images = as_images(images)
        distinct = [tuple(dict.fromkeys(row)) for row in as_phrases(phrases, len(images))]
        public_phrases = as_phrases(public_phrases, len(images), "public_phrases")
        resized = [self._resize(image_to_tensor(image)) for image in images]
        by_phrase: list[dict[str, list[Detection]]] = [{} for _ in images]
        publicly: list[dict[str, list[Detection]]] = [{} for _ in images]
        asked = [bool(row) or bool(public) for row, public in zip(distinct, public_phrases, strict=True)]
        for together in self._alike(asked, resized):
            # as bytes to the device, where they become numbers four times as large
            pixel_bytes = torch.stack([resized[index] for index in together]).to(self.detector.device)
            features = self.detector.encode(normalize_image(pixel_bytes))
            jobs = [
                job
                for place, index in enumerate(together)
                for job in self._jobs(place, distinct[index], public_phrases[index])
            ]
            sizes_hw = [images[index].shape[:2] for index in together]
            for start in range(0, len(jobs), self.prediction.batch_size):
                batch = jobs[start : start + self.prediction.batch_size]
                for job, (found, chosen) in zip(batch, self._run(features, batch, sizes_hw), strict=True):
                    by_phrase[together[job.image]] |= found
                    publicly[together[job.image]] |= chosen
        return [
            Found([detection for phrase in row for detection in by_phrase[index][phrase]], publicly[index])
            for index, row in enumerate(distinct)
        ]

    def _alike(self, asked: Sequence[bool], resized: Sequence[torch.Tensor]) -> Iterator[list[int]]:
        """Images that are asked for something, in batches of equal size after resizing: padding would change what the
        detector makes of the smaller images.
        """
        by_shape: dict[torch.Size, list[int]] = {}
        for index, is_asked in enumerate(asked):
            if is_asked:
                by_shape.setdefault(resized[index].shape, []).append(index)
        for alike in by_shape.values():
            for start in range(0, len(alike), self.prediction.batch_size):
                yield alike[start : start + self.prediction.batch_size]

    def _jobs(self, place: int, phrases: tuple[str, ...], public_phrases: Sequence[str]) -> Iterator[_Job]:
        """The captions of one image; those of the public scripts are mostly ours as well and run once."""
        public = {phrase: public_text(phrase) for phrase in public_phrases}
        together = [phrases] if self.prediction.joint_caption and phrases else [(phrase,) for phrase in phrases]
        for asked in together:
            for group in split_into_captions(asked, self.detector.tokenizer, self.detector.max_tokens):
                caption = build_caption(group)
                is_public = len(group) == 1 and public.get(group[0]) == caption.text
                if is_public:
                    del public[group[0]]
                yield _Job(place, caption, by_phrase=True, publicly=is_public)
        for phrase, text in public.items():
            yield _Job(place, Caption(text, (phrase,), ((0, len(text) - 1),)), by_phrase=False, publicly=True)

    def _run(
        self, features: ImageFeatures, jobs: Sequence[_Job], sizes_hw: Sequence[tuple[int, int]]
    ) -> Iterator[tuple[dict[str, list[Detection]], dict[str, list[Detection]]]]:
        tokens = tokenize_captions([job.caption for job in jobs], self.detector.tokenizer, self.detector.max_tokens)
        last = self.detector(features.rows([job.image for job in jobs]), tokens.to(self.detector.device)).last
        # from here on the processor: one transfer for the batch instead of several for each image
        logits, boxes = last.logits.cpu(), last.boxes_cxcywh_norm.cpu()
        for row, job in enumerate(jobs):
            prediction, size_hw = LayerPrediction(logits[row], boxes[row]), sizes_hw[job.image]
            phrases, token_ids = job.caption.phrases, tokens.input_ids[row]
            found = self.choose(prediction, tokens.phrase_tokens[row], phrases, size_hw) if job.by_phrase else {}
            public = phrases if job.publicly else ()
            yield found, {one: self.choose_publicly(prediction, token_ids, one, size_hw) for one in public}

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

    def choose_publicly(
        self, prediction: LayerPrediction, token_ids: torch.Tensor, phrase: str, size_hw: tuple[int, int]
    ) -> list[Detection]:
        """What the public test scripts keep for the only phrase of a caption, best first.

        prediction: of one image, logits (Q, T), boxes (Q, 4). token_ids: (T,) of the caption.
        """
        return self.public_boxes(prediction, token_ids, size_hw).detections(phrase)

    def public_boxes(self, prediction: LayerPrediction, token_ids: torch.Tensor, size_hw: tuple[int, int]) -> KeptBoxes:
        """``gdinousam.models.public_rule.public_boxes`` with the thresholds of the settings."""
        return public_boxes(
            prediction,
            token_ids,
            self.detector.tokenizer,
            size_hw,
            self.prediction.box_threshold,
            self.prediction.text_threshold,
            self.prediction.nms_threshold,
        )
