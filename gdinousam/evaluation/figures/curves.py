"""Training curves of runs, from the ``metrics.csv`` that training writes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gdinousam.data.contract.delimited import read_delimited
from gdinousam.errors import InputError
from gdinousam.evaluation.figures.saving import GRID, INK, PAGE_WIDTH, SERIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

METRICS_NAME = "metrics.csv"
_TRAIN, _VAL, _RATE = "train_", "val_", "learning_rate"
_MARKS = ("epoch", _RATE, f"{_TRAIN}loss", f"{_VAL}loss")  # columns by which the separator is found
_PANEL_HEIGHT = 2.2  # inches


@dataclass(frozen=True, eq=False)
class Run:
    """What a training run measured. name: of its folder. epochs: as counted from 1. columns: one value per epoch."""

    name: str
    epochs: list[float]
    columns: dict[str, list[float]]


def read_run(folder: Path) -> Run:
    """Read the metrics of a run, also where a spreadsheet saved them since (``delimited``).

    Raises InputError where there are none, or where one is not a number.
    """
    path = folder / METRICS_NAME
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the folder of a training run that has finished an epoch")
    columns: dict[str, list[float]] = {}
    lines = [cells for cells in read_delimited(path, _MARKS, None) if "".join(cells).strip()]
    header, *rows = lines or [[]]
    for number, cells in enumerate(rows, start=1):
        if len(cells) != len(header):
            raise InputError(f"{path}, epoch {number}: {len(cells)} cells of {len(header)}; the file is cut off")
        for name, text in zip(header, cells, strict=True):
            try:
                columns.setdefault(name, []).append(float(text))
            except ValueError:
                raise InputError(
                    f"{path}, epoch {number}: {name} is {text!r}, no number; the file is cut off or was edited"
                ) from None
    if "epoch" not in columns or f"{_TRAIN}loss" not in columns:
        raise InputError(f"{path}: no epoch with a loss in it; give the folder of a training run")
    return Run(folder.resolve().name, columns["epoch"], columns)


def training_curves(runs: Sequence[Run]) -> Figure:
    """Loss, its terms and the learning rate over the epochs, a panel each; runs differ in colour.

    runs: at least one. Dashed: training, where augmentation makes it harder; full: validation, with a dot at its best
    epoch. Terms that are zero everywhere and single terms that repeat the loss have no panel.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    panels = [*_terms(runs), _RATE]
    num_rows = math.ceil(len(panels) / 2)
    figure = Figure(figsize=(PAGE_WIDTH, _PANEL_HEIGHT * num_rows + 0.3 * (1 + len(runs) // 3)), layout="constrained")
    for place, term in enumerate(panels):
        axes = figure.add_subplot(num_rows, 2, place + 1)
        for number, run in enumerate(runs):
            _draw(axes, run, term, SERIES[number % len(SERIES)])
        axes.set_title(term.replace("_", " "))
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(color=GRID, linewidth=0.4, alpha=0.6)
        axes.margins(x=0.02)
    _legend(figure, runs)
    return figure


def _terms(runs: Sequence[Run]) -> list[str]:
    """Names of the loss terms, "loss" first, in the order of the files."""
    names = dict.fromkeys(name.removeprefix(_TRAIN) for run in runs for name in run.columns if name.startswith(_TRAIN))
    return [
        name
        for name in names
        if name == "loss"
        or any(any(run.columns.get(_TRAIN + name, ())) and not _repeats_the_loss(run, name) for run in runs)
    ]


def _repeats_the_loss(run: Run, name: str) -> bool:
    return run.columns[_TRAIN + name] == run.columns[f"{_TRAIN}loss"]


def _draw(axes: Axes, run: Run, term: str, color: str) -> None:
    marker = "." if len(run.epochs) < 3 else ""  # a line of one epoch would be invisible
    if term == _RATE:
        if _RATE in run.columns:
            axes.plot(run.epochs, run.columns[_RATE], color=color, linewidth=1.2, marker=marker)
        return
    if _TRAIN + term in run.columns:
        axes.plot(run.epochs, run.columns[_TRAIN + term], "--", color=color, linewidth=1, marker=marker)
    if _VAL + term in run.columns:
        values = run.columns[_VAL + term]
        axes.plot(run.epochs, values, color=color, linewidth=1.4, marker=marker)
        if term == "loss":
            best = min(range(len(values)), key=lambda place: values[place])
            axes.plot(run.epochs[best], values[best], "o", color=color, markeredgecolor=INK, markersize=5)


def _legend(figure: Figure, runs: Sequence[Run]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], linestyle="--", color=INK, linewidth=1, label="training"),
        Line2D([], [], color=INK, linewidth=1.4, marker="o", markersize=4, label="validation, dot at its best loss"),
    ]
    if len(runs) > 1:
        handles += [
            Line2D([], [], color=SERIES[number % len(SERIES)], linewidth=3, label=run.name)
            for number, run in enumerate(runs)
        ]
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
