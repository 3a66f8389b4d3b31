"""The numbers printed in the paper (tables 2 to 6), and where they contradict themselves.

``paper_numbers.yaml`` keeps them as printed. Nobody corrects them: ``contradictions`` works out what cannot be right,
so that a table that shows such a number can say so in a footnote.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import numpy as np
import yaml

from gdinousam.data.sources.public.registry import find_dataset

ScoreTable = Literal[2, 3, 4]
MethodTable = Literal[3, 4]  # compared methods: on seen datasets, on unseen ones
SCORE_TABLES: tuple[ScoreTable, ...] = (2, 3, 4)
METHOD_TABLES: tuple[MethodTable, ...] = (3, 4)
OURS = "GroundingDINO-US-SAM"  # what the paper calls "Ours"
AVERAGE = "average"
_HALF_DIGIT = 0.005  # scores are printed with two decimals
_FLOAT_ERROR = 1e-9


class PaperScore(NamedTuple):
    """Dice and IoU with their standard deviations over images, in percent; deviations are printed as whole numbers."""

    dice: float
    dice_std: float
    iou: float
    iou_std: float


@dataclass(frozen=True)
class PaperTable:
    """Table 2, 3 or 4. scores: by dataset as printed, then by method. average: the printed last line, by method."""

    number: ScoreTable
    scores: Mapping[str, Mapping[str, PaperScore]]
    average: Mapping[str, PaperScore]

    @property
    def methods(self) -> tuple[str, ...]:
        """The compared methods, in the order of the table."""
        return tuple(self.average)

    def mean(self, method: str, datasets: list[str]) -> tuple[float, float]:
        """Plain means of the printed Dice and IoU of a method over some datasets, at least one, as printed."""
        scores = [self.scores[dataset][method] for dataset in datasets]
        return float(np.mean([one.dice for one in scores])), float(np.mean([one.iou for one in scores]))


@dataclass(frozen=True)
class PaperPrompt:
    """One line of table 5: a prompt for a structure of the kidney."""

    structure: str
    prompt: str
    score: PaperScore


@dataclass(frozen=True)
class Contradiction:
    """Printed numbers that cannot all be right. dataset: as printed, or "average". text: one sentence for a note."""

    table: ScoreTable
    dataset: str
    method: str
    text: str


def paper_table(number: ScoreTable) -> PaperTable:
    """Table 2 (ablation), 3 (seen datasets) or 4 (unseen datasets)."""
    scores = {
        dataset: {method: PaperScore(*numbers) for method, numbers in of_dataset.items()}
        for dataset, of_dataset in _printed()[f"table_{number}"].items()
    }
    average = scores.pop(AVERAGE)
    return PaperTable(number, scores, average)


def paper_prompts() -> tuple[PaperPrompt, ...]:
    """Table 5: the 20 prompts of the kidney's structures, on KidneyUS."""
    return tuple(
        PaperPrompt(structure, prompt, PaperScore(*numbers))
        for structure, prompts in _printed()["table_5"].items()
        for prompt, numbers in prompts.items()
    )


def paper_seconds() -> Mapping[str, float]:
    """Table 6: seconds per image by method, mean of ten runs on a Titan V."""
    return MappingProxyType(_printed()["table_6"])


def dataset_in_paper(dataset: str) -> tuple[MethodTable, str] | None:
    """Where the compared methods' scores on a dataset are printed: table 3 or 4, and its name there.

    dataset: as in a CSV: the tag or the name of a public dataset, in any letter case. ``None``: not in the paper.
    """
    return _printed_names().get(dataset.lower())


def in_paper_order(datasets: Iterable[str]) -> tuple[str, ...]:
    """The datasets, each once: first those of the paper's tables 3 and 4 in that order, then the rest as they come."""
    printed = [(number, name) for number in METHOD_TABLES for name in paper_table(number).scores]
    where = {dataset: dataset_in_paper(dataset) for dataset in datasets}
    return tuple(sorted(where, key=lambda one: printed.index(at) if (at := where[one]) else len(printed)))


def method_in_paper(name: str) -> str | None:
    """How tables 3, 4 and 6 spell a method; letter case, spaces and signs do not matter. ``None``: not in them."""
    return {_letters(method): method for method in paper_seconds()}.get(_letters(name))


def place_in_paper(name: str) -> int | None:
    """The place of a method in tables 3, 4 and 6, counted from 0; what stands in brackets behind the name does not
    matter. ``None``: not in them.
    """
    return next((place for place, method in enumerate(paper_seconds()) if same_method(method, name)), None)


def same_method(name: str, called: str) -> bool:
    """Whether a method is called by a name, or by it with brackets behind it; letter case and signs do not matter.

    >>> same_method("SAMUS", "samus (random)"), same_method("MedCLIP-SAM", "MedCLIP-SAMv2")
    (True, False)
    """
    return _letters(name) == _letters(re.sub(r"\([^()]*\)", "", called))


@lru_cache
def contradictions() -> tuple[Contradiction, ...]:
    """Everything in tables 2 to 4 that cannot be right, in the order of the tables; table 5 has nothing of the kind."""
    checks: tuple[Callable[[PaperTable], Iterator[Contradiction]], ...] = (
        _impossible_pairs,
        _swapped_pairs,
        _deviations_of_nothing,
        _wrong_averages,
    )
    return tuple(found for number in SCORE_TABLES for check in checks for found in check(paper_table(number)))


def footnotes(table: ScoreTable, dataset: str, method: str) -> tuple[str, ...]:
    """What to say below a table that shows a printed number; nothing for most."""
    wanted = (table, dataset, method)
    return tuple(one.text for one in contradictions() if (one.table, one.dataset, one.method) == wanted)


def possible(score: PaperScore) -> bool:
    """Whether some images can have this mean Dice and mean IoU.

    An image's IoU is Dice / (2 - Dice), a convex function of its Dice from 0 to 1. So over any images the mean IoU is
    at most the mean Dice, and at least what the function gives for the mean Dice.
    """
    lowest = max(score.dice - _HALF_DIGIT, 0) / 100
    return 100 * lowest / (2 - lowest) <= score.iou + _HALF_DIGIT and score.iou <= score.dice + 2 * _HALF_DIGIT


def _impossible_pairs(table: PaperTable) -> Iterator[Contradiction]:
    for dataset, method, score in _cells(table):
        if not possible(score):
            text = (
                f"The paper prints Dice {score.dice:.2f} and IoU {score.iou:.2f} for {dataset}, but a mean IoU lies "
                "between Dice / (2 - Dice) and the mean Dice."
            )
            yield Contradiction(table.number, dataset, method, text)


def _swapped_pairs(table: PaperTable) -> Iterator[Contradiction]:
    """Two datasets of one method with the same two numbers, the other way round."""
    for dataset, method, score in _cells(table):
        for other, other_method, other_score in _cells(table):
            if (
                dataset != other
                and method == other_method
                and (score.dice, score.iou) == (other_score.iou, other_score.dice)
            ):
                text = f"The paper prints the same two numbers for {other}, Dice and IoU the other way round."
                yield Contradiction(table.number, dataset, method, text)


def _deviations_of_nothing(table: PaperTable) -> Iterator[Contradiction]:
    """A deviation that rounds to 0 although the test set has several images: as if one image had been scored."""
    for dataset, method, score in _cells(table):
        num_test = find_dataset(dataset).facts.paper_counts[2]
        if num_test > 1 and 0 in (score.dice_std, score.iou_std):
            text = f"The paper prints a standard deviation of 0 although {dataset} has {num_test} test images."
            yield Contradiction(table.number, dataset, method, text)


def _wrong_averages(table: PaperTable) -> Iterator[Contradiction]:
    """Averages that are not the mean of their column. What an average deviation should be the paper does not say."""
    for method, printed in table.average.items():
        dice, iou = table.mean(method, list(table.scores))
        allowed = 2 * _HALF_DIGIT + _FLOAT_ERROR  # the rows are rounded, and so is the average
        if abs(printed.dice - dice) > allowed or abs(printed.iou - iou) > allowed:
            text = (
                f"The paper prints Dice {printed.dice:.2f} and IoU {printed.iou:.2f} as the average of {method}; the "
                f"mean of its {len(table.scores)} printed rows is {dice:.2f} and {iou:.2f}."
            )
            yield Contradiction(table.number, AVERAGE, method, text)


def _cells(table: PaperTable) -> Iterator[tuple[str, str, PaperScore]]:
    for dataset, of_dataset in table.scores.items():
        for method, score in of_dataset.items():
            yield dataset, method, score


@lru_cache
def _printed_names() -> dict[str, tuple[MethodTable, str]]:
    """Table and printed name by tag and by name, in small letters."""
    printed = [(number, dataset) for number in METHOD_TABLES for dataset in paper_table(number).scores]
    facts = [find_dataset(dataset).facts for _, dataset in printed]
    return {
        spelling.lower(): where
        for where, of_dataset in zip(printed, facts, strict=True)
        for spelling in (of_dataset.tag, of_dataset.name)
    }


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", name.lower())


@lru_cache
def _printed() -> Any:
    text = resources.files("gdinousam.evaluation.reporting").joinpath("paper_numbers.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)
