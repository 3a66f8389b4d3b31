"""What an evaluation can score: a segmenter, or a method that must know which image of the test file it is given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from gdinousam.errors import InputError
from gdinousam.records import Detection, Image, ImageRecord, Need, Segmenter


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


class Untimed:
    """Marks a method whose time for an image says nothing, because it may have worked on the image before."""


def phrases_by_dataset(records: Iterable[ImageRecord]) -> dict[str, tuple[str, ...]]:
    """The distinct phrases that are asked of each dataset's images, both in order of first appearance."""
    phrases_of: dict[str, dict[str, None]] = {}
    for record in records:
        phrases_of.setdefault(record.dataset, {}).update(dict.fromkeys(record.phrases))
    return {dataset: tuple(phrases) for dataset, phrases in phrases_of.items()}


class ByDataset:
    """One segmenter for each dataset, which is asked for the phrases of that dataset's images.

    segmenters: by the name of the dataset as in the CSV, at least one; all need the same.
    """

    def __init__(self, segmenters: Mapping[str, Segmenter]) -> None:
        self.segmenters = segmenters
        self.needs: frozenset[Need] = next(iter(segmenters.values())).needs

    def segment_records(self, images: Sequence[Image], records: Sequence[ImageRecord]) -> list[list[Detection]]:
        """See ``RecordSegmenter``. Raises InputError for an image of a dataset that has no segmenter."""
        answers: list[list[Detection]] = [[] for _ in images]
        for dataset in dict.fromkeys(record.dataset for record in records):
            if dataset not in self.segmenters:
                raise InputError(f"nothing was learned for dataset {dataset!r}, only for {', '.join(self.segmenters)}")
            places = [place for place, record in enumerate(records) if record.dataset == dataset]
            found = self.segmenters[dataset].segment(
                [images[place] for place in places], [records[place].phrases for place in places]
            )
            for place, detections in zip(places, found, strict=True):
                answers[place] = detections
        return answers
