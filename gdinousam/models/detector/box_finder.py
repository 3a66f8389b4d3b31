"""From images and phrases to boxes: captions, batches through the detector, thresholds, suppression."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from gdinousam.errors import InputError
from gdinousam.inputs import as_images, as_phrases
from gdinousam.models.detector.backbone import ImageFeatures
from gdinousam.models.detector.box_choice import choose_boxes
from gdinousam.models.detector.detector import Detector, LayerPrediction
from gdinousam.models.detector.operating_point import PredictionSettings
from gdinousam.models.detector.phrase_maps import PhraseMaps, overlap_with_boxes, phrase_maps
from gdinousam.models.detector.public_rule import KeptBoxes, PublicRuleSettings, public_boxes, public_text
from gdinousam.preprocessing import ResizeSettings, build_resize, image_to_tensor, normalize_image
from gdinousam.prompts import Caption, build_caption, caption_form, split_into_captions, tokenize_captions
from gdinousam.records import Detection, Image


@dataclass(frozen=True)
class _Job:
    """One caption to run on one image: the image's place in its batch, and by which rules its answer is read.

    asked: the phrases of the caption whose boxes are wanted; the others only stand beside them.
    """

    image: int
    caption: Caption
    asked: tuple[str, ...]
    by_phrase: bool
    publicly: bool = False


@dataclass(frozen=True, eq=False)
class _Read:
    """What the detector said of one image (by its place among those given) and one caption, ready to choose from.

    prediction: logits (Q, T), boxes (Q, 4). phrase_tokens: (P, T). token_ids: (T,). maps: of its
    phrases, where they have a say.
    """

    image: int
    job: _Job
    prediction: LayerPrediction
    phrase_tokens: torch.Tensor
    token_ids: torch.Tensor
    maps: PhraseMaps | None


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

    detector: in eval mode. resize: how its input is sized; as in training. prediction: which boxes count; what it
    leaves open is filled. public_rule: which ones the public test scripts would keep.
    """

    def __init__(
        self,
        detector: Detector,
        resize: ResizeSettings,
        prediction: PredictionSettings | None = None,
        public_rule: PublicRuleSettings | None = None,
    ) -> None:
        self.detector = detector
        self.prediction = (prediction or PredictionSettings()).filled()
        self.public_rule = public_rule or PublicRuleSettings()
        self._resize = build_resize(resize)

    def under(self, prediction: PredictionSettings) -> BoxFinder:
        """The same detector under other settings, ``filled``; nothing is loaded again."""
        other = copy(self)
        other.prediction = prediction
        return other

    def find(self, images: Sequence[Image], phrases: Sequence[Sequence[str]]) -> list[list[Detection]]:
        """Find the boxes of every phrase in its image.

        images: (H, W, 3) uint8 RGB in [0, 255], sizes may differ, or what ``gdinousam.inputs.as_images`` takes.
        phrases: for each image the phrases to look for; a phrase given twice counts once.
        Returns detections without masks, one list per image, ordered by phrase as asked, then by falling score; a
        phrase that is not found has none. With ``prediction.candidates`` above 1 they are those that a mask head is to
        judge.
        Raises InputError where the lists differ in length, for a text in place of a list of phrases, and for an image
        or a phrase that cannot be taken.
        """
        images = as_images(images)
        return [found.detections for found in self.find_and_choose(images, phrases, [()] * len(images))]

    def find_and_choose(
        self, images: Sequence[Image], phrases: Sequence[Sequence[str]], public_phrases: Sequence[Sequence[str]]
    ) -> list[Found]:
        """``find``, and what the public test scripts would keep, from the same run of the detector.

        public_phrases: for each image the phrases to ask as the scripts do, each by itself; may be none.
        """
        images = as_images(images)
        phrases = as_phrases(phrases, len(images))
        public_phrases = as_phrases(public_phrases, len(images), "public_phrases")
        by_phrase: list[dict[str, list[Detection]]] = [{} for _ in images]
        publicly: list[dict[str, list[Detection]]] = [{} for _ in images]
        for read in self._read(images, phrases, public_phrases):
            size_hw, asked = images[read.image].shape[:2], read.job.asked
            if read.job.by_phrase:
                chosen = self.choose(read.prediction, read.phrase_tokens, read.job.caption.phrases, size_hw, read.maps)
                by_phrase[read.image] |= {phrase: chosen[phrase] for phrase in asked}
            if read.job.publicly:
                first = self.choose_publicly(read.prediction, read.token_ids, asked[0], size_hw)
                publicly[read.image][asked[0]] = first
        return [
            Found([detection for phrase in dict.fromkeys(row) for detection in of_image[phrase]], public)
            for row, of_image, public in zip(phrases, by_phrase, publicly, strict=True)
        ]

    def find_under(
        self,
        images: Sequence[Image],
        phrases: Sequence[Sequence[str]],
        choices: Sequence[PredictionSettings],
    ) -> list[list[dict[str, list[Detection]]]]:
        """What ``find`` would give under each of several settings, from one run of the detector.

        choices: ``filled``; of them ``joint_caption``, ``beside`` and ``batch_size`` are not read, and ``maps`` only
        where the finder's own have a say. Returns for each image, for each of the settings, the detections of each
        phrase, best first.
        """
        found: list[list[dict[str, list[Detection]]]] = [[{} for _ in choices] for _ in images]
        for read in self._read(images, phrases, [()] * len(images)):
            size_hw, phrases_of_caption = images[read.image].shape[:2], read.job.caption.phrases
            for of_choice, settings in zip(found[read.image], choices, strict=True):
                chosen = choose_boxes(
                    read.prediction, read.phrase_tokens, phrases_of_caption, size_hw, settings, read.maps
                )
                of_choice |= {phrase: chosen[phrase] for phrase in read.job.asked}
        return found

    @torch.inference_mode()
    def _read(
        self, images: Sequence[Image], phrases: Sequence[Sequence[str]], public_phrases: Sequence[Sequence[str]]
    ) -> Iterator[_Read]:
        """Run every caption on its image."""
        if not len(images) == len(phrases) == len(public_phrases):
            raise ValueError(f"{len(images)} images but {len(phrases)} lists of phrases; give one list per image")
        resized = [self._resize(image_to_tensor(image)) for image in images]
        asked = [bool(row) or bool(public) for row, public in zip(phrases, public_phrases, strict=True)]
        for together in self._alike(asked, resized):
            # as bytes to the device, where they become numbers four times as large
            pixel_bytes = torch.stack([resized[index] for index in together]).to(self.detector.device)
            features = self.detector.encode(normalize_image(pixel_bytes))
            jobs = [
                job
                for place, index in enumerate(together)
                for job in self._jobs(place, tuple(dict.fromkeys(phrases[index])), public_phrases[index])
            ]
            for start in range(0, len(jobs), self.prediction.batch_size):
                yield from self._run(features, jobs[start : start + self.prediction.batch_size], together)

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
        for asked, caption in self.captions_of(phrases):
            is_public = len(asked) == 1 and public.get(asked[0]) == caption.text
            if is_public:
                del public[asked[0]]
            yield _Job(place, caption, asked, by_phrase=True, publicly=is_public)
        for phrase, text in public.items():
            caption = Caption(text, (phrase,), ((0, len(text) - 1),))
            yield _Job(place, caption, (phrase,), by_phrase=False, publicly=True)

    def captions_of(self, phrases: Sequence[str]) -> list[tuple[tuple[str, ...], Caption]]:
        """How an image is asked for phrases: captions, each with those of the phrases that it asks for.

        A caption has the phrases of ``prediction.beside`` too. No phrases give no captions. Raises InputError where a
        phrase is too long for the detector, alone or with those.
        """
        detector, together = self.detector, [phrases] if self.prediction.joint_caption else [[one] for one in phrases]
        try:
            groups = [
                group
                for one in together
                for group in split_into_captions(one, detector.tokenizer, detector.max_tokens, self._caption)
            ]
        except InputError as error:
            if not self.prediction.beside:
                raise
            raise InputError(f"{error}, or prediction.beside, which stands in its caption") from error
        return [(group, self._caption(group)) for group in groups]

    def _caption(self, asked: Sequence[str]) -> Caption:
        """These phrases and those that stand beside them; what reads like one of them stands there once."""
        forms = set(map(caption_form, asked))
        return build_caption([*asked, *(one for one in self.prediction.beside if caption_form(one) not in forms)])

    def _run(self, features: ImageFeatures, jobs: Sequence[_Job], together: Sequence[int]) -> Iterator[_Read]:
        """together: the images behind the rows of the features."""
        tokens = tokenize_captions([job.caption for job in jobs], self.detector.tokenizer, self.detector.max_tokens)
        has_maps = self.prediction.maps is not None and self.prediction.maps.have_a_say
        output = self.detector(
            features.rows([job.image for job in jobs]), tokens.to(self.detector.device), with_encoder=has_maps
        )
        last, encoder = output.last, output.encoder
        sizes_hw = [(level.shape[-2], level.shape[-1]) for level, _ in features.levels]
        # from here on the processor: one transfer for the batch instead of several for each image
        logits, boxes = last.logits.cpu(), last.boxes_cxcywh_norm.cpu()
        everywhere = None if encoder is None else encoder.logits.cpu()
        for row, job in enumerate(jobs):
            prediction = LayerPrediction(logits[row], boxes[row])
            phrase_tokens = tokens.phrase_tokens[row]
            maps = None
            if everywhere is not None:
                of_phrases = phrase_maps(everywhere[row], phrase_tokens, sizes_hw)
                maps = PhraseMaps(of_phrases, overlap_with_boxes(of_phrases, boxes[row]))
            yield _Read(together[job.image], job, prediction, phrase_tokens, tokens.input_ids[row], maps)

    def maps_for_masks(self, image: Image, phrases: Sequence[str]) -> dict[str, npt.NDArray[np.float32]]:
        """What is added to masks of each phrase, see ``gdinousam.records.Hint``; empty where nothing is.

        image: (H, W, 3) uint8 RGB. Raises InputError for a phrase that cannot be asked.
        """
        maps = self.prediction.maps
        if maps is None or not maps.mask_weight:
            return {}
        return {
            phrase: (of_phrase * maps.mask_weight).numpy()
            for read in self._read([image], as_phrases([phrases], 1), [()])
            if read.maps is not None
            for phrase, of_phrase in zip(read.job.caption.phrases, read.maps.logits, strict=True)
            if phrase in read.job.asked
        }

    def choose(
        self,
        prediction: LayerPrediction,
        phrase_tokens: torch.Tensor,
        phrases: tuple[str, ...],
        size_hw: tuple[int, int],
        maps: PhraseMaps | None = None,
    ) -> dict[str, list[Detection]]:
        """``gdinousam.models.detector.box_choice.choose_boxes`` with the settings."""
        return choose_boxes(prediction, phrase_tokens, phrases, size_hw, self.prediction.proposing, maps)

    def choose_publicly(
        self, prediction: LayerPrediction, token_ids: torch.Tensor, phrase: str, size_hw: tuple[int, int]
    ) -> list[Detection]:
        """What the public test scripts keep for the only phrase of a caption, best first.

        prediction: of one image, logits (Q, T), boxes (Q, 4). token_ids: (T,) of the caption.
        """
        return self.public_boxes(prediction, token_ids, size_hw).detections(phrase)

    def public_boxes(self, prediction: LayerPrediction, token_ids: torch.Tensor, size_hw: tuple[int, int]) -> KeptBoxes:
        """``gdinousam.models.detector.public_rule.public_boxes`` with the settings of that rule."""
        return public_boxes(prediction, token_ids, self.detector.tokenizer, size_hw, self.public_rule)
