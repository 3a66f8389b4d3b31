"""Which number of the paper stands beside a score of ours, and what has to be said of the two."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gdinousam.data.sources.public.registry import find_dataset
from gdinousam.evaluation.reporting.comparison import Compared
from gdinousam.evaluation.reporting.paper_numbers import (
    AVERAGE,
    PaperScore,
    ScoreTable,
    dataset_in_paper,
    footnotes,
    method_in_paper,
    paper_table,
)
from gdinousam.evaluation.scoring.notes import beside_paper, withheld_remarks

NOT_PRINTED = PaperScore(math.nan, math.nan, math.nan, math.nan)
_MISSES_DIFFER = (
    "The paper's numbers leave queries in which nothing was found out of the mean, these count them as 0; --protocol "
    "paper scores as the paper does."
)


def holds_numbers(compared: Compared, number: ScoreTable | None) -> bool:
    """Whether a number of the paper stands beside any score; see ``printed_score``."""
    return any(
        not math.isnan(printed_score(compared, number, dataset, method)[0].dice)
        for dataset in compared.datasets
        for method in compared.rows
    )


def printed_score(
    compared: Compared, number: ScoreTable | None, dataset: str, method: str
) -> tuple[PaperScore, tuple[str, ...]]:
    """The paper's score with its footnotes; nan where it has none, and beside weights that are not the published ones.

    number: the paper's table that ours repeats; the numbers of table 2 are found by its names of methods.
    """
    table, printed_dataset, printed_method = _place(number, dataset, method)
    score = None if table is None else paper_table(table).scores.get(printed_dataset, {}).get(printed_method)
    if table is None or score is None or not beside_paper(compared.weights_of(method)):
        return NOT_PRINTED, ()
    return score, footnotes(table, printed_dataset, printed_method)


def printed_average(
    compared: Compared, number: ScoreTable | None, datasets: Sequence[str], method: str
) -> tuple[PaperScore, tuple[str, ...]]:
    """The mean of the printed scores of the datasets that our average holds; nan where one of them is not printed.

    Not the printed average: that stands for other datasets as soon as one is missing here, and is wrong in places.
    """
    scores = [printed_score(compared, number, dataset, method)[0] for dataset in datasets]
    if not scores or any(math.isnan(one.dice) for one in scores):
        return NOT_PRINTED, ()
    notes = ["The mean of the numbers that the paper prints for these datasets."]
    places = [_place(number, dataset, method) for dataset in datasets]
    tables = {table for table, _, _ in places}
    for table in tables:
        if len(tables) == 1 and table is not None and len(datasets) == len(paper_table(table).scores):
            notes += footnotes(table, AVERAGE, places[0][2])
    return PaperScore(*(float(np.mean(values)) for values in zip(*scores, strict=True))), tuple(notes)


def size_notes(compared: Compared, dataset: str) -> tuple[str, ...]:
    """A note where the paper tested on another number of images."""
    where = dataset_in_paper(dataset)
    if where is None:
        return ()
    rows = next(iter(compared.rows.values()))
    num_images = len({row.image_name for row in rows if row.dataset == dataset})
    in_paper = find_dataset(where[1]).facts.paper_counts[2]
    if num_images == in_paper:
        return ()
    return (f"{num_images} images of {where[1]} here; table 1 of the paper counts {in_paper} for testing.",)


def paper_remarks(compared: Compared, number: ScoreTable | None) -> list[str]:
    """What a table with these columns says of them: that misses count otherwise, and whom they are kept from."""
    remarks = []
    if holds_numbers(compared, number) and compared.protocol != "paper":
        remarks.append(_MISSES_DIFFER)
    remarks += withheld_remarks({method: compared.weights_of(method) for method in compared.rows})
    return remarks


def _place(number: ScoreTable | None, dataset: str, method: str) -> tuple[ScoreTable | None, str, str]:
    """Where the paper may print a score: table, dataset and method as spelled there; no table where it has neither."""
    where, printed_method = dataset_in_paper(dataset), method if number == 2 else method_in_paper(method)
    if where is None or printed_method is None:
        return None, "", ""
    return (2 if number == 2 else where[0]), where[1], printed_method
