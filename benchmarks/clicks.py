"""``python scripts/benchmark.py clicks``: what clicks on errors do to masks, as somebody would click on the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage

from benchmarks.machine import machine_facts, versions
from benchmarks.record import command_text, publish
from benchmarks.targets import SEED, Case, CaseRecord, asked
from gdinousam.data.masks import tight_box_xyxy
from gdinousam.evaluation.reporting.statistics import bootstrap_interval
from gdinousam.evaluation.reporting.table import (
    Table,
    count_cell,
    interval_cell,
    number_cell,
    number_columns,
    text_cell,
    text_column,
)
from gdinousam.evaluation.scoring.metrics import dice
from gdinousam.prediction.segmenter import Segmenter
from gdinousam.progress_bar import ProgressBar
from gdinousam.records import BoxXYXY, Click, Hint, Mask

NAME = "clicks"
MOST_CLICKS = 3
MOVED = 0.25  # by how much of its size an edge of a wrong box is moved at most
TRUE, WRONG, NONE = "true box", "moved box", "no box"


@dataclass(frozen=True)
class ClickScores(CaseRecord):
    """Dice of each case in [0, 1], by what is shown first and the number of clicks after it."""

    dice: dict[str, list[list[float]]]
    units: list[tuple[str, str, str]]


def clicks_command(arguments: Sequence[str]) -> int:
    """Parse arguments, correct every case and print the table; returns the exit code."""
    path, cases, segmenter = asked(
        NAME,
        "Show a model its targets by a box, a box that is moved, or a click, and then click up to three times in the "
        "middle of the largest error. About two seconds per target on one core with the small model.",
        arguments,
    )
    generator = np.random.default_rng(SEED)
    scores: dict[str, list[list[float]]] = {TRUE: [], WRONG: [], NONE: []}
    for case in ProgressBar(len(cases), "clicking").over(cases):
        box = tight_box_xyxy(case.target_hw)
        assert box is not None  # a case has a target
        for shown, first in ((TRUE, box), (WRONG, _moved(box, case.target_hw.shape, generator)), (NONE, None)):
            scores[shown].append(_dice_by_clicks(segmenter, case, first))
    facts = machine_facts(torch.device("cpu"))
    record = ClickScores(command_text(NAME, arguments), facts, versions(), scores, [case.unit for case in cases])
    publish(record, {NAME: clicks_table(record)}, path)
    return 0


def _dice_by_clicks(segmenter: Segmenter, case: Case, box_xyxy: BoxXYXY | None) -> list[float]:
    """Dice after 0, 1, 2, ... clicks; without a box the first is of the click that shows where the target is."""
    nothing_hw = np.zeros_like(case.target_hw)
    clicks = () if box_xyxy is not None else (click_on_error(nothing_hw, case.target_hw),)
    values: list[float] = []
    for _ in range(MOST_CLICKS + 1):
        hint = Hint(case.phrase, box_xyxy, tuple(one for one in clicks if one is not None))
        (found,) = segmenter.correct(case.image, [hint]).detections
        assert found.mask_hw is not None  # a mask head draws every hint
        values.append(dice(found.mask_hw, case.target_hw))
        clicks = (*clicks, click_on_error(found.mask_hw, case.target_hw))
    return values


def click_on_error(mask_hw: Mask, target_hw: Mask) -> Click | None:
    """The middle of the largest error, the pixel that is farthest from all right ones; ``None`` where all is right."""
    wrong_hw = mask_hw != target_hw
    if not wrong_hw.any():
        return None
    depth = ndimage.distance_transform_edt(np.pad(wrong_hw, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return Click(float(column) + 0.5, float(row) + 0.5, bool(target_hw[row, column]))


def _moved(box_xyxy: BoxXYXY, size_hw: tuple[int, ...], generator: np.random.Generator) -> BoxXYXY:
    """The box with every edge moved, within the image."""
    x0, y0, x1, y1 = box_xyxy
    width, height = x1 - x0, y1 - y0
    left, top, right, bottom = generator.uniform(-MOVED, MOVED, 4)
    return (
        max(0.0, x0 + left * width),
        max(0.0, y0 + top * height),
        min(float(size_hw[1]), x1 + right * width),
        min(float(size_hw[0]), y1 + bottom * height),
    )


def clicks_table(scores: ClickScores) -> Table:
    """A line for each way to begin and number of clicks."""
    lines = []
    for shown, of_cases in scores.dice.items():
        for number, values in enumerate(zip(*of_cases, strict=True)):
            interval = bootstrap_interval([100 * value for value in values], scores.units)
            clicks = number + 1 if shown == NONE else number
            cells = number_cell(interval.mean, 1), interval_cell(interval.low, interval.high, 1)
            lines.append((text_cell(shown), count_cell(clicks), count_cell(len(values)), *cells))
    columns = (text_column("shown first"), *number_columns("clicks", "n", "Dice", "95 % interval"))
    return Table("Masks corrected by clicks", columns, tuple(lines))
