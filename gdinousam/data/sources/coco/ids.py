"""The numbers that images and phrases of a CSV have in COCO files of ours: exported data and results alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from gdinousam.records import ImageRecord


@dataclass(frozen=True)
class CocoIds:
    """images: by path, from 1 in the order of the CSV. categories: by phrase, from 1 in alphabetical order."""

    images: Mapping[Path, int]
    categories: Mapping[str, int]

    def with_phrases(self, phrases: Iterable[str]) -> CocoIds:
        """The same with numbers for phrases that the CSV does not have, in alphabetical order behind the others."""
        new = sorted(set(phrases) - self.categories.keys())
        first = len(self.categories) + 1
        return replace(self, categories={**self.categories, **{phrase: first + at for at, phrase in enumerate(new)}})


def coco_ids(records: Iterable[ImageRecord]) -> CocoIds:
    """Those of all records of a CSV, in its order."""
    records = tuple(records)
    images = {record.path: number for number, record in enumerate(records, start=1)}
    return CocoIds(images, {}).with_phrases(phrase for record in records for phrase in record.phrases)
