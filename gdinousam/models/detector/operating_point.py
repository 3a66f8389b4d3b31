"""Which boxes count as found: set by the user, chosen on validation images, or the values for lack of both.

What was chosen lies as an operating point beside the weights.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import Field, ValidationError, field_validator

from gdinousam.errors import InputError
from gdinousam.files import write_text
from gdinousam.models.detector.phrase_maps import NO_MAPS, MapSettings
from gdinousam.models.loading import note_beside
from gdinousam.prompts import caption_form
from gdinousam.reading import read_json_object
from gdinousam.settings import Settings

_UNSET = "null: the value of the operating point beside the weights, otherwise "


class Point(Settings):
    """Which boxes of a phrase count, by score and number."""

    box_threshold: float = Field(ge=0, le=1, description="A box counts if a token of its phrase reaches this.")
    max_detections: int = Field(ge=1, description="Boxes kept per image and phrase, best first.")
    further_threshold: float = Field(
        ge=0, le=1, description="Boxes after the best one count if their score reaches this."
    )


class Calibration(Settings):
    """From a score s to how likely the phrase is there: 1 / (1 + exp(-(slope * log(s / (1 - s)) + offset))).

    Platt scaling (Platt 1999): the order of scores stays as it is. Thresholds are held against what comes out.
    """

    slope: float = Field(gt=0, description="By which the logit of a score is multiplied.")
    offset: float = Field(description="What is added to it.")

    def of(self, scores: torch.Tensor) -> torch.Tensor:
        """Calibrated scores; scores: any shape, in [0, 1], where 0 and 1 stay what they are."""
        return (self.slope * torch.logit(scores.double()) + self.offset).sigmoid().to(scores.dtype)


# Where nobody chose: the public test script's box threshold, and its text threshold, from which it believes a word, for
# every box after the best.
UNCHOSEN = Point(box_threshold=0.1, max_detections=5, further_threshold=0.3)


class PredictionSettings(Settings):
    """Which boxes count as found; the text and overlap thresholds are those of the public test script."""

    box_threshold: float | None = Field(
        None,
        ge=0,
        le=1,
        description=f"A box counts if a token of its phrase reaches this. {_UNSET}{UNCHOSEN.box_threshold}.",
    )
    max_detections: int | None = Field(
        None, ge=1, description=f"Boxes kept per image and phrase, best first. {_UNSET}{UNCHOSEN.max_detections}."
    )
    further_threshold: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Boxes after the best one count if their score, the mean over the phrase's tokens, reaches this. "
        f"{_UNSET}{UNCHOSEN.further_threshold}.",
    )
    by_phrase: dict[str, Point] = Field(
        {}, description="Other values for single phrases, by phrase; letter case does not matter."
    )
    calibration: Calibration | None = Field(
        None,
        description="Turns scores into probabilities, before any threshold but text_threshold. null: that of the "
        "operating point beside the weights, otherwise scores stay as they are.",
    )
    maps: MapSettings | None = Field(
        None,
        description="How much the detector's maps of where a phrase lies count. null: as the operating point beside "
        "the weights says, otherwise not at all (the paper), which two zeros say too.",
    )
    text_threshold: float = Field(
        0.3,
        ge=0,
        le=1,
        description="In a caption with several phrases, a box is assigned to its best phrase, and to any other "
        "with a token above this.",
    )
    nms_threshold: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Of boxes for the same phrase that overlap by more than this (IoU), only the best stays.",
    )
    candidates: int = Field(
        1,
        ge=1,
        description="Boxes per phrase among which the mask head has a say: so many with the best scores are segmented, "
        "and the thresholds apply to their score times the overlap that the mask head expects of their mask. 1: the "
        "detector alone decides (the paper).",
    )
    joint_caption: bool = Field(
        False,
        description="All phrases of an image in one caption (faster, but phrases influence each other) instead of "
        "one caption per phrase.",
    )
    beside: tuple[str, ...] = Field(
        (),
        description="Phrases that stand in every caption beside the asked ones, so that a box may go to one of them; "
        "their own boxes are dropped.",
    )
    batch_size: int = Field(4, ge=1, description="Images, and then captions, that go through the detector at once.")

    @field_validator("beside")
    @classmethod
    def _can_be_asked(cls, phrases: tuple[str, ...]) -> tuple[str, ...]:
        for phrase in phrases:
            caption_form(phrase)  # refuses what cannot
        return phrases

    @property
    def unset(self) -> tuple[str, ...]:
        """The names of the thresholds that are left to the operating point."""
        return tuple(name for name in Point.model_fields if getattr(self, name) is None)

    @property
    def is_filled(self) -> bool:
        """Whether nothing is left to the operating point."""
        return not self.unset and self.maps is not None

    @property
    def beyond_thresholds(self) -> dict[str, float]:
        """What else shapes scores and masks in settings that are ``filled``, by name: calibration and maps, if any."""
        groups = {
            "calibration": self.calibration,
            "maps": self.maps if self.maps is not None and self.maps.have_a_say else None,
        }
        return {
            f"{group} {name}": value
            for group, settings in groups.items()
            if settings is not None
            for name, value in settings.model_dump().items()
        }

    def filled(
        self,
        overall: Point = UNCHOSEN,
        by_phrase: dict[str, Point] | None = None,
        calibration: Calibration | None = None,
        maps: MapSettings | None = None,
    ) -> PredictionSettings:
        """The same with nothing left open: what is set here wins, value by value, over what is given.

        by_phrase: for single phrases in the place of ``overall``. calibration: ``None`` leaves scores as they are.
        maps: ``None`` leaves the maps of phrases out of it, as ``NO_MAPS`` does.
        """
        given = {name: getattr(self, name) for name in Point.model_fields if getattr(self, name) is not None}
        phrases = {caption_form(phrase): point.model_copy(update=given) for phrase, point in (by_phrase or {}).items()}
        phrases |= {caption_form(phrase): point for phrase, point in self.by_phrase.items()}
        changes: dict[str, Any] = overall.model_dump() | given | {"by_phrase": phrases}
        changes |= {"calibration": self.calibration or calibration, "maps": self.maps or maps or NO_MAPS}
        return self.model_copy(update=changes)

    @property
    def proposing(self) -> PredictionSettings:
        """Of settings that are ``filled``: those under which all boxes count that the mask head is to judge."""
        if self.candidates == 1:
            return self
        all_of_them = {"max_detections": self.candidates, "further_threshold": 0.0}
        by_phrase = {phrase: point.model_copy(update=all_of_them) for phrase, point in self.by_phrase.items()}
        return self.model_copy(update={**all_of_them, "by_phrase": by_phrase})

    @property
    def overall(self) -> Point:
        """What counts for phrases without values of their own, in settings that are ``filled``."""
        return Point.model_validate({name: getattr(self, name) for name in Point.model_fields})

    def of(self, phrase: str) -> Point:
        """What counts for a phrase, in settings that are ``filled``."""
        return self.by_phrase.get(caption_form(phrase)) or self.overall


logger = logging.getLogger(__name__)

_LIST_OF_NUMBERS = re.compile(r"\[([^\[\]{}\"]*)\]")  # written as one line

OPERATING_POINT = "gdinousam_operating_point.json"


class OperatingPoint(Settings):
    """What the file holds."""

    overall: Point = Field(description="For every phrase that has no values of its own.")
    phrases: dict[str, Point] = Field({}, description="For single phrases, in its place.")
    calibration: Calibration | None = Field(None, description="Of the scores that these values are held against.")
    maps: MapSettings | None = Field(None, description="What the maps of phrases had to say in it.")
    evidence: dict[str, Any] = Field({}, description="What it was chosen on and what it reaches there.")


def noted_point(weights: str | Path) -> OperatingPoint | None:
    """The operating point beside weights, in their folder or their hub id's repository; ``None`` where there is none.

    weights: the adapter, or the detector where there is none. Raises InputError where the file cannot be read.
    """
    path = note_beside(weights, OPERATING_POINT)
    if path is None:
        return None
    try:
        return OperatingPoint.model_validate(read_json_object(path))
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, problem["loc"]))
        raise InputError(
            f"{path}: {key}: {problem['msg']}; make it again with gdinousam operating-point, or remove it"
        ) from error


def save_point(path: Path, point: OperatingPoint) -> None:
    """Write an operating point to a file, which appears, or takes the place of an earlier one, when it is whole.

    Raises InputError where it cannot be written.
    """
    text = json.dumps(point.model_dump(mode="json"), indent=1)
    text = _LIST_OF_NUMBERS.sub(lambda numbers: f"[{' '.join(numbers[1].split())}]", text)
    try:
        write_text(path, text + "\n")
    except OSError as error:
        raise InputError(f"cannot write {path} ({error.strerror}); name another file") from error


def resolve_prediction(prediction: PredictionSettings, weights: str | Path) -> PredictionSettings:
    """The settings with nothing left open, and a line in the log that says where each value comes from.

    Value by value: what is set, else the operating point beside the weights, else ``UNCHOSEN``. weights: as for
    ``noted_point``. Raises InputError as it does.
    """
    noted = noted_point(weights)
    filled = (
        prediction.filled()
        if noted is None
        else prediction.filled(noted.overall, noted.phrases, noted.calibration, noted.maps)
    )
    logger.info("%s", _describe(filled, prediction.unset, None if noted is None else weights))
    return filled


def _describe(filled: PredictionSettings, unset: Sequence[str], noted_at: str | Path | None) -> str:
    elsewhere = "default, no operating point chosen" if noted_at is None else f"operating point of {noted_at}"
    values = {
        "box_threshold": f"boxes count from {filled.box_threshold:g}",
        "max_detections": f"at most {filled.max_detections} per phrase",
        "further_threshold": f"those after the best from {filled.further_threshold:g}",
    }
    sources = {name: elsewhere if name in unset else "as set" for name in values}
    if len(set(sources.values())) == 1:
        text = f"{', '.join(values.values())} ({sources['box_threshold']})"
    else:
        text = ", ".join(f"{value} ({sources[name]})" for name, value in values.items())
    further = [f"{name} {value:g}" for name, value in filled.beyond_thresholds.items()]
    if filled.by_phrase:
        further.append(f"other values for {', '.join(filled.by_phrase)}")
    return "; ".join([text, *further])
