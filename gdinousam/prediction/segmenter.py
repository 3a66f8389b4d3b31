"""The public class: load once, then ask any image for any phrase."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, overload

from gdinousam.errors import InputError
from gdinousam.inputs import as_hints
from gdinousam.models.detector.operating_point import PredictionSettings
from gdinousam.models.mask_heads.sam2_memory import Sam2Memory, load_sam2_memory
from gdinousam.models.precision import Precision
from gdinousam.models.segmenter import TextSegmenter, load_segmenter
from gdinousam.models.weights.training_note import known_phrases, warn_of_new_phrases
from gdinousam.prediction.clips.answers import FrameAnswer
from gdinousam.prediction.clips.segmenting import as_clip, segment_clip
from gdinousam.prediction.clips.settings import ClipSettings
from gdinousam.prediction.correcting_views import Shown, correct_views, what_corrects
from gdinousam.prediction.given import Given, OneImage, Phrases, phrases_of_images, read_given
from gdinousam.prediction.models import ModelNames, made_by, model_names, thresholds_of
from gdinousam.prediction.results import MadeBy, Prediction
from gdinousam.prediction.sources import Clip, open_source
from gdinousam.prediction.views import PHOTO, ViewSettings, colour_notes, segment_views, whole_view
from gdinousam.progress_bar import ProgressBar
from gdinousam.records import Hint, PhraseSegmenter

logger = logging.getLogger(__name__)

_BLANK = "is blank, all pixels are alike; nothing is looked for in it"
_MOST_REMEMBERED = 10_000  # phrases that were warned of
_TOGETHER = 4  # images that go through the models at once: their features are in memory together


class Segmenter:
    """From images and phrases to masks: Grounding DINO finds a box for a phrase, SAM2 the mask in it.

    Made by ``Segmenter.load``, or by ``Segmenter.of`` from a method that was built elsewhere.
    """

    def __init__(
        self,
        method: PhraseSegmenter,
        made_by: MadeBy,
        names: ModelNames | None = None,
    ) -> None:
        self._method = method
        self._names = names
        self._asked: set[str] = set()
        self.views = ViewSettings()
        self.made_by = replace(made_by, shown=self.views.model_dump())

    def __repr__(self) -> str:
        """What it was made of, as its predictions say."""
        made_by = self.made_by
        return f"Segmenter({made_by.model!r}, adapter={made_by.adapter!r}, mask_head={made_by.mask_head!r})"

    @property
    def label(self) -> str:
        """What it was made of, in words."""
        return self.made_by.model if self._names is None else self._names.label

    @classmethod
    def load(
        cls,
        model: str | Path = "small",
        *,
        adapter: str | Path | None = None,
        mask_head: str | Path | None = None,
        device: str = "auto",
        precision: Precision = "float32",
    ) -> Segmenter:
        """Load models, ready to predict.

        model: ``small``, which comes with the package, or ``small-v1``, its first edition; ``paper``, Grounding DINO
        Swin-T with the paper's LoRA, where it was downloaded, and SAM2.1 large; a folder or file of a detector; an
        adapter, whose base is found by its note; a training run, of which the best weights are taken; or a hub id.
        adapter: a LoRA to put on the model. mask_head: ``None`` takes the one that goes with the model. device:
        ``auto``, ``cpu``, ``cuda`` or ``cuda:1``. precision: of matrix products, ``float32``, ``bfloat16`` or ``auto``.
        Raises InputError, a ValueError with one line that says what to do, for what is not there or cannot be loaded.
        """
        names = model_names(model, adapter, mask_head)
        method = load_segmenter(names.detector, names.mask_head, names.adapter, device=device, precision=precision)
        logger.info("loaded %s, on %s", names.label, method.box_finder.detector.device)
        return cls(method, made_by(names, method), names)

    @classmethod
    def of(cls, method: PhraseSegmenter, made_by: MadeBy) -> Segmenter:
        """A segmenter round a method that has been built, such as one of a config. made_by: what its results say."""
        return cls(method, made_by)

    def showing(self, views: ViewSettings) -> Segmenter:
        """The same segmenter, which shows its models other parts of an image, or shows them otherwise."""
        shown = copy(self)
        shown.views = views
        shown.made_by = replace(self.made_by, shown=views.model_dump())
        return shown

    @overload
    def predict(
        self,
        images: list[Any] | tuple[Any, ...],
        phrases: Phrases,
        *,
        threshold: float | None = None,
        max_detections: int | None = None,
    ) -> list[Prediction]: ...

    @overload
    def predict(
        self,
        images: OneImage,
        phrases: Phrases,
        *,
        threshold: float | None = None,
        max_detections: int | None = None,
    ) -> Prediction: ...

    def predict(
        self,
        images: OneImage | list[Any] | tuple[Any, ...],
        phrases: Phrases,
        *,
        threshold: float | None = None,
        max_detections: int | None = None,
    ) -> Prediction | list[Prediction]:
        """Find and segment phrases in one image or in a list of images.

        images: one, or a list or tuple, of: a path, also of a DICOM file; a file that is open for reading bytes; an
        opened ``Picture``; a PIL image; an array (H, W, 3) or (H, W) or a tensor (H, W), (3, H, W) or (H, W, 3) on any
        device, RGB or grey, whole numbers in [0, 255] or floats in [0, 1]. Sizes may differ. phrases: one phrase, a
        list of phrases for all images, or a list of them for each image. threshold: in [0, 1]; only detections whose
        score reaches it count. max_detections: how many count for each phrase and view, best first. ``None``: as the
        operating point of the weights says (``made_by.thresholds``), which also holds a first detection of a phrase to
        another score than further ones.

        Returns a Prediction for one image, a list of them for a list; an image without findings has no detections, a
        blank one neither. Raises InputError, before any model runs, for an image or phrase that cannot be taken.

        >>> segmenter = Segmenter.load("small")
        >>> prediction = segmenter.predict("scan.png", "thyroid nodule")
        >>> [one.phrase for one in prediction.detections]
        ['thyroid nodule']
        >>> segmenter.predict("scan.png", "thyroid nodule", threshold=0.99).detections
        ()
        >>> segmenter.predict("scan.png", "")
        Traceback (most recent call last):
        gdinousam.errors.PhraseError: phrase '' has no letter or digit; give the name of what to look for
        """
        if hasattr(images, "__next__") and not hasattr(images, "read"):
            raise InputError("images is a generator; give a list of what it yields, as in predict(list(images), ...)")
        is_one = not isinstance(images, list | tuple)
        given = read_given([images] if is_one else images)  # type: ignore[list-item, arg-type]
        rows = phrases_of_images(phrases, len(given))
        method, by = self._under(threshold, max_detections)
        if isinstance(method, TextSegmenter):
            for row in dict.fromkeys(rows):
                method.box_finder.captions_of(row)  # refuses a phrase that is too long, before any model runs
        self._warn_of_new(phrase for row in rows for phrase in row)
        predictions: list[Prediction] = []
        with ProgressBar(len(given), "predicting", is_shown=len(given) > 1) as bar:
            for start in range(0, len(given), _TOGETHER):
                chunk, asked = given[start : start + _TOGETHER], rows[start : start + _TOGETHER]
                predictions += self._predict(method, by, chunk, asked, threshold)
                bar.update(len(chunk))
        return predictions[0] if is_one else predictions

    def _predict(
        self,
        method: PhraseSegmenter,
        by: MadeBy,
        given: Sequence[Given],
        rows: Sequence[tuple[str, ...]],
        threshold: float | None,
    ) -> list[Prediction]:
        notes = [_notes(one, self.views) for one in given]
        seen = [() if _BLANK in of_image else row for of_image, row in zip(notes, rows, strict=True)]
        views = [[whole_view(one.image)] if one.views is None else one.views for one in given]
        found = segment_views(method, [one.image for one in given], views, seen, self.views)
        return [
            Prediction(
                one.image,
                row,
                tuple(each for each in detections if threshold is None or each.score >= threshold),
                by,
                one.name,
                one.spacing_mm,
                of_image,
            )
            for one, row, detections, of_image in zip(given, rows, found, notes, strict=True)
        ]

    def predict_clip(
        self,
        source: str | Path | BinaryIO | Clip,
        phrases: str | Sequence[str],
        settings: ClipSettings | None = None,
        *,
        threshold: float | None = None,
        max_detections: int | None = None,
    ) -> Iterator[FrameAnswer]:
        """Find phrases in a clip or volume, and follow what is found from frame to frame.

        source: a video, a DICOM clip, a NIfTI or MetaImage volume, a folder of frames, a file that is open for reading
        bytes, or an opened ``Clip``; a single picture is a clip of one frame. phrases: one or several. settings: how
        objects are followed. threshold, max_detections: as for ``predict``, of objects that are new.

        Yields an answer for each frame, in order, as soon as it is known; frames and masks that are not kept by the
        caller are not kept at all. Raises InputError, before the first frame, for a source or phrase that cannot be
        taken, and on the way for a frame that does not decode.
        """
        clip = source if isinstance(source, Clip) else as_clip(open_source(source))
        (row,) = phrases_of_images([phrases] if isinstance(phrases, str) else list(phrases), 1)
        method, _ = self._under(threshold, max_detections)
        if isinstance(method, TextSegmenter):
            method.box_finder.captions_of(row)  # refuses a phrase that is too long
        self._warn_of_new(row)
        wants_memory = settings is None or settings.carry != "flow"
        memory = self._memory if wants_memory else None
        return segment_clip(method, clip, row, settings, memory, self.views, threshold or 0.0)

    @cached_property
    def _memory(self) -> Sam2Memory | None:
        """The memory of the mask head, loaded when it is first asked for; ``None`` where it has none."""
        if self._names is None or not isinstance(self._method, TextSegmenter):
            return None
        return load_sam2_memory(self._names.mask_head, self._method.mask_head)

    def correct(self, image: OneImage, hints: Sequence[Hint]) -> Prediction:
        """Draw the masks of objects that somebody shows.

        image: as for ``predict``. hints: for each object what it is called, a box, clicks on it and beside it, or both;
        may be none. Coordinates are pixels of the image, (x, y), the centre of the first pixel at (0.5, 0.5).

        Returns a Prediction with a detection for each hint, in their order: with its phrase and score, its box or the
        one round the mask where it has none. An empty mask is kept. Raises InputError for an image that cannot be
        taken, for a hint with neither box nor click or outside the image, and for what the mask head cannot be shown,
        see ``corrects``.

        >>> from gdinousam.records import Click, Hint
        >>> segmenter = Segmenter.load("small")
        >>> prediction = segmenter.correct("scan.png", [Hint("cyst", (20, 30, 80, 90), (Click(50, 60),))])
        >>> [one.phrase for one in prediction.detections]
        ['cyst']
        """
        (given,) = read_given([image])
        views = [whole_view(given.image)] if given.views is None else given.views
        (row,) = as_hints([hints], 1)
        found = correct_views(self._method, given.image, views, row, self.views)
        phrases = tuple(dict.fromkeys(hint.phrase for hint in row))
        notes = _notes(given, self.views)
        return Prediction(given.image, phrases, tuple(found), self.made_by, given.name, given.spacing_mm, notes)

    @property
    def corrects(self) -> tuple[Shown, ...]:
        """What ``correct`` can be shown: boxes, clicks, both, or nothing."""
        return what_corrects(self._method)

    @cached_property
    def trained_phrases(self) -> tuple[str, ...]:
        """The phrases that its trainings had; empty where no list of them is known. Others can be asked all the same.

        Raises InputError for a note beside the weights that cannot be read.
        """
        if self._names is None:
            return ()
        return known_phrases(self._names.detector, self._names.adapter)

    def made_under(self, threshold: float | None = None, max_detections: int | None = None) -> MadeBy:
        """What results of ``predict`` with these thresholds say of what made them; InputError as there."""
        return self._under(threshold, max_detections)[1]

    def _under(self, threshold: float | None, max_detections: int | None) -> tuple[PhraseSegmenter, MadeBy]:
        """The method with the thresholds of this call, and what its results say."""
        if threshold is None and max_detections is None:
            return self._method, self.made_by
        _check(threshold, max_detections)
        if not isinstance(self._method, TextSegmenter):
            raise InputError(f"{self.made_by.model} has no thresholds; leave out threshold and max_detections")
        settings = _replaced(self._method.box_finder.prediction, threshold, max_detections)
        return self._method.under(settings), replace(self.made_by, thresholds=thresholds_of(settings))

    def _warn_of_new(self, phrases: Iterable[str]) -> None:
        """Say once of a phrase that no training had it."""
        new = [phrase for phrase in dict.fromkeys(phrases) if phrase not in self._asked]
        if len(self._asked) > _MOST_REMEMBERED:  # a server hears phrases without end
            self._asked.clear()
        self._asked.update(new)
        if self._names is not None and new:
            warn_of_new_phrases(self._names.detector, self._names.adapter, new)


def _check(threshold: float | None, max_detections: int | None) -> None:
    if threshold is not None and not (isinstance(threshold, int | float) and 0 <= threshold <= 1):
        raise InputError(f"threshold = {threshold!r}; give a number in [0, 1]")
    is_count = isinstance(max_detections, int) and not isinstance(max_detections, bool) and max_detections >= 1
    if max_detections is not None and not is_count:
        raise InputError(f"max_detections = {max_detections!r}; give a whole number from 1 on")


def _replaced(settings: PredictionSettings, threshold: float | None, max_detections: int | None) -> PredictionSettings:
    """Settings that are ``filled`` with other values for every phrase."""
    changes: dict[str, float | int] = {}
    if threshold is not None:
        changes |= {"box_threshold": threshold, "further_threshold": threshold}
    if max_detections is not None:
        changes["max_detections"] = max_detections
    by_phrase = {phrase: point.model_copy(update=changes) for phrase, point in settings.by_phrase.items()}
    return settings.model_copy(update={**changes, "by_phrase": by_phrase})


def _notes(given: Given, views: ViewSettings) -> tuple[str, ...]:
    """What has to be known of an image; the log says what is odd."""
    is_blank = bool((given.image == given.image[0, 0]).all())
    notes = (*((_BLANK,) if is_blank else ()), *colour_notes(given.image, views))
    for note in notes:
        if note in (_BLANK, PHOTO):
            logger.warning("%s: %s", given.name, note)
    return (*given.notes, *notes)
