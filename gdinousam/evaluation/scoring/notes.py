"""What a reader of a method's numbers must know, kept beside its rows and printed below every table that shows them.

That is a name that says what the weights are, remarks on all numbers, and footnotes of single datasets.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import TypeAdapter

from gdinousam.records import WeightsKind

REMARKS = "remarks"
OF_DATASETS = "dataset_notes"
RESIZED_TRUTH = "resized_truth"
TRAINED_ON = "trained_on"


@dataclass(frozen=True)
class Notes:
    """remarks: of all numbers of the method, a sentence each. of_datasets: by the dataset's name in the CSV, what a row
    of that dataset has as its footnote, such as that the weights were trained on it. resized_truth: the truth of some
    images was resized to the method's masks, so that it is not pixel for pixel that of other methods. trained_on: the
    datasets that its weights were trained on; ``None`` where they do not say.
    """

    remarks: tuple[str, ...] = ()
    of_datasets: Mapping[str, str] = field(default_factory=dict)
    resized_truth: bool = False
    trained_on: tuple[str, ...] | None = None

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
        trained_on = {} if self.trained_on is None else {TRAINED_ON: list(self.trained_on)}
        return {key: value for key, value in content.items() if value} | trained_on

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Notes:
        """What ``to_json`` wrote into an object; results of earlier versions have none.

        Raises ValueError where it was edited into something else.
        """
        remarks = _REMARKS.validate_python(content.get(REMARKS, ()))
        of_datasets = _OF_DATASETS.validate_python(content.get(OF_DATASETS, {}))
        trained_on = _TRAINED_ON.validate_python(content.get(TRAINED_ON))
        return cls(remarks, of_datasets, bool(content.get(RESIZED_TRUTH, False)), trained_on)


_REMARKS = TypeAdapter(tuple[str, ...])
_OF_DATASETS = TypeAdapter(dict[str, str])
_TRAINED_ON = TypeAdapter(tuple[str, ...] | None)
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


# Kinds whose numbers are not those of the model that a method is called after, and what has to be said below them.
_REMARKS_OF_KINDS: Mapping[WeightsKind, str] = {
    "random": "Weights are random: the numbers mean nothing.",
    "small": "Weights are of a small model, not the published ones of full size.",
}


def method_name(name: str, weights: WeightsKind) -> str:
    """The name with "(random)" or "(small)" behind it where the weights are, unless it says so in brackets itself.

    >>> method_name("GroundingDINO+SAM2", "small"), method_name("ours (small, tuned)", "small")
    ('GroundingDINO+SAM2 (small)', 'ours (small, tuned)')
    """
    if weights not in _REMARKS_OF_KINDS or re.search(rf"\([^()]*\b{weights}\b[^()]*\)", name, re.IGNORECASE):
        return name
    return f"{name} ({weights})"


def weights_remarks(weights: WeightsKind) -> tuple[str, ...]:
    """What every table and figure with these numbers says of the weights; nothing for those of a published size."""
    return (_REMARKS_OF_KINDS[weights],) if weights in _REMARKS_OF_KINDS else ()


def beside_paper(weights: WeightsKind) -> bool:
    """Whether numbers of the paper, which are of published weights of full size, may stand beside these."""
    return weights not in _REMARKS_OF_KINDS


def withheld_remarks(weights_of: Mapping[str, WeightsKind]) -> list[str]:
    """Why numbers of the paper are missing beside some of the methods of a table, or all; empty where they are not."""
    others = [method for method, weights in weights_of.items() if not beside_paper(weights)]
    if not others:
        return []
    where = "here" if len(others) == len(weights_of) else f"beside {', '.join(others)}"
    return [f"The paper's numbers are of published weights of full size, so none stands {where}."]


def may_be_best(weights: WeightsKind, is_reference: bool) -> bool:
    """Whether a method takes part in the contest for the best: no reference does, and no random weights do."""
    return not is_reference and weights != "random"
