"""Training curves of runs, from the ``metrics.csv`` that training writes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gdinousam.data.contract.delimited import read_delimited
from gdinousam.errors import InputError
from gdinousam.evaluation.figures.saving import COLUMN_WIDTH, GRID, INK, MARKERS, PAGE_WIDTH, SERIES, wrapped_notes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

METRICS_NAME = "metrics.csv"
_TRAIN, _VAL, _RATE = "train_", "val_", "learning_rate"
_MARKS = ("epoch", _RATE, f"{_TRAIN}loss", f"{_VAL}loss")  # columns by which the separator is found
_NOTE = (
    "The training loss is of augmented images, the validation loss of plain ones, so the first may well lie above the "
    "second."
)
_NOTE_LETTER = 0.06  # inches, of 7 points
_PANEL_HEIGHTS = (1.5, 2.2)  # inches, in one column of panels and in two


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


def training_curves(runs: Sequence[Run], width: float = PAGE_WIDTH) -> Figure:
    """Loss, its terms and the learning rate over the epochs, a panel each; runs differ in colour and marker.

    runs: at least one. width: of the figure in inches. Dashed: training, where augmentation makes it harder; full:
    validation, with a ring at its best epoch. What is zero or nan everywhere has no panel, nor have single terms
    that repeat the loss. A note below says what the two losses are of.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    rates = [value for run in runs for value in run.columns.get(_RATE, ())]
    panels = [*_terms(runs), *([_RATE] if any(map(math.isfinite, rates)) else [])]
    num_columns = 2 if width > COLUMN_WIDTH and len(panels) > 1 else 1
    num_rows = math.ceil(len(panels) / num_columns)
    notes = wrapped_notes([_NOTE], int(width / _NOTE_LETTER))
    height = _PANEL_HEIGHTS[num_columns - 1] * num_rows + 0.3 * (1 + len(runs) // num_columns) + 0.17 * len(notes)
    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.add_gridspec(num_rows, num_columns)
    for place, term in enumerate(panels):
        row, column = divmod(place, num_columns)
        is_alone = place + 1 == len(panels) and column == 0  # the last one fills its row
        axes = figure.add_subplot(grid[row, :] if is_alone else grid[row, column])
        for number, run in enumerate(runs):
            _draw(axes, run, term, SERIES[number % len(SERIES)], MARKERS[number % len(MARKERS)] if number else "")
        axes.set_title(term.replace("_", " "))
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(color=GRID, linewidth=0.4, alpha=0.6)
        axes.margins(x=0.02)
    _legend(figure, runs, num_columns)
    figure.supxlabel("\n".join(notes), size=7)
    return figure


def _terms(runs: Sequence[Run]) -> list[str]:
    """Names of the loss terms, "loss" first, in the order of the files."""
    names = dict.fromkeys(name.removeprefix(_TRAIN) for run in runs for name in run.columns if name.startswith(_TRAIN))
    return [
        name
        for name in names
        if name == "loss" or any(_has_values(run, name) and not _repeats_the_loss(run, name) for run in runs)
    ]


def _has_values(run: Run, name: str) -> bool:
    values = (*run.columns.get(_TRAIN + name, ()), *run.columns.get(_VAL + name, ()))
    return any(math.isfinite(value) and value != 0 for value in values)


def _repeats_the_loss(run: Run, name: str) -> bool:
    return run.columns.get(_TRAIN + name) == run.columns[f"{_TRAIN}loss"]


def _draw(axes: Axes, run: Run, term: str, color: str, marker: str) -> None:
    marker = marker or ("." if len(run.epochs) < 3 else "")  # a line of one epoch would be invisible
    look: dict[str, Any] = {"color": color, "marker": marker, "markersize": 3}
    look["markevery"] = max(1, len(run.epochs) // 8)
    if term == _RATE:
        if _RATE in run.columns:
            axes.plot(run.epochs, run.columns[_RATE], linewidth=1.2, **look)
        return
    if _TRAIN + term in run.columns:
        axes.plot(run.epochs, run.columns[_TRAIN + term], linestyle="--", linewidth=1, **look)
    if _VAL + term in run.columns:
        values = run.columns[_VAL + term]
        axes.plot(run.epochs, values, linewidth=1.4, **look)
        if term == "loss":
            known = [place for place, value in enumerate(values) if math.isfinite(value)]
            if known:
                best = min(known, key=lambda place: values[place])
                axes.plot(run.epochs[best], values[best], "o", color="none", markeredgecolor=INK, markersize=6)


def _legend(figure: Figure, runs: Sequence[Run], num_columns: int) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], linestyle="--", color=INK, linewidth=1, label="training"),
        Line2D([], [], color=INK, linewidth=1.4, label="validation"),
        Line2D([], [], linestyle="", marker="o", color="none", markeredgecolor=INK, label="best validation loss"),
    ]
    if len(runs) > 1:
        handles += [
            Line2D(
                [],
                [],
                color=SERIES[number % len(SERIES)],
                marker=MARKERS[number % len(MARKERS)] if number else "",
                linewidth=2,
                label=run.name,
            )
            for number, run in enumerate(runs)
        ]
    figure.legend(handles=handles, loc="outside upper center", ncols=3 if num_columns > 1 else 2)
