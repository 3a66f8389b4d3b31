"""Dice against the size of the target: whether it is the small ones that a method misses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gdinousam.evaluation.figures.saving import (
    GRID,
    INK,
    MARKERS,
    SERIES,
    name_lines,
    weights_notes,
    wrapped_notes,
)
from gdinousam.evaluation.reporting.comparison import Compared

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NOTE_LETTER, _TEXT_LINE = 0.06, 0.17  # inches, of 7 points
_NAME_LETTERS = 44
_NOTE = "One mark for each query with a target; hollow: nothing was found."


def size_scatter(compared: Compared, datasets: Sequence[str], width: float) -> Figure:
    """The Dice of every query over the share of the image that its target covers, on a logarithmic axis.

    compared: of the strict protocol. datasets: those to draw. width: of the figure in inches. Methods differ in colour
    and marker; queries without Dice are left out.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    below = wrapped_notes([_NOTE, *weights_notes(compared)], int(width / _NOTE_LETTER))
    num_methods = len(compared.rows)
    extra = _TEXT_LINE * (len(below) + (2 * num_methods if num_methods > 1 else 0))
    figure = Figure(figsize=(width, min(width, 4.2) * 0.8 + extra), layout="constrained")
    axes = figure.add_subplot()
    for number, (method, rows) in enumerate(compared.rows.items()):
        drawn = [row for row in rows if row.dataset in datasets and not math.isnan(row.dice) and row.true_pixels]
        color, marker = SERIES[number % len(SERIES)], MARKERS[number % len(MARKERS)]
        look: dict[str, Any] = {
            "linestyle": "",
            "marker": marker,
            "markersize": max(3.0, 5.5 - 0.7 * number),
            "markeredgecolor": color,
        }
        axes.plot([], [], label="\n".join(name_lines(method, _NAME_LETTERS, 2)), markerfacecolor=color, **look)
        for found in (True, False):
            of_kind = [row for row in drawn if row.found == found]
            sizes = [100 * row.true_pixels / (row.image_width * row.image_height) for row in of_kind]
            face = color if found else "none"
            axes.plot(sizes, [100 * row.dice for row in of_kind], markerfacecolor=face, alpha=0.8, **look)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set(ylim=(-3, 103), xlabel="target, % of the image", ylabel="Dice %")
    axes.grid(color=GRID, linewidth=0.4, alpha=0.6)
    axes.set_axisbelow(True)
    if num_methods > 1:
        figure.legend(loc="outside upper center")
    figure.supxlabel("\n".join(below), size=7, color=INK)
    return figure
