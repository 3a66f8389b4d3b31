"""Training of a mask head that hears the phrase: shown true boxes, boxes that a detector found, and whole images.

What it is to answer is the mask of what the phrase names, also where the box is wrong. So it learns to correct boxes,
and from its own masks, which overlap the truth more or less, what overlap to expect: of a phrase that is absent none.
Not part of the paper.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import nn
from torchvision.ops import generalized_box_iou

from gdinousam.data.dataset import Batch, Example
from gdinousam.models.detector.box_choice import choose_boxes
from gdinousam.models.detector.detector import Detector, LayerPrediction
from gdinousam.models.detector.operating_point import PredictionSettings
from gdinousam.models.mask_heads.phrase_prompt import PhraseMaskHead
from gdinousam.preprocessing import boxes_xyxy_pixels
from gdinousam.prompts import build_caption, tokenize_captions
from gdinousam.settings import ModelName, Settings
from gdinousam.training.losses import Term, mask_sums
from gdinousam.training.tasks import MASK_TERMS, MASKS, Task, jittered

QUALITY = "mask_quality"


class PhrasePromptSettings(Settings):
    """How a mask head that hears phrases is trained."""

    detector: ModelName = Field(
        description="Grounding DINO whose text encoder is copied into a mask head that hears nothing yet, and whose "
        "boxes it is shown: folder, file, hub id or small."
    )
    alone: bool = Field(
        True, description="Train only what turns a phrase into a prompt. false: the whole mask head, for small ones."
    )
    detected: float = Field(
        0.4,
        ge=0.0,
        le=1.0,
        description="Share of the objects that are shown by one of the detector's best boxes for their phrase, right "
        "or wrong, in [0, 1]; and of the absent phrases (data.absent_phrases) that are shown in this way.",
    )
    num_boxes: int = Field(3, ge=1, description="Boxes of the detector of which one is drawn.")
    whole_image: float = Field(
        0.15,
        ge=0.0,
        le=1.0,
        description="Share of the objects that are shown by a box round the whole image, in [0, 1].",
    )
    unnamed: float = Field(
        0.1,
        ge=0.0,
        le=1.0,
        description="Share of the objects shown by their own box whose phrase is kept back, in [0, 1], so that the "
        "mask head still answers to boxes alone.",
    )

    @model_validator(mode="after")
    def _shares_fit(self) -> PhrasePromptSettings:
        if self.detected + self.whole_image > 1:
            raise ValueError("detected and whole_image are shares of the objects; together they are at most 1")
        return self


class PromptedForTraining(nn.Module):
    """The mask head as the loop calls it: one prompt per row, several of them of one image."""

    def __init__(self, mask_head: PhraseMaskHead) -> None:
        super().__init__()
        self.mask_head = mask_head

    def forward(
        self, pixel_values: torch.Tensor, images: torch.Tensor, boxes_xyxy: torch.Tensor, phrases: Sequence[str]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(K, S/4, S/4) logits and (K,) expected overlaps in [0, 1].

        pixel_values: (B, 3, S, S), normalised. images: (K,) int64, the image of each prompt. boxes_xyxy: (K, 4) in
        pixels of the square. phrases: K.
        """
        levels = self.mask_head.learnable_levels(pixel_values)
        answer = self.mask_head.prompted([level[images] for level in levels], boxes_xyxy, phrases)
        assert answer.quality is not None  # SAM2 always expects something
        return answer.low_res_logits[:, 0], answer.quality


@dataclass(frozen=True, eq=False)
class Shown:
    """The K prompts of a batch and what is to be answered: images (K,), boxes (K, 4), phrases, truth (L, S, S).

    The first L are of objects, the others of absent phrases; where there is neither, one of no phrase.
    """

    images: torch.Tensor
    boxes_xyxy: torch.Tensor
    phrases: list[str]
    truth: torch.Tensor


class PhraseMaskTask(Task):
    """One prompt for each object, with cross-entropy, soft Dice, and the squared error of the expected overlap.

    detector: on whose boxes to train, frozen. detector_side: of the square that it sees. box_jitter: by how much of its
    size an edge of a true box moves at most. In validation every object is shown by the best box of the detector.
    """

    terms = MASK_TERMS | {QUALITY: Term(1.0, MASKS)}

    def __init__(
        self,
        mask_head: PhraseMaskHead,
        detector: Detector,
        detector_side: int,
        settings: PhrasePromptSettings,
        box_jitter: float,
    ) -> None:
        self.mask_head = mask_head
        self.model = PromptedForTraining(mask_head)
        self.detector, self.detector_side = detector, detector_side
        self.settings, self.box_jitter = settings, box_jitter
        self._choice = PredictionSettings(
            box_threshold=0.0, max_detections=settings.num_boxes, further_threshold=0.0
        ).filled()

    def counts(self, batch: Batch) -> dict[str, int]:
        return {MASKS: batch.num_boxes}

    def sums(self, model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        shown = self.shown(batch)
        logits, quality = model(batch.pixel_values, shown.images, shown.boxes_xyxy, shown.phrases)
        of_objects = logits[: len(shown.truth)]
        at_logits = F.adaptive_avg_pool2d(shown.truth, logits.shape[-2:]) > 0.5
        overlap = torch.zeros(len(quality), device=quality.device)  # with what is absent
        overlap[: len(of_objects)] = overlaps(of_objects.detach() > 0, at_logits)
        if not any(shown.phrases) and not len(shown.truth):
            overlap = quality.detach()  # nothing was shown
        return {**mask_sums(of_objects, at_logits), QUALITY: F.mse_loss(quality.float(), overlap, reduction="sum")}

    def save(self, folder: Path) -> None:
        self.mask_head.save(folder)

    def shown(self, batch: Batch) -> Shown:
        """What is shown of each object and absent phrase of a batch, and the masks that are to be answered."""
        draws = [torch.rand(len(one.boxes_cxcywh_norm)) for one in batch.examples]
        is_detected = [(drawn < self.settings.detected) | (not self.model.training) for drawn in draws]
        absent = [self._asked_absent(example) for example in batch.examples]
        wanted = [
            dict.fromkeys([*_phrases_of(example, of_image), *names])
            for example, of_image, names in zip(batch.examples, is_detected, absent, strict=True)
        ]
        found = self._find(batch, wanted)
        images, boxes, phrases, truth = [], [], [], []
        for row, example in enumerate(batch.examples):
            for place, draw in enumerate(draws[row].tolist()):
                box, phrase, mask = self._object(example, place, draw, found[row] if is_detected[row][place] else {})
                images.append(row)
                boxes.append(box)
                phrases.append(phrase)
                truth.append(mask)
        for row, names in enumerate(absent):
            for phrase in (name for name in names if name in found[row]):
                images.append(row)
                boxes.append(self._drawn(found[row][phrase]).to(batch.pixel_values))
                phrases.append(phrase)
        side = self.mask_head.side
        masks = torch.stack(truth).float() if truth else batch.pixel_values.new_zeros(0, side, side)
        if not images:  # the loop wants a gradient of every batch
            images, boxes, phrases = [0], [self._whole(masks)], [""]
        return Shown(torch.tensor(images, device=masks.device), torch.stack(boxes), phrases, masks)

    def _object(
        self, example: Example, place: int, draw: float, found: Mapping[str, torch.Tensor]
    ) -> tuple[torch.Tensor, str, torch.Tensor]:
        """How an object is shown: a box, a phrase or an empty text, and the mask that is to be answered.

        draw: in [0, 1], decides between its own box and the whole image. found: the boxes of the detector by phrase,
        where one of them is to be shown.
        """
        if example.masks is None:
            raise ValueError("the mask head learns from masks; build its dataset with with_masks=True")
        phrase = example.phrases[int(example.phrase_indices[place])]
        same = example.phrase_indices == example.phrase_indices[place]
        true_xyxy = boxes_xyxy_pixels(example.boxes_cxcywh_norm, (self.mask_head.side, self.mask_head.side))
        if phrase in found:
            box = self._drawn(found[phrase]).to(true_xyxy)
            nearest = generalized_box_iou(box[None], true_xyxy[same])[0].argmax()
            return box, phrase, example.masks[same][nearest]
        if draw >= 1 - self.settings.whole_image:
            return self._whole(true_xyxy), phrase, example.masks[same].any(dim=0)
        box = jittered(true_xyxy[place][None], self.box_jitter, self.mask_head.side)[0]
        is_named = float(torch.rand(())) >= self.settings.unnamed
        return box, phrase if is_named else "", example.masks[place]

    def _whole(self, like: torch.Tensor) -> torch.Tensor:
        """The box of the whole square."""
        return like.new_tensor([0.0, 0.0, self.mask_head.side, self.mask_head.side])

    def _asked_absent(self, example: Example) -> list[str]:
        """The absent phrases of a caption that are shown: a share of them, in validation all."""
        present = set(example.phrase_indices.tolist())
        absent = [phrase for place, phrase in enumerate(example.phrases) if place not in present]
        return [one for one in absent if not self.model.training or torch.rand(()) < self.settings.detected]

    def _drawn(self, boxes_xyxy: torch.Tensor) -> torch.Tensor:
        """One of the boxes of a phrase, best first; in validation the best."""
        return boxes_xyxy[torch.randint(len(boxes_xyxy), ())] if self.model.training else boxes_xyxy[0]

    @torch.no_grad()
    def _find(self, batch: Batch, wanted: Sequence[Iterable[str]]) -> list[dict[str, torch.Tensor]]:
        """For each image the boxes of those of its wanted phrases that are found, (K, 4) in pixels of the square, the
        best first.
        """
        found: list[dict[str, torch.Tensor]] = [{} for _ in batch.examples]
        asked = [(row, phrase) for row, phrases in enumerate(wanted) for phrase in phrases]
        if not asked:
            return found
        side, device = self.mask_head.side, batch.pixel_values.device
        self.detector.to(device)
        rows = sorted({row for row, _ in asked})
        smaller = F.interpolate(
            batch.pixel_values[rows], [self.detector_side] * 2, mode="bilinear", antialias=True, align_corners=False
        )
        features = self.detector.encode(smaller).rows([rows.index(row) for row, _ in asked])
        captions = [build_caption([phrase]) for _, phrase in asked]
        tokens = tokenize_captions(captions, self.detector.tokenizer, self.detector.max_tokens)
        last = self.detector(features, tokens.to(device)).last
        logits, boxes = last.logits.cpu(), last.boxes_cxcywh_norm.cpu()
        for place, (row, phrase) in enumerate(asked):
            prediction = LayerPrediction(logits[place], boxes[place])
            chosen = choose_boxes(prediction, tokens.phrase_tokens[place], (phrase,), (side, side), self._choice)
            if chosen[phrase]:
                found[row][phrase] = torch.tensor([one.box_xyxy for one in chosen[phrase]])
        return found


def _phrases_of(example: Example, wanted: torch.Tensor) -> list[str]:
    """The distinct phrases of the wanted objects. wanted: (N,) bool."""
    places = example.phrase_indices.cpu()[wanted]
    return list(dict.fromkeys(example.phrases[place] for place in places.tolist()))


def overlaps(masks: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """IoU of K masks with their truth, (K,) float32; both (K, h, w) bool. 0 for two empty ones."""
    shared, either = (masks & truth).flatten(1).sum(dim=1), (masks | truth).flatten(1).sum(dim=1)
    return shared.float() / either.clamp(min=1)
