"""Plots of compared methods: the spread of Dice in every dataset, and its mean with interval in every stratum.

Names stand at the left, one line each, so that long ones fit and the plots can be read on a narrow screen too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from gdinousam.evaluation.figures.saving import GRID, INK, SERIES, name_lines, weights_notes, wrapped_notes
from gdinousam.evaluation.reporting.comparison import Compared
from gdinousam.evaluation.reporting.summary import FEW
from gdinousam.evaluation.scoring.rows import ScoreRow
from gdinousam.evaluation.scoring.strata import Stratum

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LINE, _TEXT_LINE = 0.16, 0.17  # inches for a box or a dot, and for a line of a name
_ROOM = 2.0  # inches for axis and legend before they are measured
_STAR = "*"
_NOTE_LETTER = 0.06  # inches, of 7 points
_WRAP = 22  # letters of a name at the left
_DOT_EDGE: dict[str, Any] = {"markeredgecolor": INK, "markeredgewidth": 0.6}
_BOX_LOOK: dict[str, Any] = {
    "orientation": "horizontal",
    "manage_ticks": False,
    "patch_artist": True,
    "showmeans": True,
    "medianprops": {"color": INK, "linewidth": 1.4},
    "whiskerprops": {"color": INK, "linewidth": 0.7},
    "capprops": {"color": INK, "linewidth": 0.7},
    "flierprops": {"marker": ".", "markersize": 2.5, "markerfacecolor": INK, "markeredgecolor": "none"},
    "meanprops": {"marker": "D", "markersize": 3, "markerfacecolor": "white", **_DOT_EDGE},
}


def dice_box_plot(compared: Compared, datasets: Sequence[str], width: float) -> Figure:
    """Boxes of Dice, one per dataset and method.

    datasets: those to draw, the first on top; at least one. width: of the figure in inches.
    Box: quartiles with median; whiskers: to the last value within 1.5 box lengths; dots: values beyond; diamond: mean.
    Queries without Dice are left out; a method without any in a dataset has no box there. Datasets of fewer than 50
    scored queries carry a star. Below stand the counts of queries that a method does not support, and what has to be
    said of the methods' weights.
    """
    dice = {method: _dice_percent(rows, datasets) for method, rows in compared.rows.items()}
    counts = [[len(of_method[name]) for of_method in dice.values()] for name in datasets]
    labels = [f"{_short(name)}\n{_count(of_dataset)}" for name, of_dataset in zip(datasets, counts, strict=True)]
    notes = (*_unsupported(compared, datasets), *weights_notes(compared))
    lines = _lines(labels, list(dice), width, "Dice %", notes)
    for number, of_method in enumerate(dice.values()):
        filled = {
            centre + _offset(number, len(dice)): of_method[name]
            for centre, name in zip(lines.centres, datasets, strict=True)
        }
        filled = {y: values for y, values in filled.items() if values}
        if filled:
            lines.axes.boxplot(
                list(filled.values()),
                positions=list(filled),
                widths=0.8 / len(dice),
                boxprops={"facecolor": _color(number), "edgecolor": INK, "linewidth": 0.7},
                **_BOX_LOOK,
            )
    for centre, of_dataset in zip(lines.centres, counts, strict=True):
        if not any(of_dataset):
            lines.axes.text(50, centre, "no scored query", ha="center", va="center", size=7)
    return _finished(lines, list(dice), "s")


def _unsupported(compared: Compared, datasets: Sequence[str]) -> list[str]:
    """A line for each method that has queries of these datasets which it does not support."""
    counts = {
        method: sum(not row.supported and row.dataset in datasets for row in rows)
        for method, rows in compared.rows.items()
    }
    return [f"not supported by {method}: {count} queries" for method, count in counts.items() if count]


def _dice_percent(rows: Sequence[ScoreRow], datasets: Sequence[str]) -> dict[str, list[float]]:
    """The Dice of a method by dataset, those of no other dataset; an empty list where there is none."""
    dice: dict[str, list[float]] = {name: [] for name in datasets}
    for row in rows:
        if row.dataset in dice and not math.isnan(row.dice):
            dice[row.dataset].append(100 * row.dice)
    return dice


def strata_plot(strata: Mapping[str, Sequence[Stratum]], width: float, notes: Sequence[str] = ()) -> Figure:
    """Mean Dice with its 95 % interval, one dot per stratum and method.

    strata: of each method as from ``stratify``; those without a scored query are left out. At least one is drawn;
    ValueError otherwise. notes: sentences below.
    """
    methods = list(strata)
    scored = {
        method: {(one.kind, one.name): one.summary for one in of_method if one.summary.num_scored}
        for method, of_method in strata.items()
    }
    keys = list(dict.fromkeys((one.kind, one.name) for of_method in strata.values() for one in of_method))
    keys = [key for key in keys if any(key in of_method for of_method in scored.values())]
    if not keys:
        raise ValueError("no stratum has a scored query")
    labels = []
    for kind, name in keys:
        counts = [of_method[kind, name].num_scored for of_method in scored.values() if (kind, name) in of_method]
        labels.append(f"{kind}: {_short(name)}\n{_count(counts)}")
    lines = _lines(labels, methods, width, "mean Dice %, 95 % interval", notes)
    for number, method in enumerate(methods):
        for place, key in enumerate(keys):
            one = scored[method].get(key)
            if one is None:
                continue
            y = lines.centres[place] + _offset(number, len(methods))
            if not math.isnan(one.dice_low_percent):
                lines.axes.plot(
                    [one.dice_low_percent, one.dice_high_percent], [y, y], color=_color(number), linewidth=2
                )
            lines.axes.plot(one.dice_percent, y, "o", markersize=4.5, markerfacecolor=_color(number), **_DOT_EDGE)
    return _finished(lines, methods, "o")


class _Lines(NamedTuple):
    """A plot with one line per label. centres: place of each line on the axis. height: of all lines in inches."""

    figure: Figure
    axes: Axes
    centres: list[float]
    height: float


def _lines(labels: Sequence[str], methods: Sequence[str], width: float, title: str, notes: Sequence[str]) -> _Lines:
    """An empty plot with one line per label, the first on top.

    methods: drawn beside each other in every line, and named above.
    """
    from matplotlib.figure import Figure

    span = max(len(methods) * _LINE, *(_TEXT_LINE * (label.count("\n") + 1) for label in labels)) + 0.1
    below = wrapped_notes(notes, int(width / _NOTE_LETTER))
    height = span * len(labels)
    figure = Figure(figsize=(width, height + _ROOM + _TEXT_LINE * len(below)), layout="constrained")
    axes = figure.add_subplot()
    centres = [float(place) for place in range(len(labels))]
    axes.set_yticks(centres, labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_xlim(-2, 102)
    axes.set_xticks(range(0, 101, 20))
    stars = any(label.endswith(_STAR) for label in labels)
    axes.set_xlabel(f"{title}\n{_STAR} fewer than {FEW} queries" if stars else title)
    if below:
        figure.supxlabel("\n".join(below), size=7)
    axes.grid(axis="x", color=GRID, linewidth=0.4, alpha=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    return _Lines(figure, axes, centres, height)


def _finished(lines: _Lines, methods: Sequence[str], marker: str) -> Figure:
    """The plot with its legend, as high as its lines and all that stands round them need."""
    _legend(lines.figure, methods, marker)
    lines.figure.draw_without_rendering()
    drawn = lines.axes.get_window_extent().height / lines.figure.dpi
    lines.figure.set_figheight(lines.figure.get_figheight() + lines.height - drawn)
    return lines.figure


def _legend(figure: Figure, methods: Sequence[str], marker: str) -> None:
    if len(methods) < 2:
        return
    from matplotlib.lines import Line2D

    look = {"linestyle": "", "marker": marker, "markersize": 6, **_DOT_EDGE}
    handles = [
        Line2D([], [], markerfacecolor=_color(number), label=_short(method), **look)
        for number, method in enumerate(methods)
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=1 if max(map(len, methods)) > 24 else 2)


def _offset(number: int, of: int) -> float:
    return (number - (of - 1) / 2) * 0.84 / of


def _color(number: int) -> str:
    return SERIES[number % len(SERIES)]


def _count(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return f"n {low if low == high else f'{low} to {high}'}{f' {_STAR}' if high < FEW else ''}"


def _short(name: str) -> str:
    """A name broken into lines."""
    return "\n".join(name_lines(name, _WRAP, 3))
