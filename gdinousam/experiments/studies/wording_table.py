"""How steady a method is when a phrase is said otherwise: the Dice of every wording beside that of the phrase itself.

Protocol strict: a query has the Dice of its image, 0 where the wording finds nothing; all queries of a phrase together,
whatever their dataset. Queries whose phrase is absent have no Dice and no part in this.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gdinousam.errors import InputError
from gdinousam.evaluation.reporting.statistics import Interval, bootstrap_interval, macro_intervals, resampling_unit
from gdinousam.evaluation.reporting.summary import AVERAGE
from gdinousam.evaluation.reporting.table import (
    Cell,
    Column,
    Table,
    count_cell,
    difference_cell,
    interval_cell,
    number_cell,
    text_cell,
    text_column,
)
from gdinousam.evaluation.scoring.notes import NO_NOTES, Notes, weights_remarks
from gdinousam.evaluation.scoring.results import Results, read_results
from gdinousam.evaluation.scoring.rows import ScoreRow
from gdinousam.experiments.studies.prompts_file import Wording
from gdinousam.identity import phrase_identity
from gdinousam.records import WeightsKind

WORDINGS_TABLE = "wordings_strict"

_RULE = (
    "Strict Dice in percent, a miss being 0. Change: of the wording against the phrase in its own words, on the same "
    "queries. Intervals: 95 % bootstrap over patients where known, else images."
)
_SPREAD_RULE = (
    "Of the mean Dice of each other wording of a phrase: mean, standard deviation and lowest. Change: of the mean over "
    "them against the phrase in its own words. Average: every phrase weighs the same."
)
_WORDING_COLUMNS = (
    text_column("phrase"),
    text_column("asked"),
    Column("n", ("n",)),
    Column("answered %", ("answered_percent",)),
    Column("Dice %", ("dice_percent",)),
    Column("95 % interval", ("dice_low_percent", "dice_high_percent")),
    Column("change", ("change_percent",)),
    Column("95 % interval", ("change_low_percent", "change_high_percent")),
)
_SPREAD_COLUMNS = (
    text_column("phrase"),
    Column("n", ("n",)),
    Column("own words: Dice %", ("own_dice_percent",)),
    Column("others", ("num_wordings",)),
    Column("mean %", ("mean_percent",)),
    Column("std", ("std_percent",)),
    Column("worst %", ("worst_percent",)),
    text_column("worst wording"),
    Column("change", ("change_percent",)),
    Column("95 % interval", ("change_low_percent", "change_high_percent")),
)


@dataclass(frozen=True)
class Spread:
    """A phrase in its own words and in others. own, mean, deviation, worst: in [0, 1], of the mean Dice of wordings.

    phrase: or ``AVERAGE``. deviation: population standard deviation over the other wordings. worst_wording: the lowest
    of them. change: mean over queries of the mean over the other wordings minus the own words.
    """

    phrase: str
    num_wordings: int
    own: float
    mean: float
    deviation: float
    worst: float
    worst_wording: str
    change: Interval


@dataclass(frozen=True, eq=False)
class _Asked:
    """The queries of a phrase with a target. dice: by wording, of each query in one order, the phrase itself first."""

    queries: Sequence[ScoreRow]
    dice: Mapping[Wording, Sequence[float]]
    answered: Mapping[Wording, float]

    @property
    def own(self) -> Sequence[float]:
        return next(iter(self.dice.values()))

    @property
    def others(self) -> dict[Wording, Sequence[float]]:
        return dict(list(self.dice.items())[1:])

    @property
    def units(self) -> list[tuple[str, str, str]]:
        return [resampling_unit(row) for row in self.queries]

    def changes(self) -> list[float]:
        """Of each query the mean over the other wordings minus the own words."""
        return [float(one) for one in np.mean(list(self.others.values()), axis=0) - np.asarray(self.own)]


def wording_tables(
    rows: Mapping[Wording, Sequence[ScoreRow]], weights: WeightsKind = "unknown", about: Notes = NO_NOTES
) -> dict[str, Table]:
    """``wordings``: a line for each wording; ``spread``: a line for each phrase, and one for their average.

    rows: of each wording, those of an evaluation in which it stood for its phrase; each phrase has its own words too.
    about: what the tables must say besides. A phrase without a target anywhere has no line.
    """
    asked = _asked(rows)
    remarks = about.after(weights_remarks(weights)).remarks
    lines = tuple(_wording_line(one, wording) for one in asked.values() for wording in one.dice)
    spread = _spreads(asked)
    return {
        "wordings": Table("Wordings that no training was shown", _WORDING_COLUMNS, lines, (_RULE, *remarks)),
        "spread": Table(
            "Spread over wordings",
            _SPREAD_COLUMNS,
            tuple(map(_spread_line, spread)),
            (_SPREAD_RULE, *remarks),
            num_summaries=int(len(spread) > 1),
        ),
    }


def spread_of(rows: Mapping[Wording, Sequence[ScoreRow]]) -> list[Spread]:
    """The spread of each phrase that has other wordings, then their average if there are several; may be empty."""
    return _spreads(_asked(rows))


def _spreads(of_phrases: Mapping[str, _Asked]) -> list[Spread]:
    asked = {phrase: one for phrase, one in of_phrases.items() if one.others}
    spreads = [_spread(phrase, one) for phrase, one in asked.items()]
    if len(spreads) < 2:
        return spreads
    (change,) = macro_intervals([([one.changes()], one.units) for one in asked.values()], 1)
    average = Spread(
        AVERAGE,
        sum(one.num_wordings for one in spreads),
        float(np.mean([one.own for one in spreads])),
        float(np.mean([one.mean for one in spreads])),
        float(np.mean([one.deviation for one in spreads])),
        float(np.mean([one.worst for one in spreads])),
        "",
        change,
    )
    return [*spreads, average]


def study_tables(study: Mapping[Wording, Results], remarks: Iterable[str] = ()) -> dict[str, Table]:
    """``wording_tables`` of the results of a study, at least one, which also say what method was asked.

    remarks: what they must say besides.
    """
    wording, first = next(iter(study.items()))  # one method was asked all of them
    method = first.method.replace(f": {wording.prompt}", "", 1)
    about = first.notes.after([f"Method: {method}.", *remarks])
    return wording_tables({one: results.rows for one, results in study.items()}, first.weights, about)


def read_wordings(folder: Path) -> dict[Wording, Results]:
    """The results of a finished study of wordings, by wording as in its table, where a phrase's own words come first.

    Folders of wordings that are not in the table, from another phrase book say, are not looked at. Raises InputError
    where the folder holds no such study, one that is not finished, or one in which no phrase has a target.
    """
    table = folder / f"{WORDINGS_TABLE}_wordings.csv"
    try:
        with table.open(newline="", encoding="utf-8") as file:
            asked = [Wording(line["phrase"], line["asked"]) for line in csv.DictReader(file)]
    except (OSError, UnicodeDecodeError, KeyError, csv.Error):
        asked = []
    if not asked:
        raise InputError(
            f'{folder}: no wordings in {table.name}; give the folder of a finished study with prompts "held-out '
            'wordings"'
        )
    return {wording: read_results(folder / wording.folder) for wording in asked}


def _is_own(wording: Wording) -> bool:
    return phrase_identity(wording.prompt) == phrase_identity(wording.phrase)


def _asked(rows: Mapping[Wording, Sequence[ScoreRow]]) -> dict[str, _Asked]:
    """By phrase; of each the own words first."""
    by_phrase: dict[str, dict[Wording, list[ScoreRow]]] = {}
    for wording in sorted(rows, key=lambda one: not _is_own(one)):
        of_targets = [row for row in rows[wording] if row.protocol == "strict" and not math.isnan(row.dice)]
        if of_targets:
            by_phrase.setdefault(wording.phrase, {})[wording] = of_targets
    in_order = [phrase for phrase in dict.fromkeys(one.phrase for one in rows) if phrase in by_phrase]
    return {
        phrase: _Asked(
            next(iter(by_phrase[phrase].values())),
            {wording: [row.dice for row in of_one] for wording, of_one in by_phrase[phrase].items()},
            {wording: sum(row.found for row in of_one) / len(of_one) for wording, of_one in by_phrase[phrase].items()},
        )
        for phrase in in_order
    }


def _spread(phrase: str, asked: _Asked) -> Spread:
    means = {wording.prompt: float(np.mean(dice)) for wording, dice in asked.others.items()}
    values, worst = list(means.values()), min(means, key=lambda prompt: means[prompt])
    return Spread(
        phrase,
        len(means),
        float(np.mean(asked.own)),
        float(np.mean(values)),
        float(np.std(values)),
        means[worst],
        worst,
        bootstrap_interval(asked.changes(), asked.units),
    )


def _wording_line(asked: _Asked, wording: Wording) -> tuple[Cell, ...]:
    dice = asked.dice[wording]
    mean = bootstrap_interval(dice, asked.units)
    change = bootstrap_interval(np.subtract(dice, asked.own).tolist(), asked.units)
    return (
        text_cell(wording.phrase),
        text_cell(wording.prompt),
        count_cell(len(dice)),
        number_cell(100 * asked.answered[wording]),
        number_cell(100 * mean.mean),
        interval_cell(100 * mean.low, 100 * mean.high),
        *_change_cells(change),
    )


def _spread_line(one: Spread) -> tuple[Cell, ...]:
    return (
        text_cell(one.phrase),
        count_cell(one.change.num_values),
        number_cell(100 * one.own),
        count_cell(one.num_wordings),
        number_cell(100 * one.mean),
        number_cell(100 * one.deviation),
        number_cell(100 * one.worst),
        text_cell(one.worst_wording),
        *_change_cells(one.change),
    )


def _change_cells(change: Interval) -> tuple[Cell, Cell]:
    return difference_cell(100 * change.mean), interval_cell(100 * change.low, 100 * change.high)
