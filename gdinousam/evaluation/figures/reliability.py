"""The reliability diagram: how often the phrase is there, by the score of its best detection."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gdinousam.evaluation.figures.saving import GRID, INK, MARKERS, SERIES, name_lines, wrapped_notes
from gdinousam.evaluation.reporting.calibration import (
    Calibration,
    calibration_of,
    calibration_remarks,
    scores_are_shares,
)
from gdinousam.evaluation.reporting.calibration_tables import NO_SHARES
from gdinousam.evaluation.scoring.notes import said_once
from gdinousam.evaluation.scoring.rows import ScoreRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NOTE_LETTER, _TEXT_LINE = 0.06, 0.17  # inches, of 7 points
_NAME_LETTERS = 44
_MAX_DOT = 9.0  # points, of the bin with the most queries
_SMALLEST_DOT = 0.3  # of it
_DOT_EDGE: dict[str, Any] = {"markeredgecolor": INK, "markeredgewidth": 0.6}


def reliability_diagram(rows_of: Mapping[str, Sequence[ScoreRow]], width: float, notes: Sequence[str] = ()) -> Figure:
    """The share of present phrases over the mean score of each bin, a curve for each method, with 95 % intervals.

    rows_of: by method, at least one. width: of the figure in inches. notes: sentences below. The larger a dot, the more
    queries its bin holds; the dashed line is where scores are probabilities. A method whose scores do not lie between 0
    and 1 has no curve, which a note says.
    """
    from matplotlib.figure import Figure

    curves = {method: calibration_of(rows) for method, rows in rows_of.items() if scores_are_shares(rows)}
    remarks = {method: calibration_remarks(curves[method]) if method in curves else [NO_SHARES] for method in rows_of}
    about = said_once(remarks) if len(remarks) > 1 else [note for of_method in remarks.values() for note in of_method]
    below = wrapped_notes([*about, *notes], int(width / _NOTE_LETTER))
    legend_lines = 3 * len(curves)
    figure = Figure(figsize=(width, 0.85 * width + _TEXT_LINE * (len(below) + legend_lines)), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], "--", color=GRID, linewidth=1)
    for number, (method, one) in enumerate(curves.items()):
        _draw(axes, one, SERIES[number % len(SERIES)], MARKERS[number % len(MARKERS)], _label(method, one))
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xlabel="score of the best detection,\n0 where nothing was found")
    axes.set_ylabel("share of queries whose phrase is there")
    axes.grid(color=GRID, linewidth=0.4, alpha=0.6)
    axes.set_axisbelow(True)
    if curves:
        figure.legend(loc="outside upper center")
    if below:
        figure.supxlabel("\n".join(below), size=7)
    return figure


def _label(method: str, one: Calibration) -> str:
    name = "\n".join(name_lines(method, _NAME_LETTERS, 2))
    if not one.num_queries:
        return f"{name}: no query"
    interval = "" if math.isnan(one.error.low) else f" [{100 * one.error.low:.1f}, {100 * one.error.high:.1f}]"
    return f"{name}\nECE {100 * one.error.mean:.1f} %{interval}, n {one.num_queries}, absent {one.num_absent}"


def _draw(axes: Axes, one: Calibration, color: str, marker: str, label: str) -> None:
    filled = [part for part in one.bins if part.num_queries]
    most = max((part.num_queries for part in filled), default=1)
    places, shares = [part.confidence for part in filled], [part.present.mean for part in filled]
    axes.plot(places, shares, color=color, linewidth=1.2, marker=marker, markersize=3, label=label)
    for part in filled:
        if not math.isnan(part.present.low):
            axes.plot([part.confidence] * 2, [part.present.low, part.present.high], color=color, linewidth=1)
        size = _MAX_DOT * max(_SMALLEST_DOT, math.sqrt(part.num_queries / most))
        axes.plot(part.confidence, part.present.mean, marker, markersize=size, markerfacecolor=color, **_DOT_EDGE)
