"""What is known about phrases beyond their letters: other words for them, and which ones an image cannot show as well.

The phrase book is a YAML file that users edit; the package has one for the phrases of the datasets that it knows.
Training takes wordings and absent phrases from it, evaluation absent phrases and wordings that no training has seen.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from gdinousam.assets import ASSETS
from gdinousam.errors import InputError
from gdinousam.identity import phrase_identity
from gdinousam.prompts import caption_form
from gdinousam.settings import Settings
from gdinousam.yaml_files import read_yaml

logger = logging.getLogger(__name__)

PLACE = "{phrase}"  # in a frame, where the phrase goes
_CHOICE = re.compile(r"\(([^()|]*(?:\|[^()|]*)+)\)")  # in a wording: one of several, between bars
# of the setting that names one, in every config
PHRASE_BOOK = "YAML of synonyms, organs and findings, docs/training.md; null: the package's."
AbsentKind = Literal["other organs", "other findings"]


@dataclass(frozen=True)
class Entry:
    """One thing that is asked for.

    phrase: as it stands in data. organ: which it belongs to. is_general: it may name something in other organs too
    ("cyst"), so nobody can say that it is absent there; images with it are taken for images of ``organ`` all the same.
    wordings: other words for it, for training. held_out: other words that no training is shown.
    """

    phrase: str
    organ: str
    is_general: bool = False
    wordings: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()

    @property
    def spoken(self) -> tuple[str, ...]:
        """The phrase and every other word for it."""
        return (self.phrase, *self.wordings, *self.held_out)


class PhraseBook:
    """Finds a phrase by any of its wordings, whatever its letter case; see ``read_phrase_book``.

    region_of: for each organ the region of the body that one image shows, the organ itself where it stands alone.
    alternatives: groups of phrases of which rows name every one that an image shows. frames, held_out_frames: sentences
    with ``{phrase}`` in them.
    """

    def __init__(
        self,
        entries: Iterable[Entry],
        region_of: dict[str, str],
        alternatives: Sequence[Sequence[str]] = (),
        frames: Sequence[str] = (),
        held_out_frames: Sequence[str] = (),
    ) -> None:
        self._by_words = {phrase_identity(words): entry for entry in entries for words in entry.spoken}
        self._region_of = region_of
        self._alternatives = [{self._by_words[phrase_identity(one)].phrase for one in group} for group in alternatives]
        self._frames, self._held_out_frames = tuple(frames), tuple(held_out_frames)

    def entry(self, phrase: str) -> Entry | None:
        """What a phrase or any other wording of it asks for; ``None`` where the book does not know it."""
        return self._by_words.get(phrase_identity(phrase))

    def are_same(self, one: str, other: str) -> bool:
        """Whether two phrases ask for the same thing: spelt alike, or wordings of one entry."""
        entry = self.entry(one)
        return phrase_identity(one) == phrase_identity(other) or (entry is not None and entry == self.entry(other))

    def absent(
        self, present: Collection[str], candidates: Iterable[str], kinds: Collection[AbsentKind]
    ) -> tuple[str, ...]:
        """The candidates that an image with some phrases cannot show.

        present: all phrases of the image's objects. candidates: phrases to choose from; those that the book does not
        know are left out. kinds: other organs: of a region of the body that the image does not show, where the organ of
        every present phrase is known; other findings: of a group of alternatives with a present phrase.
        Returns them in order.
        """
        own = [self.entry(phrase) for phrase in present]
        known = {entry.phrase for entry in own if entry is not None}
        regions = {self._region(entry) for entry in own if entry is not None}
        region_is_known = bool(own) and None not in own
        rivals = {phrase for group in self._alternatives if group & known for phrase in group}
        chosen = []
        for candidate in candidates:
            entry = self.entry(candidate)
            if entry is None or entry.phrase in known:
                continue
            is_elsewhere = region_is_known and not entry.is_general and self._region(entry) not in regions
            if ("other organs" in kinds and is_elsewhere) or ("other findings" in kinds and entry.phrase in rivals):
                chosen.append(candidate)
        return tuple(chosen)

    @property
    def phrases(self) -> tuple[str, ...]:
        """What the book knows, each entry by its phrase, in order."""
        return tuple(dict.fromkeys(entry.phrase for entry in self._by_words.values()))

    def training_words(self, phrase: str) -> tuple[str, ...]:
        """Other words for a phrase that training may show, the phrase itself not among them; none where the book does
        not know it.
        """
        entry = self.entry(phrase)
        return () if entry is None else _others(phrase, (entry.phrase, *entry.wordings))

    def training_sentences(self, phrase: str) -> tuple[str, ...]:
        """Sentences with the phrase, and with each of its ``training_words``."""
        return _framed((phrase, *self.training_words(phrase)), self._frames)

    def training_wordings(self, phrase: str) -> tuple[str, ...]:
        """Other words for a phrase, and sentences with it and with each of them; the phrase itself is not among them.

        A phrase that the book does not know is only put into sentences.
        """
        return (*self.training_words(phrase), *_others(phrase, self.training_sentences(phrase)))

    @property
    def training_vocabulary(self) -> frozenset[str]:
        """Every word, in lower case and without punctuation, of all that training may show."""
        texts = (text for phrase in self.phrases for text in (phrase, *self.training_wordings(phrase)))
        return frozenset(word for text in texts for word in re.findall(r"\w+", text.lower()))

    def held_out_wordings(self, phrase: str) -> tuple[str, ...]:
        """The same of what no training is shown."""
        entry = self.entry(phrase)
        words = () if entry is None else _others(phrase, entry.held_out)
        return (*words, *_others(phrase, _framed((phrase, *words), self._held_out_frames)))

    def _region(self, entry: Entry) -> str:
        return self._region_of.get(entry.organ, entry.organ)


def _others(phrase: str, words: Iterable[str]) -> tuple[str, ...]:
    """Without the phrase itself and other spellings of it."""
    return tuple(one for one in words if phrase_identity(one) != phrase_identity(phrase))


def _framed(words: Iterable[str], frames: Sequence[str]) -> tuple[str, ...]:
    return tuple(frame.replace(PLACE, one) for one in words for frame in frames)


def read_phrase_book(path: Path | None = None) -> PhraseBook:
    """Read a phrase book; ``None``: the one of the package.

    Raises InputError, with the file, where something is missing or unknown in it, a wording stands for two phrases or
    twice, an organ is in two regions or that of no phrase, or a frame has no place for the phrase.
    """
    where = _place(path)
    tree = read_yaml(where, missing=f"{where}: no such file; give a phrase book, or leave it out for the package's")
    try:
        book = _Book.model_validate(tree)
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, problem["loc"])) or "the file"
        raise InputError(f"{where}: {key}: {problem['msg']}; docs/training.md shows a phrase book") from error
    entries = [
        Entry(phrase, one.organ, one.general, one.spelled_out(phrase), one.held_out)
        for phrase, one in book.phrases.items()
    ]
    _check(where, book, entries)
    region_of = {organ: region for region, organs in book.regions.items() for organ in organs}
    return PhraseBook(entries, region_of, book.alternatives, book.frames.training, book.frames.held_out)


def tell_assumed_organs(phrases: Iterable[str], book: PhraseBook) -> None:
    """Log the general phrases among those of some data, and the organs that the book takes their images for."""
    entries = {phrase: book.entry(phrase) for phrase in phrases}
    assumed = [f"{phrase} ({one.organ})" for phrase, one in entries.items() if one is not None and one.is_general]
    if assumed:
        logger.info(
            "other organs are asked in images of these, as the phrase book names their organ: %s; if yours are of "
            "another, write it in a copy of the book and name that in phrase_book (docs/training.md)",
            ", ".join(assumed),
        )


def phrase_book_sha256(path: Path | None = None) -> str:
    """SHA-256 of a phrase book that can be read, in hexadecimal digits; ``None``: of the one of the package."""
    return hashlib.sha256(_place(path).read_bytes()).hexdigest()


def _place(path: Path | None) -> Path:
    return ASSETS / "phrase_book.yaml" if path is None else path


def _choices_made(words: str) -> list[str]:
    """ "(head|skull) of the (fetus|baby)": four wordings; words without a choice: themselves."""
    choice = _CHOICE.search(words)
    if choice is None:
        return [words]
    ends = _choices_made(words[choice.end() :])
    return [words[: choice.start()] + one + end for one in choice[1].split("|") for end in ends]


class _Phrase(Settings):
    organ: str
    general: bool = False
    wordings: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()

    def spelled_out(self, phrase: str) -> tuple[str, ...]:
        """The wordings with every choice made, without what a choice shares with the phrase or with ``held_out``."""
        plain = [words for words in self.wordings if not _CHOICE.search(words)]
        known = {phrase_identity(words) for words in (phrase, *plain, *self.held_out)}
        made = (one for words in self.wordings if words not in plain for one in _choices_made(words))
        fresh = {phrase_identity(words): words for words in made if phrase_identity(words) not in known}
        return (*plain, *fresh.values())


class _Frames(Settings):
    training: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()


class _Book(Settings):
    regions: dict[str, tuple[str, ...]] = Field({})
    alternatives: tuple[tuple[str, ...], ...] = ()
    frames: _Frames = _Frames()
    phrases: dict[str, _Phrase] = Field(min_length=1)


def _check(where: Path, book: _Book, entries: Sequence[Entry]) -> None:
    owner: dict[str, str] = {}
    for entry in entries:
        phrase = entry.phrase
        for words in entry.spoken:
            other = owner.setdefault(_form(where, words), phrase)
            if other != phrase:
                raise InputError(f"{where}: {words!r} stands for {other!r} and for {phrase!r}; leave it out of one")
        forms = [phrase_identity(words) for words in entry.spoken]
        if len(set(forms)) < len(forms):
            twice = next(form for form in forms if forms.count(form) > 1)
            raise InputError(f"{where}: {phrase}: {twice!r} stands there twice; keep one")
    for group in book.alternatives:
        for phrase in group:
            if _form(where, phrase) not in owner:
                raise InputError(f"{where}: alternatives: {phrase!r} is not one of the phrases; add it there")
    organs = [organ for of_region in book.regions.values() for organ in of_region]
    twice_in = next((organ for organ in organs if organs.count(organ) > 1), None)
    if twice_in is not None:
        raise InputError(f"{where}: regions: {twice_in!r} stands in two; keep it in one")
    known_organs = {one.organ for one in book.phrases.values()}
    unknown = next((organ for organ in organs if organ not in known_organs), None)
    if unknown is not None:
        raise InputError(f"{where}: regions: {unknown!r} is the organ of no phrase; write it as there, or leave it out")
    for frame in (*book.frames.training, *book.frames.held_out):
        if frame.count(PLACE) != 1:
            raise InputError(f"{where}: frames: {frame!r} must hold {PLACE} once")
        _form(where, frame.replace(PLACE, "cyst"))
    both = set(map(phrase_identity, book.frames.training)) & set(map(phrase_identity, book.frames.held_out))
    if both:
        raise InputError(f"{where}: frames: {min(both)!r} is held out and shown in training; keep it in one")


def _form(where: Path, words: str) -> str:
    try:
        return caption_form(words)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
