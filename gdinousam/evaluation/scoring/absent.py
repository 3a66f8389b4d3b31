"""Asking images for what they cannot show: phrases of other organs and other findings, beside those of their rows."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field, model_validator

from gdinousam.errors import InputError
from gdinousam.identity import same_name
from gdinousam.phrase_book import AbsentKind, PhraseBook, phrase_book_sha256, tell_assumed_organs
from gdinousam.prompts import caption_form
from gdinousam.records import ImageRecord
from gdinousam.runtime import derived_seed
from gdinousam.settings import Settings

logger = logging.getLogger(__name__)

Asked = Literal["listed", "other organs", "other findings"]
_SHOWN_DIGITS = 8  # of a hash, as of those of weights
LISTED: tuple[Asked, ...] = ("listed",)


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


class AbsentSettings(Settings):
    """Which absent phrases each image is asked for beside its own rows."""

    absent_phrases: Annotated[tuple[Asked, ...], BeforeValidator(_as_list)] = Field(
        LISTED,
        min_length=1,
        description="Absent phrases to ask each image for; one of these or a list. listed: those of its rows without a "
        "box, which are always asked. other organs, other findings: also the phrases of the file that the phrase book "
        "says the image cannot show.",
    )
    absent_from: tuple[str, ...] | None = Field(
        None, min_length=1, description="Ask for phrases of this list instead of those of the file. null: the file's."
    )
    absent_per_image: int | None = Field(
        None,
        ge=1,
        description="Ask each image for at most this many of them, drawn by its name, so that every method gets the "
        "same. null: all.",
    )

    @property
    def absent_kinds(self) -> tuple[AbsentKind, ...]:
        """What is asked beside the rows; empty: nothing."""
        return tuple(kind for kind in get_args(AbsentKind) if kind in self.absent_phrases)

    @model_validator(mode="after")
    def _is_used(self) -> AbsentSettings:
        for name in ("absent_from", "absent_per_image"):
            if getattr(self, name) is not None and not self.absent_kinds:
                raise ValueError(f"{name} has no effect; name other organs or other findings in absent_phrases, too")
        return self


def with_absent(
    records: Sequence[ImageRecord], settings: AbsentSettings, book: PhraseBook, of_file: Sequence[str]
) -> tuple[ImageRecord, ...]:
    """The records with what each is asked for besides, behind its own phrases in alphabetical order.

    of_file: all phrases of the data, from which is asked where the settings name no others. The last phrase of a record
    stays, so the paper protocol asks what it asked before. Logs the phrases that the book does not know, and
    those that are general. Raises InputError where the settings ask for something and no image can be asked for any
    phrase.
    """
    if not settings.absent_kinds:
        return tuple(records)
    candidates = sorted(_candidates(settings.absent_from, of_file))
    unknown = [phrase for phrase in dict.fromkeys((*of_file, *candidates)) if book.entry(phrase) is None]
    if unknown:
        logger.info("not in the phrase book, so neither asked as absent nor told apart: %s", ", ".join(unknown))
    if "other organs" in settings.absent_kinds:
        tell_assumed_organs(of_file, book)
    asked = tuple(_asked(record, settings, book, candidates) for record in records)
    num_added = sum(len(new.phrases) - len(old.phrases) for new, old in zip(asked, records, strict=True))
    if records and not num_added:
        raise InputError(
            f"absent_phrases: no image can be asked for {' or '.join(settings.absent_kinds)} among "
            f"{', '.join(candidates)}; name other phrases in absent_from, or a phrase book that knows these in "
            "phrase_book"
        )
    logger.info("%d absent phrases are asked beside the rows of %d images", num_added, len(records))
    return asked


def absent_remark(settings: AbsentSettings, phrase_book: Path | None) -> str:
    """What a table says of the queries without a target; empty where only rows are asked.

    phrase_book: the file from which they follow, as in ``read_phrase_book``.
    """
    if not settings.absent_kinds:
        return ""
    number = settings.absent_per_image
    return (
        f"Absent phrases: those of the rows and {' and '.join(settings.absent_kinds)}"
        f"{'' if number is None else f', at most {number} per image'} (phrase book "
        f"{phrase_book_sha256(phrase_book)[:_SHOWN_DIGITS]})."
    )


def _candidates(named: Sequence[str] | None, of_file: Sequence[str]) -> tuple[str, ...]:
    """The phrases to ask, in the spelling of the data where that has them."""
    if named is None:
        return tuple(of_file)
    for phrase in named:
        try:
            caption_form(phrase)
        except InputError as error:
            raise InputError(f"absent_from: {error}") from error
    return tuple(dict.fromkeys(same_name(phrase, of_file, of_phrases=True) or phrase for phrase in named))


def _asked(record: ImageRecord, settings: AbsentSettings, book: PhraseBook, candidates: Sequence[str]) -> ImageRecord:
    present = {instance.phrase for instance in record.instances}
    absent = [
        phrase
        for phrase in book.absent(present, candidates, settings.absent_kinds)
        if not any(book.are_same(phrase, own) for own in record.phrases)
    ]
    if settings.absent_per_image is not None and len(absent) > settings.absent_per_image:
        drawn = random.Random(derived_seed(record.dataset, record.path.name)).sample(absent, settings.absent_per_image)
        absent = sorted(drawn)
    return replace(
        record,
        phrases=(*record.phrases, *absent),
        absent_phrases=(*record.absent_phrases, *absent),
    )
