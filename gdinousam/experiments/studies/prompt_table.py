"""The table of a prompt study, as table 5 of the paper: a line per prompt, the paper's numbers beside."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gdinousam.evaluation.reporting.best import NO_CANDIDATES, RULE, Score, best_method
from gdinousam.evaluation.reporting.paper_numbers import PaperScore, dataset_in_paper, paper_prompts
from gdinousam.evaluation.reporting.summary import FEW, Summary, summarize
from gdinousam.evaluation.reporting.table import (
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
from gdinousam.evaluation.scoring.notes import (
    NO_NOTES,
    Notes,
    beside_paper,
    may_be_best,
    weights_remarks,
    withheld_remarks,
)
from gdinousam.evaluation.scoring.rows import ProtocolName, ScoreRow
from gdinousam.experiments.studies.prompts_file import Wording
from gdinousam.records import WeightsKind

PAPER_DATASET = "KidneyUS"  # the only one of table 5
_NOT_PRINTED = PaperScore(math.nan, math.nan, math.nan, math.nan)
_INTERVALS = "Intervals: bootstrap of the mean over patients where known, else images, 95 %."
_COMMON = "Asked of every phrase, whatever it is."
_MISSES = {
    "strict": "A prompt that finds nothing scores 0, while the paper leaves such images out of its mean.",
    "paper": "Images in which a prompt finds nothing are left out of its mean, so each prompt has its own n.",
}


@dataclass(frozen=True)
class _Line:
    """A prompt, its rows of the protocol, what it scored in a dataset or in their average, and what the paper prints.

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
    is_papers_method: bool = True,
) -> Table:
    """One line per prompt in the order given, in bold the prompt of each phrase that is the best as in ``best_method``.

    rows: of each prompt, those of an evaluation in which it stood for its phrase. A phrase with several datasets has
    lines of each and then of their average, in which they weigh the same; each line names its own. weights: of the
    method that was asked. about: what the table must say besides. is_papers_method: whether that is the paper's own
    method. The paper's columns are left out where its numbers may not stand beside the others.
    """
    with_paper = beside_paper(weights) and is_papers_method
    parts = _parts(rows, protocol, with_paper)
    datasets = dict.fromkeys(line.summary.dataset for lines in parts for line in lines)
    columns = [text_column("phrase"), *([text_column("dataset")] if len(datasets) > 1 else [])]
    columns += [text_column("prompt"), Column("n", ("n",))]
    columns += [Column("left out", ("left out",))] if protocol == "paper" else []
    columns += [Column("answered %", ("answered %",))]
    for score in ("Dice", "IoU"):
        columns += [
            Column(f"{score} %", (f"{score} %", f"{score} % std")),
            Column("95 % interval", (f"{score} % low", f"{score} % high")),
        ]
        if with_paper:
            columns += [Column("paper", (f"{score} % paper",)), Column("difference", (f"{score} % difference",))]
    ranked = may_be_best(weights, is_reference=False)
    cells = [cell for lines in parts for cell in _lines_of_part(lines, len(datasets) > 1, ranked)]
    title = f"Prompts, protocol {protocol}, as table 5 of the paper"
    remarks = (
        *about.after(weights_remarks(weights)).remarks,
        *about.of_mean(about.of_datasets),
        *_ranges(parts),
        *([f"Dataset: {', '.join(datasets)}."] if len(datasets) == 1 else []),
        RULE if ranked else NO_CANDIDATES,
        _INTERVALS,
        _MISSES[protocol],
        *withheld_remarks({title: weights}),
        *_few(parts),
    )
    return Table(title, tuple(columns), tuple(cells), remarks)


def _parts(rows: Mapping[Wording, Sequence[ScoreRow]], protocol: ProtocolName, with_paper: bool) -> list[list[_Line]]:
    """The lines that answer one question in several wordings: those of a phrase in a dataset, or in their average."""
    parts: dict[tuple[str, str], list[_Line]] = {}
    for wording, of_wording in rows.items():
        of_protocol = [row for row in of_wording if row.protocol == protocol]
        *datasets, average = summarize(of_wording, protocol)
        for summary in datasets if len(datasets) == 1 else [*datasets, average]:
            of_line = [row for row in of_protocol if summary is average or row.dataset == summary.dataset]
            printed = _printed(wording, summary.dataset) if with_paper else None
            line = _Line(wording, of_line, summary, printed)
            parts.setdefault((wording.phrase, summary.dataset), []).append(line)
    return list(parts.values())


def _lines_of_part(lines: Sequence[_Line], with_dataset: bool, ranked: bool) -> list[tuple[Cell, ...]]:
    rows = {line.wording: line.rows for line in lines} if ranked else {}
    best: dict[Score, Wording | None] = {"dice": best_method(rows, "dice"), "iou": best_method(rows, "iou")}
    return [_cells(line, line.wording == best["dice"], line.wording == best["iou"], with_dataset) for line in lines]


def _cells(line: _Line, best_dice: bool, best_iou: bool, with_dataset: bool) -> tuple[Cell, ...]:
    one, printed = line.summary, line.printed
    return (
        text_cell(line.wording.phrase),
        *([text_cell(one.dataset)] if with_dataset else []),
        text_cell(line.wording.prompt, (_COMMON,) if line.wording.is_common else ()),
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


def _printed(wording: Wording, dataset: str) -> PaperScore:
    """The paper's score of a prompt on its own dataset; nan for other prompts, phrases and datasets."""
    where = dataset_in_paper(dataset)
    if where is None or where[1] != PAPER_DATASET:
        return _NOT_PRINTED
    structure = wording.phrase.removeprefix("kidney ")
    scores = {(one.structure, one.prompt): one.score for one in paper_prompts()}
    return scores.get((structure, wording.prompt), _NOT_PRINTED)


def _ranges(parts: Sequence[Sequence[_Line]]) -> list[str]:
    """How far the wording moves the mean of each phrase; the prompts that are asked of every phrase stand apart."""
    sentences = []
    for lines in parts:
        own, common = (_range([one for one in lines if one.wording.is_common == is_common]) for is_common in (0, 1))
        if own or common:
            named = [own, f"asked of every phrase: {common}" if common else ""]
            sentences.append(f"{_name(lines, parts)}: mean Dice {'; '.join(filter(None, named))}.")
    return sentences


def _range(lines: Sequence[_Line]) -> str:
    """Empty where there are no two means."""
    means = [one.summary.dice_percent for one in lines if not math.isnan(one.summary.dice_percent)]
    if len(means) < 2:
        return ""
    apart = max(means) - min(means)
    return f"{min(means):.2f} to {max(means):.2f} over {len(means)} prompts, {apart:.2f} apart"


def _few(parts: Sequence[Sequence[_Line]]) -> list[str]:
    few = [_name(lines, parts) for lines in parts if any(line.summary.num_images < FEW for line in lines)]
    alone = [_name(lines, parts) for lines in parts if any(line.summary.num_groups == 1 for line in lines)]
    notes = {
        f"Fewer than {FEW} images, so the means say little": few,
        "One patient or image only, so no interval": alone,
    }
    return [f"{note}: {'; '.join(names)}." for note, names in notes.items() if names]


def _name(lines: Sequence[_Line], parts: Sequence[Sequence[_Line]]) -> str:
    """The phrase, with the dataset where lines of the table have several."""
    several = len({line.summary.dataset for of_part in parts for line in of_part}) > 1
    return f"{lines[0].wording.phrase} ({lines[0].summary.dataset})" if several else lines[0].wording.phrase
