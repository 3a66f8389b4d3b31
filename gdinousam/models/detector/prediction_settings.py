"""Which boxes count as found: set by the user, chosen on validation images, or the values for lack of both."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from gdinousam.phrases import caption_form
from gdinousam.settings import Settings

_UNSET = "null: the value of the operating point beside the weights, otherwise "


class Point(Settings):
    """Which boxes of a phrase count, by score and number."""

    box_threshold: float = Field(ge=0, le=1, description="A box counts if a token of its phrase reaches this.")
    max_detections: int = Field(ge=1, description="Boxes kept per image and phrase, best first.")
    further_threshold: float = Field(
        ge=0, le=1, description="Boxes after the best one count if their score reaches this."
    )


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
    joint_caption: bool = Field(
        False,
        description="All phrases of an image in one caption (faster, but phrases influence each other) instead of "
        "one caption per phrase.",
    )
    batch_size: int = Field(4, ge=1, description="Images, and then captions, that go through the detector at once.")

    @property
    def unset(self) -> tuple[str, ...]:
        """The names of the values that are left to the operating point."""
        return tuple(name for name in Point.model_fields if getattr(self, name) is None)

    def filled(self, overall: Point = UNCHOSEN, by_phrase: dict[str, Point] | None = None) -> PredictionSettings:
        """The same with nothing left open: what is set here wins, value by value, over what is given.

        by_phrase: for single phrases in the place of ``overall``.
        """
        given = {name: getattr(self, name) for name in Point.model_fields if getattr(self, name) is not None}
        phrases = {caption_form(phrase): point.model_copy(update=given) for phrase, point in (by_phrase or {}).items()}
        phrases |= {caption_form(phrase): point for phrase, point in self.by_phrase.items()}
        changes: dict[str, Any] = overall.model_dump() | given | {"by_phrase": phrases}
        return self.model_copy(update=changes)

    @property
    def overall(self) -> Point:
        """What counts for phrases without values of their own, in settings that are ``filled``."""
        return Point.model_validate({name: getattr(self, name) for name in Point.model_fields})

    def of(self, phrase: str) -> Point:
        """What counts for a phrase, in settings that are ``filled``."""
        return self.by_phrase.get(caption_form(phrase)) or self.overall
