"""A learning curve: Dice against the size of the training set, a line for each method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gdinousam.evaluation.figures.saving import GRID, INK, MARKERS, SERIES, wrapped_notes
from gdinousam.evaluation.reporting.learning_curve import LearningCurve, Point, points_of
from gdinousam.evaluation.scoring.notes import weights_remarks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NOTE_LETTER, _TEXT_LINE = 0.06, 0.17  # inches, of 7 points
_NOTE = (
    "Lines: means over seeds; bands: lowest to highest seed; bars: 95 % interval of the mean over test patients (where "
    "known, else images)."
)
_DODGE = 1.03  # factor between the bars of two methods, so that both are seen
_OF_REFERENCES = ("--", ":", "-.")


def learning_curve_figure(curve: LearningCurve, width: float) -> Figure:
    """Strict Dice over the number of training patients or images, on a logarithmic axis.

    curve: as ``points_of`` takes it. width: of the figure in inches. What is not trained is a level line.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, NullLocator

    points = points_of(curve)
    methods = dict.fromkeys(point.method for point in points if point.runs)
    weights = weights_remarks(next(iter(curve.references.values())).weights)
    below = wrapped_notes([_NOTE, *weights], int(width / _NOTE_LETTER))
    figure = Figure(figsize=(width, 0.75 * width + _TEXT_LINE * (len(below) + 2)), layout="constrained")
    axes = figure.add_subplot()
    for number, method in enumerate(methods):
        of_method = [point for point in points if point.runs and point.method == method]
        _draw(axes, of_method, SERIES[number % len(SERIES)], MARKERS[number % len(MARKERS)], _DODGE**number)
    for number, point in enumerate(point for point in points if not point.runs):
        style = _OF_REFERENCES[number % len(_OF_REFERENCES)]
        axes.axhline(100 * point.interval.mean, color=INK, linewidth=1, linestyle=style, label=point.method)
    axes.set_xscale("log")
    sizes = sorted({point.num_units for point in points if point.runs})
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.margins(x=0.1)
    axes.set(
        ylim=(0, 100), xlabel=f"training {curve.unit}{', such as patients' * (curve.unit == 'groups')}", ylabel="Dice %"
    )
    axes.grid(color=GRID, linewidth=0.4, alpha=0.6)
    axes.set_axisbelow(True)
    figure.legend(loc="outside upper center", ncols=2)
    figure.supxlabel("\n".join(below), size=7, color=INK)
    return figure


def _draw(axes: Axes, points: Sequence[Point], color: str, marker: str, dodge: float) -> None:
    """A method's line, with its band where there are several seeds."""
    sizes = [point.num_units * dodge for point in points]
    intervals = [point.interval for point in points]
    means = [100 * one.mean for one in intervals]
    bars = [[100 * (one.mean - one.low) for one in intervals], [100 * (one.high - one.mean) for one in intervals]]
    axes.errorbar(
        sizes,
        means,
        bars,
        color=color,
        marker=marker,
        markersize=4,
        linewidth=1.4,
        elinewidth=0.8,
        capsize=2,
        label=points[0].method,
    )
    lowest, highest = ([100 * end(point.of_seeds) for point in points] for end in (min, max))
    axes.fill_between(sizes, lowest, highest, color=color, alpha=0.25, linewidth=0)
