"""The table of a prompt study, as table 5 of the paper: a line per prompt, the paper's numbers beside."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from gdinousam.evaluation.comparison_tables import best_places
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
    """A prompt, what it scored and what the paper prints for it."""

    wording: Wording
    summary: Summary
    printed: PaperScore


def prompt_table(rows: Mapping[Wording, Sequence[ScoreRow]], protocol: ProtocolName) -> Table:
    """One line per prompt in the order given, the best prompt of each phrase in bold.

    rows: of each prompt, those of an evaluation in which it stood for its phrase. Several datasets weigh the same.
    """
    lines = [_Line(wording, summarize(of, protocol)[-1], _printed(wording, of)) for wording, of in rows.items()]
    columns = [text_column("phrase"), text_column("prompt"), Column("n", ("n",))]
    columns += [Column("left out", ("left out",))] if protocol == "paper" else []
    columns += [Column("detected %", ("detected %",))]
    for score in ("Dice", "IoU"):
        columns += [
            Column(f"{score} %", (f"{score} %", f"{score} % std")),
            Column("95 % interval", (f"{score} % low", f"{score} % high")),
            Column("paper", (f"{score} % paper",)),
            Column("difference", (f"{score} % difference",)),
        ]
    cells = [
        cell
        for _, of_phrase in groupby(lines, key=lambda line: line.wording.phrase)
        for cell in _lines_of_phrase(list(of_phrase))
    ]
    title = f"Prompts, protocol {protocol}, as table 5 of the paper"
    return Table(title, tuple(columns), tuple(cells), (*_ranges(lines), _INTERVALS, _MISSES[protocol], *_few(lines)))


def _lines_of_phrase(lines: Sequence[_Line]) -> list[tuple[Cell, ...]]:
    best_dice = best_places([line.summary.dice_percent for line in lines])
    best_iou = best_places([line.summary.iou_percent for line in lines])
    return [_cells(line, place in best_dice, place in best_iou) for place, line in enumerate(lines)]


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
        number_cell(printed.dice),
        difference_cell(one.dice_percent - printed.dice),
        spread_cell(one.iou_percent, one.iou_std_percent, best_iou),
        interval_cell(one.iou_low_percent, one.iou_high_percent),
        number_cell(printed.iou),
        difference_cell(one.iou_percent - printed.iou),
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
