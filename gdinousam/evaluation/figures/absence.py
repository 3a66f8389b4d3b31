"""What is answered that is not there: a matrix of phrases shown and phrases asked, and the ROC of "is it there"."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gdinousam.evaluation.figures.saving import GRID, INK, SERIES, name_lines, wrapped_notes
from gdinousam.evaluation.reporting.absence import Pair, has_absent, pairs_of, presence_of, roc_of
from gdinousam.evaluation.scoring.rows import ScoreRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NOTE_LETTER, _TEXT_LINE = 0.06, 0.17  # inches, of 7 points
_LABEL_LETTERS, _NAME_LETTERS = 18, 44
_LABEL_ROOM, _CELL_HEIGHT, _SMALLEST_CELL_WIDTH = 1.4, 0.34, 0.28  # inches
_DARK = 0.55  # from this rate on numbers are white
_LINES = ("-", "--", "-.", ":")  # beside the colours, for grey print


def absent_matrix(rows_of: Mapping[str, Sequence[ScoreRow]], width: float, notes: Sequence[str] = ()) -> Figure:
    """How often each phrase is answered in images that show another: the rate in percent, below it n; a panel a method.

    rows_of: by method, at least one with a query that ``has_absent``; the others have no panel. width: of the figure
    in inches. notes: sentences below. Of more phrases than fit into the width, on either side, those with the most
    wrong answers are drawn, which a note says.
    """
    from matplotlib.figure import Figure

    pairs = {method: pairs_of(rows) for method, rows in rows_of.items() if has_absent(rows)}
    most = int((width - _LABEL_ROOM) / _SMALLEST_CELL_WIDTH)
    sides = {method: _sides(of_method, most) for method, of_method in pairs.items()}
    num_left_out = {
        method: (
            len({one.shown for one in pairs[method]} - {*shown}),
            len({one.asked for one in pairs[method]} - {*asked}),
        )
        for method, (shown, asked) in sides.items()
    }
    below = wrapped_notes([*_left_out_notes(num_left_out), *notes], int(width / _NOTE_LETTER))
    heights = [_LABEL_ROOM + _CELL_HEIGHT * len(shown) for shown, _ in sides.values()]
    figure = Figure(figsize=(width, sum(heights) + _TEXT_LINE * len(below)), layout="constrained")
    panels = figure.subplots(len(pairs), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (method, of_method) in zip(panels, pairs.items(), strict=True):
        _draw_matrix(axes, of_method, *sides[method])
        axes.set_title("\n".join(name_lines(method, _NAME_LETTERS, 2)))
    if below:
        figure.supxlabel("\n".join(below), size=7)
    return figure


def roc_figure(rows_of: Mapping[str, Sequence[ScoreRow]], width: float, notes: Sequence[str] = ()) -> Figure:
    """The ROC of "is the phrase there" of each method, with its area and 95 % interval in the legend.

    rows_of, width, notes: as in ``absent_matrix``. The last stretch of a curve, thin, stands for the queries in which
    nothing was found; the dashed line is a method that guesses.
    """
    from matplotlib.figure import Figure

    shown = {method: rows for method, rows in rows_of.items() if has_absent(rows)}
    below = wrapped_notes(notes, int(width / _NOTE_LETTER))
    figure = Figure(figsize=(width, 0.9 * width + _TEXT_LINE * (len(below) + 2 * len(shown))), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], "--", color=GRID, linewidth=0.8)
    for number, (method, rows) in enumerate(shown.items()):
        color, line = SERIES[number % len(SERIES)], _LINES[number % len(_LINES)]
        curve = roc_of(rows)
        wrong, right = curve.false_positive_rates, curve.true_positive_rates
        axes.plot(wrong[:-1], right[:-1], line, color=color, linewidth=1.4, label=_area_label(method, rows))
        axes.plot(wrong[-2:], right[-2:], line, color=color, linewidth=0.6)
        axes.plot(wrong[-2:-1], right[-2:-1], "o", color=color, markersize=4, markeredgecolor=INK, markeredgewidth=0.6)
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
    axes.set(xlabel="share of absent phrases answered", ylabel="share of present phrases answered")
    axes.grid(color=GRID, linewidth=0.4, alpha=0.6)
    axes.set_axisbelow(True)
    figure.legend(loc="outside upper center")
    if below:
        figure.supxlabel("\n".join(below), size=7)
    return figure


def _area_label(method: str, rows: Sequence[ScoreRow]) -> str:
    one = presence_of(rows)
    name, area = "\n".join(name_lines(method, _NAME_LETTERS, 2)), one.auc
    if math.isnan(area.mean):
        return f"{name}\nno present phrase was asked"
    interval = "" if math.isnan(area.low) else f" [{area.low:.3f}, {area.high:.3f}]"
    return f"{name}\nAUC {area.mean:.3f}{interval}, present {one.num_present}, absent {one.num_absent}"


def _sides(pairs: Sequence[Pair], most: int) -> tuple[list[str], list[str]]:
    """The phrases of the rows and of the columns, what is both in the same order."""
    shown, asked = _most(((one.shown, one) for one in pairs), most), _most(((one.asked, one) for one in pairs), most)
    return shown, sorted(asked, key=lambda name: shown.index(name) if name in shown else len(shown))


def _most(named: Iterable[tuple[str, Pair]], most: int) -> list[str]:
    """The phrases of a side in order of first appearance; of too many those with the most wrong answers."""
    answered: dict[str, int] = {}
    for name, pair in named:
        answered[name] = answered.get(name, 0) + pair.num_answered
    kept = set(sorted(answered, key=lambda name: -answered[name])[:most])
    return [name for name in answered if name in kept]


def _left_out_notes(num_left_out: Mapping[str, tuple[int, int]]) -> list[str]:
    notes = []
    for method, (shown, asked) in num_left_out.items():
        counts = [f"{number} of those {side}" for number, side in ((shown, "shown"), (asked, "asked")) if number]
        if counts:
            notes.append(f"{method}: the phrases with the fewest wrong answers are left out, {' and '.join(counts)}.")
    return notes


def _draw_matrix(axes: Axes, pairs: Sequence[Pair], shown: Sequence[str], asked: Sequence[str]) -> None:
    rates = np.full((len(shown), len(asked)), math.nan)
    for one in pairs:
        if one.shown in shown and one.asked in asked:
            row, column = shown.index(one.shown), asked.index(one.asked)
            rates[row, column] = one.rate.mean
            color = "white" if one.rate.mean >= _DARK else "black"  # of the cell, whatever the page's colour is
            axes.text(column, row, f"{100 * one.rate.mean:.0f}", ha="center", va="bottom", size=7, color=color)
            axes.text(column, row, f"n {one.num_asked}", ha="center", va="top", size=5, color=color)
    axes.pcolormesh(
        range(len(asked)),
        range(len(shown)),
        rates,
        shading="nearest",
        cmap="Greys",
        vmin=0,
        vmax=1,
        edgecolors=GRID,
        linewidth=0.4,
    )
    axes.invert_yaxis()
    axes.set_xticks(range(len(asked)), ["\n".join(name_lines(one, _LABEL_LETTERS, 3)) for one in asked], rotation=90)
    axes.set_yticks(range(len(shown)), ["\n".join(name_lines(one, _LABEL_LETTERS, 2)) for one in shown])
    axes.tick_params(length=0, labelsize=6)
    axes.set(xlabel="asked, but not there: answered, %", ylabel="the image shows")
