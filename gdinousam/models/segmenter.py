"""The pipeline of the paper: phrase -> detector -> boxes -> mask head -> masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Generic, TypeVar

from gdinousam.inputs import as_images, as_settings
from gdinousam.models.detector.box_choice import best_few, judged
from gdinousam.models.detector.box_finder import BoxFinder
from gdinousam.models.detector.operating_point import PredictionSettings, resolve_prediction
from gdinousam.models.detector.public_rule import PublicRuleSettings
from gdinousam.models.loading import detector_and_adapter, load_detector, load_mask_head, place, trained_resize
from gdinousam.models.mask_heads.sam2 import MaskHead
from gdinousam.models.precision import Precision
from gdinousam.models.weights.training_note import warn_of_untaught_maps
from gdinousam.preprocessing import ResizeSettings
from gdinousam.records import Answer, Click, Detection, Hint, HintedSegmenter, Image, Need

Head = TypeVar("Head", bound=HintedSegmenter)


class TextSegmenter(Generic[Head]):
    """Grounding DINO finds boxes for a phrase, the mask head, SAM2 in the paper (section 2.2), a mask for each.

    mask_head: anything that is shown boxes or clicks; a click is the centre of the box.
    """

    needs: frozenset[Need] = frozenset({"text"})

    def __init__(self, box_finder: BoxFinder, mask_head: Head) -> None:
        self.box_finder = box_finder
        self.mask_head = mask_head

    def under(self, prediction: PredictionSettings) -> TextSegmenter[Head]:
        """The same models under other settings, ``filled``; nothing is loaded again."""
        return TextSegmenter(self.box_finder.under(prediction), self.mask_head)

    def segment(self, images: Sequence[Image], phrases: Sequence[Sequence[str]]) -> list[list[Detection]]:
        """Find and segment every phrase in its image; see ``gdinousam.records.PhraseSegmenter``."""
        images = as_images(images)
        return [one.detections for one in self.segment_and_choose(images, phrases, [()] * len(images))]

    def segment_and_choose(
        self, images: Sequence[Image], phrases: Sequence[Sequence[str]], public_phrases: Sequence[Sequence[str]]
    ) -> list[Answer]:
        """``segment``, and what the public test scripts answer; see ``gdinousam.records.PublicChooser``."""
        images = as_images(images)
        found = self.box_finder.find_and_choose(images, phrases, public_phrases)
        # of what the scripts keep they make a mask of the best box only
        best = [[kept[0] for kept in one.public_choices.values() if kept] for one in found]
        masks = self.mask_head.segment_hints(
            images,
            [[_hint(box) for box in (*one.detections, *firsts)] for one, firsts in zip(found, best, strict=True)],
        )
        answers = []
        for one, segmented in zip(found, masks, strict=True):
            first_of = {first.phrase: first for first in segmented[len(one.detections) :]}
            choices = {
                phrase: [first_of[phrase], *kept[1:]] if phrase in first_of else []
                for phrase, kept in one.public_choices.items()
            }
            answers.append(Answer(self._chosen(segmented[: len(one.detections)]), choices))
        return answers

    def _chosen(self, segmented: list[Detection]) -> list[Detection]:
        """What counts of the boxes of an image, where the mask head has a say in it."""
        prediction = self.box_finder.prediction
        if prediction.candidates == 1:
            return segmented
        by_phrase: dict[str, list[Detection]] = {}
        for one in segmented:
            by_phrase.setdefault(one.phrase, []).append(one)
        counting = []
        for phrase, candidates in by_phrase.items():
            point = prediction.of(phrase)
            counting += best_few(judged(candidates, point.box_threshold), point)
        return counting


def _hint(found: Detection) -> Hint:
    """The box of a detection, and its centre as a click for whom a box says nothing."""
    return Hint(found.phrase, found.box_xyxy, (Click.centre_of(found.box_xyxy),), found.score, found.map_hw)


def load_segmenter(
    detector: str,
    mask_head: str,
    adapter: str | Path | None = None,
    resize: ResizeSettings | None = None,
    prediction: PredictionSettings | None = None,
    device: str = "auto",
    precision: Precision = "float32",
    compiled: bool = False,
    trained_box_layer: bool = True,
    public_rule: PublicRuleSettings | None = None,
) -> TextSegmenter[MaskHead]:
    """Load the whole pipeline, ready to segment.

    detector, adapter, mask_head: folders, weight files, hub ids or own names, see ``load_detector`` and
    ``load_mask_head``. resize: ``None`` takes the sizes that the detector was trained with, as written beside its
    weights, else 800 x 800. prediction: which boxes count; what it leaves open is taken from the operating point beside
    the weights, else from ``UNCHOSEN``, and a line in the log says so. device: ``auto``, ``cpu`` or ``cuda``.
    precision: of matrix products, see ``pick_precision``. compiled: see ``place``. trained_box_layer: see
    ``load_detector``. public_rule: the thresholds of the public test scripts, which no operating point changes. Raises
    InputError for what cannot be loaded or computed here.
    """
    finder = load_box_finder(
        detector,
        adapter,
        resize,
        prediction,
        device,
        precision,
        compiled,
        trained_box_layer=trained_box_layer,
        public_rule=public_rule,
    )
    return TextSegmenter(finder, place(load_mask_head(mask_head), device, precision, compiled))


def load_box_finder(
    detector: str,
    adapter: str | Path | None = None,
    resize: ResizeSettings | None = None,
    prediction: PredictionSettings | None = None,
    device: str = "auto",
    precision: Precision = "float32",
    compiled: bool = False,
    kind: type[BoxFinder] = BoxFinder,
    trained_box_layer: bool = True,
    public_rule: PublicRuleSettings | None = None,
) -> BoxFinder:
    """Load the first half of the pipeline, from phrases to boxes; see ``load_segmenter``. kind: its class."""
    resize = as_settings(resize, ResizeSettings, "resize")
    prediction = as_settings(prediction, PredictionSettings, "prediction") or PredictionSettings()
    if not prediction.is_filled:
        prediction = resolve_prediction(prediction, adapter or detector)
    if prediction.maps is not None and prediction.maps.have_a_say:
        warn_of_untaught_maps(adapter or detector)
    name, on_top = detector_and_adapter(detector, adapter)
    loaded = place(load_detector(name, on_top, trained_box_layer), device, precision, compiled)
    return kind(loaded, resize or trained_resize(on_top, name), prediction, public_rule)
