"""What a reader of a method's numbers must know, kept beside its rows and printed below every table that shows them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import TypeAdapter

REMARKS = "remarks"
OF_DATASETS = "dataset_notes"
RESIZED_TRUTH = "resized_truth"


@dataclass(frozen=True)
class Notes:
    """remarks: of all numbers of the method, a sentence each. of_datasets: by the dataset's name in the CSV, what a row
    of that dataset has as its footnote, such as that the weights were trained on it. resized_truth: the truth of some
    images was resized to the method's masks, so that it is not pixel for pixel that of other methods.
    """

    remarks: tuple[str, ...] = ()
    of_datasets: Mapping[str, str] = field(default_factory=dict)
    resized_truth: bool = False

    def of(self, dataset: str) -> tuple[str, ...]:
        """The footnotes of a dataset's row; may be none."""
        return (self.of_datasets[dataset],) if dataset in self.of_datasets else ()

    def of_mean(self, datasets: Collection[str]) -> tuple[str, ...]:
        """The footnotes of a mean over datasets: for each footnote of theirs, which of them have it."""
        by_note: dict[str, list[str]] = {}
        for dataset in datasets:
            for note in self.of(dataset):
                by_note.setdefault(note, []).append(dataset)
        return tuple(f"{', '.join(noted)}: {note}" for note, noted in by_note.items())

    def after(self, remarks: Iterable[str]) -> Notes:
        """These notes behind some remarks, each said once."""
        return replace(self, remarks=tuple(dict.fromkeys((*remarks, *self.remarks))))

    def before(self, remarks: Iterable[str]) -> Notes:
        """These notes with some remarks behind them, each said once."""
        return replace(self, remarks=tuple(dict.fromkeys((*self.remarks, *remarks))))

    def to_json(self) -> dict[str, Any]:
        """As it stands in ``method.json``, where nothing stands for no notes."""
        content = {REMARKS: list(self.remarks), OF_DATASETS: dict(self.of_datasets), RESIZED_TRUTH: self.resized_truth}
        return {key: value for key, value in content.items() if value}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Notes:
        """What ``to_json`` wrote into an object; results of earlier versions have none.

        Raises ValueError where it was edited into something else.
        """
        remarks = _REMARKS.validate_python(content.get(REMARKS, ()))
        of_datasets = _OF_DATASETS.validate_python(content.get(OF_DATASETS, {}))
        return cls(remarks, of_datasets, bool(content.get(RESIZED_TRUTH, False)))


_REMARKS = TypeAdapter(tuple[str, ...])
_OF_DATASETS = TypeAdapter(dict[str, str])
NO_NOTES = Notes()


def said_once(remarks_of: Mapping[str, Iterable[str]]) -> list[str]:
    """The remarks on several methods, each once behind the names of those that it is about.

    remarks_of: by method. Where it is about all of several, the names are left out.
    """
    methods_of: dict[str, list[str]] = {}
    for method, remarks in remarks_of.items():
        for remark in remarks:
            methods_of.setdefault(remark, []).append(method)
    return [
        remark if len(methods) == len(remarks_of) > 1 else f"{', '.join(methods)}: {remark}"
        for remark, methods in methods_of.items()
    ]
