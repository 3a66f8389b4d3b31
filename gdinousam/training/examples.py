"""The examples of a training run: its images and phantoms, augmented, with the phrases of their captions."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from gdinousam.data.augmentation import Augmentation, AugmentationSettings, build_augmentation, phrases_never_flipped
from gdinousam.data.caption_phrases import AbsentPhrases, CaptionRules
from gdinousam.data.dataset import Examples, JoinedExamples, TrainingDataset
from gdinousam.data.sources.phantoms import phrases_of
from gdinousam.data.sources.phantoms.endless import EndlessPhantoms
from gdinousam.errors import InputError
from gdinousam.phrase_book import PhraseBook, read_phrase_book, tell_assumed_organs
from gdinousam.preprocessing import ResizeSettings
from gdinousam.runtime import derived_seed
from gdinousam.training.images import LearningConfig, Records, TrainData, TrainingImages, training_phrases

logger = logging.getLogger(__name__)


def training_examples(config: LearningConfig, images: TrainingImages, resize: ResizeSettings) -> JoinedExamples:
    """The training images and, after them, the phantoms of an epoch, both augmented.

    Raises InputError for a phrase book that cannot be read, and where there is no absent phrase to ask.
    """
    data, phrases = config.data, training_phrases(config.data, images)
    if config.augmentation is not None and config.augmentation.horizontal_flip:
        _tell_what_is_not_flipped(config.augmentation, phrases)
    captions = _caption_rules(config, phrases)
    if captions.book is not None:
        _tell_unknown_phrases(phrases, captions.book)
        if data.absent_phrases is not None and "other organs" in data.absent_phrases.kinds:
            tell_assumed_organs(phrases, captions.book)
    if captions.absent is not None:
        _require_something_absent(captions.absent, _phrases_of_images(data, images), config.phrase_book)
    augmentation = build_augmentation(config.augmentation, phrases) if config.augmentation else None
    num_phantoms = data.phantoms.num_train if data.phantoms else 0
    seed, balance = config.training.seed, data.balance
    return JoinedExamples(_parts(config, images.train, num_phantoms, resize, augmentation, seed, captions, balance))


def validation_examples(
    config: LearningConfig, images: TrainingImages, resize: ResizeSettings
) -> JoinedExamples | None:
    """The validation images and phantoms, the same in every epoch; ``None`` without any. Its phantoms never train.

    Neither is augmented or reworded. Absent phrases are asked as in training.
    """
    num_phantoms = config.data.phantoms.num_val if config.data.phantoms else 0
    seed = derived_seed("validation", config.training.seed)
    captions = replace(_caption_rules(config, training_phrases(config.data, images)), rewording=0.0)
    parts = _parts(config, images.val, num_phantoms, resize, None, seed, captions)
    return JoinedExamples(parts) if parts else None


def training_wordings(config: LearningConfig, images: TrainingImages) -> tuple[str, ...]:
    """Other words for these phrases that captions may hold; none where nothing is reworded."""
    if not config.data.rewording:
        return ()
    book = read_phrase_book(config.phrase_book)
    phrases = training_phrases(config.data, images)
    return tuple(dict.fromkeys(words for phrase in phrases for words in book.training_wordings(phrase)))


def texts_in_captions(config: LearningConfig, images: TrainingImages) -> tuple[str, ...]:
    """Everything that a caption may hold as a phrase: phrases of the data and of the book, and other words for them."""
    of_data = training_phrases(config.data, images)
    rules = _caption_rules(config, of_data)
    phrases = of_data if rules.absent is None else rules.absent.candidates
    if rules.book is None or not rules.rewording:
        return phrases
    return (*phrases, *(words for phrase in phrases for words in rules.book.training_wordings(phrase)))


def _caption_rules(config: LearningConfig, phrases: Sequence[str]) -> CaptionRules:
    data = config.data
    phrase_per_box = data.captions == "phrase_per_box"
    if not config.uses_phrase_book:
        return CaptionRules(phrase_per_box)
    book = read_phrase_book(config.phrase_book)
    absent = None if data.absent_phrases is None else AbsentPhrases(data.absent_phrases, book, phrases)
    return CaptionRules(phrase_per_box, absent, data.rewording, book)


def _parts(
    config: LearningConfig,
    records: Records,
    num_phantoms: int,
    resize: ResizeSettings,
    augmentation: Augmentation | None,
    seed: int,
    captions: CaptionRules,
    balance: float = 0.0,
) -> Sequence[Examples]:
    phantoms, with_masks = config.data.phantoms, config.needs_masks
    parts: list[Examples] = []
    if records:
        parts.append(TrainingDataset(records, resize, augmentation, seed, with_masks, captions, balance))
    if num_phantoms and phantoms:
        parts.append(EndlessPhantoms(phantoms.families, num_phantoms, resize, augmentation, seed, with_masks, captions))
    return parts


def _phrases_of_images(data: TrainData, images: TrainingImages) -> list[tuple[str, ...]]:
    """The phrases that a training image may show together, each set of them once."""
    of_records = {tuple(instance.phrase for instance in record.instances) for record in images.train}
    families = () if data.phantoms is None else data.phantoms.families
    return [*of_records, *((phrase,) for family in families for phrase in phrases_of(family))]


def _tell_what_is_not_flipped(settings: AugmentationSettings, phrases: Sequence[str]) -> None:
    kept = phrases_never_flipped(settings, phrases)
    if kept:
        logger.info("images are not flipped where they name a side that has no counterpart here: %s", ", ".join(kept))


def _tell_unknown_phrases(phrases: Iterable[str], book: PhraseBook) -> None:
    """Log the phrases of a training that the book does not know, and what that means."""
    unknown = [phrase for phrase in phrases if book.entry(phrase) is None]
    if unknown:
        logger.warning(
            "phrases that the phrase book does not know: %s; they are never asked where they are absent, no other "
            "organs are asked beside them, and there are no synonyms for them: add them to a copy of the book and "
            "name it in phrase_book (docs/training.md)",
            ", ".join(unknown),
        )


def _require_something_absent(
    absent: AbsentPhrases, phrases_of_images: Iterable[Collection[str]], book: Path | None
) -> None:
    """Raise InputError where no image can be asked an absent phrase.

    phrases_of_images: of the objects of each image, equal sets once. book: the phrase book, ``None`` for the package's.
    """
    if not any(absent.of(phrases, phrases) for phrases in phrases_of_images):
        where = "the package's phrase book" if book is None else str(book)
        raise InputError(
            f"data.absent_phrases: {where} knows no phrase of another organ or finding to ask in these images; add "
            "their phrases to a phrase book (phrase_book), ask all of the book (data.absent_phrases.whole_book), or "
            "set data.absent_phrases to null"
        )
