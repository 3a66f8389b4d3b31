"""``python scripts/benchmark.py colour``: Dice without colour Doppler, with it, and with its brightness only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.colour.flow import with_flow
from benchmarks.machine import machine_facts, versions
from benchmarks.record import command_text, publish
from benchmarks.targets import SEED, Case, CaseRecord, asked
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
from gdinousam.prediction.views import ViewSettings
from gdinousam.progress_bar import ProgressBar
from gdinousam.records import Image

NAME = "colour"
KEEP, GREY = ViewSettings(colour="keep"), ViewSettings(colour="grey")


@dataclass(frozen=True)
class ColourScores(CaseRecord):
    """Dice of each case, in [0, 1]: of the image, with flow in colour, and with flow as grey."""

    plain: list[float]
    kept: list[float]
    grey: list[float]
    units: list[tuple[str, str, str]]


def colour_command(arguments: Sequence[str]) -> int:
    """Parse arguments, segment every case in three ways and print the table; returns the exit code."""
    path, cases, segmenter = asked(
        NAME,
        "Draw colour Doppler round the target of each image and segment the image without it, with it in colour, and "
        "with its brightness only. About a second per image on one core with the small model.",
        arguments,
    )
    scores: list[tuple[float, float, float]] = []
    generator = np.random.default_rng(SEED)
    for case in ProgressBar(len(cases), "segmenting").over(cases):
        flow = with_flow(case.image, case.target_hw, generator)
        shown = ((case.image, KEEP), (flow, KEEP), (flow, GREY))
        plain, kept, grey = (_dice(segmenter.showing(views), image, case) for image, views in shown)
        scores.append((plain, kept, grey))
    plain_all, kept_all, grey_all = (list(column) for column in zip(*scores, strict=True))
    units = [case.unit for case in cases]
    facts = machine_facts(torch.device("cpu"))
    record = ColourScores(command_text(NAME, arguments), facts, versions(), plain_all, kept_all, grey_all, units)
    publish(record, {NAME: colour_table(record)}, path)
    return 0


def _dice(segmenter: Segmenter, image: Image, case: Case) -> float:
    found_hw = np.zeros_like(case.target_hw)
    for one in segmenter.predict(image, case.phrase).detections:
        if one.mask_hw is not None:
            found_hw |= one.mask_hw
    return dice(found_hw, case.target_hw)


def colour_table(scores: ColourScores) -> Table:
    """A line for each way to show the image, and the gain of grey over colour."""
    gain = [grey - kept for grey, kept in zip(scores.grey, scores.kept, strict=True)]
    rows = {
        "without Doppler": scores.plain,
        "Doppler in colour": scores.kept,
        "Doppler as grey": scores.grey,
        "grey minus colour": gain,
    }
    lines = []
    for name, values in rows.items():
        interval = bootstrap_interval([100 * value for value in values], scores.units)
        cells = number_cell(interval.mean, 1), interval_cell(interval.low, interval.high, 1)
        lines.append((text_cell(name), count_cell(len(values)), *cells))
    columns = (text_column("shown to the model"), *number_columns("n", "Dice", "95 % interval"))
    return Table("Colour Doppler drawn round the target", columns, tuple(lines))
