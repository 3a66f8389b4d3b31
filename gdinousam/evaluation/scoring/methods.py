"""What an evaluation can score: a segmenter, or a method that must know which image of the test file it is given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.cases import Case
from gdinousam.evaluation.scoring.notes import Notes
from gdinousam.records import Answer, Detection, Image, ImageRecord, Need, PhraseSegmenter


@runtime_checkable
class RecordSegmenter(Protocol):
    """A method that is told which image it segments: what it is shown comes from the truth, from the user's notes on
    that image, or from the training images of its dataset.
    """

    @property
    def needs(self) -> frozenset[Need]: ...

    def segment_records(self, images: Sequence[Image], records: Sequence[ImageRecord]) -> list[list[Detection]]:
        """Segment every phrase of every record.

        images: (H, W, 3) uint8 RGB. records: of these images. Returns one list per image, possibly empty, ordered by
        phrase as in the record. Batch and single give the same answer.
        """
        ...


@runtime_checkable
class RecordChooser(RecordSegmenter, Protocol):
    """A ``RecordSegmenter`` that can also choose its answer by the rule of the paper's public test scripts."""

    def segment_and_choose_records(self, images: Sequence[Image], records: Sequence[ImageRecord]) -> list[Answer]:
        """``segment_records``, and for the last phrase of each image with an object what the public scripts keep."""
        ...


Method = PhraseSegmenter | RecordSegmenter


class Untimed:
    """Marks a method whose time for an image says nothing, because it did not work on the image then."""


@runtime_checkable
class Noted(Protocol):
    """A method of which something must be said that was only found out when it was built."""

    @property
    def notes(self) -> Notes: ...


@runtime_checkable
class OwnSize(Protocol):
    """A method that is scored at the size of its masks, which may be another than the image's."""

    def at_scored_size(self, case: Case) -> Case:
        """The case with image and truth at the size at which the method is scored."""
        ...


def phrases_by_dataset(records: Iterable[ImageRecord]) -> dict[str, tuple[str, ...]]:
    """The distinct phrases that are asked of each dataset's images, both in order of first appearance."""
    phrases_of: dict[str, dict[str, None]] = {}
    for record in records:
        phrases_of.setdefault(record.dataset, {}).update(dict.fromkeys(record.phrases))
    return {dataset: tuple(phrases) for dataset, phrases in phrases_of.items()}


@runtime_checkable
class Limited(Protocol):
    """A method that cannot answer every phrase or dataset, such as a network with a channel for each phrase.

    It is only asked what it can answer. The rest is not a miss: its rows are marked and counted, see ``ScoreRow``.
    """

    def unsupported(self, record: ImageRecord) -> Mapping[str, str]:
        """The phrases of the record that the method cannot answer, each with the reason, which goes on behind
        "because"; empty where it can answer all.
        """
        ...


def unsupported_phrases(method: object, record: ImageRecord) -> Mapping[str, str]:
    """The phrases of a record that a method cannot answer, each with the reason; empty for a method without limits."""
    return method.unsupported(record) if isinstance(method, Limited) else {}


def answerable(method: object, record: ImageRecord) -> ImageRecord:
    """The record with the phrases alone that the method can answer; there may be none left."""
    unsupported = unsupported_phrases(method, record)
    return replace(record, phrases=tuple(one for one in record.phrases if one not in unsupported))


def unsupported_remarks(method: object, records: Sequence[ImageRecord]) -> tuple[str, ...]:
    """What tables must say of the queries that a method cannot answer: a sentence for each reason; empty for none.

    Phrases are named where the reason is not true of all the dataset. Raises InputError where there are records and the
    method cannot answer a single query of them.
    """
    num_queries = Counter(record.dataset for record in records for _ in record.phrases)
    by_reason: dict[str, dict[str, Counter[str]]] = {}
    for record in records:
        for phrase, reason in unsupported_phrases(method, record).items():
            by_reason.setdefault(reason, {}).setdefault(record.dataset, Counter())[phrase] += 1
    remarks = []
    for reason, by_dataset in by_reason.items():
        named = []
        for dataset, counts in by_dataset.items():
            is_all = counts.total() == num_queries[dataset]
            phrases = "" if is_all else f" {', '.join(map(repr, counts))}"
            named.append(f"{dataset}{phrases} ({counts.total()})")
        remarks.append(f"Not supported, because {reason}: {'; '.join(named)}.")
    if records and not any(answerable(method, record).phrases for record in records):
        raise InputError(f"nothing of the test file can be asked of this method. {' '.join(remarks)}")
    return tuple(remarks)


class ByDataset:
    """One segmenter for each dataset, which is asked for the phrases of that dataset's images.

    segmenters: by the name of the dataset as in the CSV, at least one; all need the same. lacking: what any other
    dataset has none of, such as "U-Net".
    """

    def __init__(self, segmenters: Mapping[str, PhraseSegmenter], lacking: str) -> None:
        self.segmenters = segmenters
        self.needs: frozenset[Need] = next(iter(segmenters.values())).needs
        self._lacking = lacking

    def unsupported(self, record: ImageRecord) -> Mapping[str, str]:
        """See ``Limited``: all phrases of a dataset without a segmenter, else what its segmenter cannot answer."""
        if record.dataset not in self.segmenters:
            return dict.fromkeys(record.phrases, f"there is no {self._lacking} of the dataset")
        return unsupported_phrases(self.segmenters[record.dataset], record)

    def segment_records(self, images: Sequence[Image], records: Sequence[ImageRecord]) -> list[list[Detection]]:
        """See ``RecordSegmenter``; an image without phrases is not looked at. Raises InputError for one with phrases
        whose dataset has no segmenter.
        """
        answers: list[list[Detection]] = [[] for _ in images]
        for dataset in dict.fromkeys(record.dataset for record in records if record.phrases):
            if dataset not in self.segmenters:
                raise InputError(f"nothing was learned for dataset {dataset!r}, only for {', '.join(self.segmenters)}")
            places = [place for place, record in enumerate(records) if record.dataset == dataset and record.phrases]
            found = self.segmenters[dataset].segment(
                [images[place] for place in places], [records[place].phrases for place in places]
            )
            for place, detections in zip(places, found, strict=True):
                answers[place] = detections
        return answers
