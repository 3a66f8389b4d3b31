"""Which phrases stand in the caption of an example: those of its image, absent ones, and other words for either."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from pydantic import Field, model_validator

from gdinousam.identity import phrase_identity
from gdinousam.phrase_book import AbsentKind, PhraseBook
from gdinousam.settings import Settings


class AbsentPhraseSettings(Settings):
    """Phrases of things that an image does not show, asked in training so that the answer to them is nothing."""

    beside: int = Field(1, ge=0, description="Number of absent phrases added to the caption of an image.")
    alone: float = Field(
        0.25,
        ge=0.0,
        le=1.0,
        description="Share of the captions, in [0, 1], that hold absent phrases only, one to `beside` + 1 of them; the "
        "objects of the image are left out there.",
    )
    single: float = Field(
        0.5,
        ge=0.0,
        le=1.0,
        description="Share of the other captions, in [0, 1], of images that show several phrases, that hold one of "
        "these only. Without it, a phrase that always stands beside others is taken as absent where it is asked alone.",
    )
    kinds: tuple[AbsentKind, ...] = Field(
        ("other organs", "other findings"),
        min_length=1,
        description="What is asked: phrases of organs that the image does not show, or of findings that exclude those "
        "of the image (benign or malignant).",
    )
    whole_book: bool = Field(
        False, description="Ask every phrase of the phrase book too, and not only those of the training data."
    )

    @model_validator(mode="after")
    def _draw_something(self) -> AbsentPhraseSettings:
        if self.beside == 0 and self.alone == 0.0:
            raise ValueError("beside and alone are both 0, which asks nothing; set the group to null")
        return self


class AbsentPhrases:
    """Draws phrases that an image cannot show, as the phrase book says.

    phrases: of the data, to draw from; with ``whole_book`` those of the book are added. candidates: both.
    """

    def __init__(self, settings: AbsentPhraseSettings, book: PhraseBook, phrases: Sequence[str]) -> None:
        of_book = [one for one in book.phrases if not _is_among(one, phrases, book)] if settings.whole_book else []
        self._settings, self._book = settings, book
        self.candidates = (*phrases, *of_book)

    def of(self, phrases: Collection[str], present: Collection[str]) -> tuple[str, ...]:
        """All that may be asked of an image, in order.

        phrases: that it is known about, present or absent. present: those of its objects.
        """
        found = self._book.absent(present, self.candidates, self._settings.kinds)
        return tuple(phrase for phrase in found if not _is_among(phrase, phrases, self._book))

    def draw(
        self, phrases: Collection[str], present: Collection[str], generator: random.Random
    ) -> tuple[list[str], bool]:
        """Distinct absent phrases for a caption, and whether the objects of the image are left out of it.

        phrases, present: as in ``of``. Nothing, and no, where nothing may be asked.
        """
        possible = self.of(phrases, present)
        if not possible:
            return [], False
        is_alone = generator.random() < self._settings.alone
        most = self._settings.beside
        number = generator.randint(1, most + 1) if is_alone else most
        return generator.sample(possible, min(number, len(possible))), is_alone

    def shown(self, present: Sequence[str], generator: random.Random) -> Collection[str]:
        """Those of the present phrases that stand in a caption: all, or one of several, see ``single``."""
        several = list(dict.fromkeys(present))
        if len(several) > 1 and generator.random() < self._settings.single:
            return [generator.choice(several)]
        return several


@dataclass(frozen=True)
class CaptionPhrases:
    """The P phrases of a caption, all distinct unless each box has its own, and the objects that they name.

    objects: which objects of the image stay with it, in order. places: of each of these the place of its phrase.
    """

    phrases: tuple[str, ...]
    objects: tuple[int, ...]
    places: tuple[int, ...]


@dataclass(frozen=True)
class CaptionRules:
    """How the phrases of a caption are chosen.

    phrase_per_box: the phrase of every box in turn, as the public code builds captions, instead of each distinct phrase
    once; of a phrase with slashes one of its parts, or all of it, at random. absent: ``None`` asks no absent phrases.
    rewording: probability that other words stand for a phrase. book: where they come from.
    """

    phrase_per_box: bool = False
    absent: AbsentPhrases | None = None
    rewording: float = 0.0
    book: PhraseBook | None = None

    def choose(self, phrases: Sequence[str], of_objects: Sequence[str], generator: random.Random) -> CaptionPhrases:
        """The phrases for one example.

        phrases: the distinct ones that its image is known about. of_objects: one per object.
        """
        drawn, is_alone = self.absent.draw(phrases, of_objects, generator) if self.absent else ([], False)
        without_box = [phrase for phrase in phrases if phrase not in of_objects]
        if is_alone:
            return CaptionPhrases(self._reworded((*without_box, *drawn), generator), (), ())
        shown = self.absent.shown(of_objects, generator) if self.absent else of_objects
        objects = tuple(place for place, phrase in enumerate(of_objects) if phrase in shown)
        if self.phrase_per_box:
            of_boxes = [_one_alternative(of_objects[place], generator) for place in objects]
            chosen = (*of_boxes, *without_box, *drawn)
            places = tuple(range(len(of_boxes)))
        else:
            chosen = (*(phrase for phrase in phrases if phrase in shown or phrase not in of_objects), *drawn)
            places = tuple(chosen.index(of_objects[place]) for place in objects)
        return CaptionPhrases(self._reworded(chosen, generator), objects, places)

    def _reworded(self, phrases: Sequence[str], generator: random.Random) -> tuple[str, ...]:
        """The phrases, some in other words; equal ones stay equal and different ones different."""
        if self.book is None or not self.rewording:
            return tuple(phrases)
        words = {phrase: phrase for phrase in phrases}
        for phrase in words:
            if generator.random() < self.rewording:
                taken = {phrase_identity(one) for one in words.values()}
                words[phrase] = _other_words(phrase, taken, self.book, generator)
        return tuple(words[phrase] for phrase in phrases)


PLAIN_CAPTIONS = CaptionRules()  # each phrase of the image once


def _other_words(phrase: str, taken: Collection[str], book: PhraseBook, generator: random.Random) -> str:
    """Plain words or a sentence with equal probability, where there are both; the phrase itself where all are taken."""
    choices = [
        [one for one in wordings if phrase_identity(one) not in taken]
        for wordings in (book.training_words(phrase), book.training_sentences(phrase))
    ]
    choices = [wordings for wordings in choices if wordings]
    return generator.choice(generator.choice(choices)) if choices else phrase


def _one_alternative(phrase: str, generator: random.Random) -> str:
    """Of "a/b": "a", "b" or "a/b", as the official function for captions draws."""
    return generator.choice([*phrase.strip().split("/"), phrase]) if "/" in phrase else phrase


def _is_among(phrase: str, others: Iterable[str], book: PhraseBook) -> bool:
    return any(book.are_same(phrase, other) for other in others)
