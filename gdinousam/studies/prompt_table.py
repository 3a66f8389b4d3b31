"""The table of a prompt study, as table 5 of the paper: a line per prompt, the paper's numbers beside."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from gdinousam.evaluation.best import NO_CANDIDATES, RULE, Score, best_method
from gdinousam.evaluation.method_names import beside_paper, may_be_best, weights_remarks, withheld_remarks
from gdinousam.evaluation.notes import NO_NOTES, Notes
from gdinousam.evaluation.paper_numbers import PaperScore, dataset_in_paper, paper_prompts
from gdinousam.evaluation.rows import ProtocolName, ScoreRow
from gdinousam.evaluation.summary import FEW, Summary, summarize
from gdinousam.evaluation.table_files import (
    Cell,
    Column,
    Table,
    count_cell,
    difference_cell,
    interval_cell,
    number_cell,
    spread_cell,
    text_cell,
    text_column,
)
from gdinousam.records import WeightsKind
from gdinousam.studies.prompts_file import Wording

PAPER_DATASET = "KidneyUS"  # the only one of table 5
_NOT_PRINTED = PaperScore(math.nan, math.nan, math.nan, math.nan)
_INTERVALS = "Intervals: bootstrap of the mean over patients where known, else images, 95 %."
_MISSES = {
    "strict": "A prompt that finds nothing scores 0, while the paper leaves such images out of its mean.",
    "paper": "Images in which a prompt finds nothing are left out of its mean, so each prompt has its own n.",
}


@dataclass(frozen=True)
class _Line:
    """A prompt, its rows of the protocol, what it scored and what the paper prints for it.

    printed: ``None`` where no number of the paper may stand beside any prompt.
    """

    wording: Wording
    rows: Sequence[ScoreRow]
    summary: Summary
    printed: PaperScore | None


def prompt_table(
    rows: Mapping[Wording, Sequence[ScoreRow]],
    protocol: ProtocolName,
    weights: WeightsKind = "unknown",
    about: Notes = NO_NOTES,
) -> Table:
    """One line per prompt in the order given, in bold the prompt of each phrase that is the best as in ``best_method``.

    rows: of each prompt, those of an evaluation in which it stood for its phrase. Several datasets weigh the same.
    weights: of the method that was asked; the paper's columns are left out where its numbers may not stand beside them.
    about: what the table must say besides.
    """
    with_paper = beside_paper(weights)
    lines = [_line(wording, of, protocol, with_paper) for wording, of in rows.items()]
    columns = [text_column("phrase"), text_column("prompt"), Column("n", ("n",))]
    columns += [Column("left out", ("left out",))] if protocol == "paper" else []
    columns += [Column("detected %", ("detected %",))]
    for score in ("Dice", "IoU"):
        columns += [
            Column(f"{score} %", (f"{score} %", f"{score} % std")),
            Column("95 % interval", (f"{score} % low", f"{score} % high")),
        ]
        if with_paper:
            columns += [Column("paper", (f"{score} % paper",)), Column("difference", (f"{score} % difference",))]
    ranked = may_be_best(weights, is_reference=False)
    cells = [
        cell
        for _, of_phrase in groupby(lines, key=lambda line: line.wording.phrase)
        for cell in _lines_of_phrase(list(of_phrase), ranked)
    ]
    title = f"Prompts, protocol {protocol}, as table 5 of the paper"
    remarks = (
        *about.after(weights_remarks(weights)).remarks,
        *_ranges(lines),
        RULE if ranked else NO_CANDIDATES,
        _INTERVALS,
        _MISSES[protocol],
        *withheld_remarks({title: weights}),
        *_few(lines),
    )
    return Table(title, tuple(columns), tuple(cells), remarks)


def _line(wording: Wording, rows: Sequence[ScoreRow], protocol: ProtocolName, with_paper: bool) -> _Line:
    of_protocol = [row for row in rows if row.protocol == protocol]
    printed = _printed(wording, rows) if with_paper else None
    return _Line(wording, of_protocol, summarize(rows, protocol)[-1], printed)


def _lines_of_phrase(lines: Sequence[_Line], ranked: bool) -> list[tuple[Cell, ...]]:
    rows = {line.wording: line.rows for line in lines} if ranked else {}
    best: dict[Score, Wording | None] = {"dice": best_method(rows, "dice"), "iou": best_method(rows, "iou")}
    return [_cells(line, line.wording == best["dice"], line.wording == best["iou"]) for line in lines]


def _cells(line: _Line, best_dice: bool, best_iou: bool) -> tuple[Cell, ...]:
    one, printed = line.summary, line.printed
    return (
        text_cell(line.wording.phrase),
        text_cell(line.wording.prompt),
        count_cell(one.num_scored),
        *([count_cell(one.num_left_out)] if one.protocol == "paper" else []),
        number_cell(one.detection_percent),
        spread_cell(one.dice_percent, one.dice_std_percent, best_dice),
        interval_cell(one.dice_low_percent, one.dice_high_percent),
        *(() if printed is None else (number_cell(printed.dice), difference_cell(one.dice_percent - printed.dice))),
        spread_cell(one.iou_percent, one.iou_std_percent, best_iou),
        interval_cell(one.iou_low_percent, one.iou_high_percent),
        *(() if printed is None else (number_cell(printed.iou), difference_cell(one.iou_percent - printed.iou))),
    )


def _printed(wording: Wording, rows: Sequence[ScoreRow]) -> PaperScore:
    """The paper's score of a prompt on its own dataset; nan for other prompts, phrases and datasets."""
    where = {dataset_in_paper(row.dataset) for row in rows}
    if {found[1] for found in where if found is not None} != {PAPER_DATASET} or None in where:
        return _NOT_PRINTED
    structure = wording.phrase.removeprefix("kidney ")
    scores = {(one.structure, one.prompt): one.score for one in paper_prompts()}
    return scores.get((structure, wording.prompt), _NOT_PRINTED)


def _ranges(lines: Sequence[_Line]) -> list[str]:
    """How far the wording moves the mean of each phrase."""
    sentences = []
    for phrase, of_phrase in groupby(lines, key=lambda line: line.wording.phrase):
        means = [one.summary.dice_percent for one in of_phrase if not math.isnan(one.summary.dice_percent)]
        if len(means) > 1:
            apart = max(means) - min(means)
            sentences.append(
                f"{phrase}: mean Dice {min(means):.2f} to {max(means):.2f} over {len(means)} prompts, "
                f"{apart:.2f} apart."
            )
    return sentences


def _few(lines: Sequence[_Line]) -> list[str]:
    counts = dict.fromkeys(line.wording.phrase for line in lines if line.summary.num_images < FEW)
    return [f"Fewer than {FEW} images, so the means say little: {', '.join(counts)}."] if counts else []
