"""Plots of compared methods: the spread of Dice in every dataset, and its mean with interval in every stratum.

Methods differ in colour and in hatching or marker, so the plots can be read in grey print.

Names stand at the left, one line each, so that long ones fit and the plots can be read on a narrow screen too.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from gdinousam.evaluation.figures.saving import (
    GRID,
    HATCHES,
    INK,
    MARKERS,
    SERIES,
    name_lines,
    weights_notes,
    wrapped_notes,
)
from gdinousam.evaluation.reporting.comparison import Compared
from gdinousam.evaluation.reporting.summary import FEW
from gdinousam.evaluation.scoring.rows import ScoreRow
from gdinousam.evaluation.scoring.strata import Stratum

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Kind = Literal["box", "dot"]
FEWEST_FOR_A_BOX = 20  # queries; quartiles of fewer say more than is known
_MARKS_NOTE = f"Line: median; diamond: mean. Fewer than {FEWEST_FOR_A_BOX} queries: a dot for each instead of a box."
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
    "meanprops": {"marker": "D", "markersize": 3, "markerfacecolor": "white", **_DOT_EDGE},
}


def dice_box_plot(compared: Compared, datasets: Sequence[str], width: float) -> Figure:
    """Boxes of Dice, one per dataset and method; a dot for every query where there are fewer than 20.

    datasets: those to draw, the first on top; at least one. width: of the figure in inches.
    Box: quartiles with median; whiskers: to the last value within 1.5 box lengths; dots: values beyond; diamond: mean;
    a line across single dots: median. Queries without Dice are left out; a method without any in a dataset has no box
    there. Datasets of fewer than 50 images with a scored query carry a star. Below stand the counts of queries that a
    method does not support, and what has to be said of the methods' weights.
    """
    dice = {method: _dice_percent(rows, datasets) for method, rows in compared.rows.items()}
    counts = [[len(of_method[name]) for of_method in dice.values()] for name in datasets]
    labels = [
        f"{_short(name)}\n{_count(of_dataset, _num_images(compared, name))}"
        for name, of_dataset in zip(datasets, counts, strict=True)
    ]
    notes = (_MARKS_NOTE, *_unsupported(compared, datasets), *weights_notes(compared))
    lines = _lines(labels, list(dice), width, "Dice %", notes)
    for number, of_method in enumerate(dice.values()):
        filled = {
            centre + _offset(number, len(dice)): of_method[name]
            for centre, name in zip(lines.centres, datasets, strict=True)
        }
        boxes = {y: values for y, values in filled.items() if len(values) >= FEWEST_FOR_A_BOX}
        if boxes:
            _draw_boxes(lines.axes, boxes, number, 0.8 / len(dice))
        for y, values in filled.items():
            if 0 < len(values) < FEWEST_FOR_A_BOX:
                _draw_dots(lines.axes, y, values, number, 0.8 / len(dice))
    for centre, of_dataset in zip(lines.centres, counts, strict=True):
        if not any(of_dataset):
            lines.axes.text(50, centre, "no scored query", ha="center", va="center", size=7)
    sizes = [len(values) for of_method in dice.values() for values in of_method.values() if values]
    kinds: set[Kind] = {"box" if size >= FEWEST_FOR_A_BOX else "dot" for size in sizes}
    return _finished(lines, list(dice), kinds or {"box"})


def _draw_boxes(axes: Axes, boxes: Mapping[float, Sequence[float]], number: int, width: float) -> None:
    outliers = {"marker": ".", "markersize": 3, "markerfacecolor": _color(number), "markeredgecolor": _color(number)}
    drawn = axes.boxplot(
        list(boxes.values()),
        positions=list(boxes),
        widths=width,
        boxprops={"facecolor": _color(number), "edgecolor": INK, "linewidth": 0.7},
        flierprops=outliers,
        **_BOX_LOOK,
    )
    for box in drawn["boxes"]:
        box.set_hatch(HATCHES[number % len(HATCHES)])


def _draw_dots(axes: Axes, y: float, values: Sequence[float], number: int, width: float) -> None:
    """Every value as a dot, moved up or down so that equal ones show, with median and mean as in a box."""
    jitter = np.random.default_rng(0).uniform(-0.3 * width, 0.3 * width, len(values))
    axes.plot(values, y + jitter, MARKERS[number % len(MARKERS)], markersize=3, color=_color(number), alpha=0.8, mew=0)
    axes.plot([float(np.median(values))] * 2, [y - 0.42 * width, y + 0.42 * width], color=INK, linewidth=1, zorder=1)
    axes.plot(float(np.mean(values)), y, **_BOX_LOOK["meanprops"], linestyle="")


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
        members = [of_method[kind, name] for of_method in scored.values() if (kind, name) in of_method]
        counts, num_images = [one.num_scored for one in members], max(one.num_images for one in members)
        labels.append(f"{kind}: {_short(name)}\n{_count(counts, num_images)}")
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
            lines.axes.plot(
                one.dice_percent, y, _marker(number), markersize=4.5, markerfacecolor=_color(number), **_DOT_EDGE
            )
    return _finished(lines, methods, {"dot"})


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
    axes.set_xlabel(f"{title}\n{_STAR} fewer than {FEW} images" if stars else title)
    if below:
        figure.supxlabel("\n".join(below), size=7)
    axes.grid(axis="x", color=GRID, linewidth=0.4, alpha=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    return _Lines(figure, axes, centres, height)


def _finished(lines: _Lines, methods: Sequence[str], kinds: Collection[Kind]) -> Figure:
    """The plot with its legend, as high as its lines and all that stands round them need."""
    _legend(lines.figure, methods, kinds)
    lines.figure.draw_without_rendering()
    drawn = lines.axes.get_window_extent().height / lines.figure.dpi
    lines.figure.set_figheight(lines.figure.get_figheight() + lines.height - drawn)
    return lines.figure


def _legend(figure: Figure, methods: Sequence[str], kinds: Collection[Kind]) -> None:
    if len(methods) < 2:
        return
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = []  # matplotlib draws those of a tuple over one another
    for number in range(len(methods)):
        color, hatch = _color(number), HATCHES[number % len(HATCHES)]
        box = Patch(facecolor=color, hatch=hatch, edgecolor=INK, linewidth=0.7)
        dot = Line2D([], [], linestyle="", marker=_marker(number), markersize=5, markerfacecolor=color, **_DOT_EDGE)
        handles.append(tuple(one for one, kind in ((box, "box"), (dot, "dot")) if kind in kinds))
    labels = [_short(method) for method in methods]
    figure.legend(handles, labels, loc="outside upper center", ncols=1 if max(map(len, methods)) > 24 else 2)


def _offset(number: int, of: int) -> float:
    return (number - (of - 1) / 2) * 0.84 / of


def _color(number: int) -> str:
    return SERIES[number % len(SERIES)]


def _marker(number: int) -> str:
    return MARKERS[number % len(MARKERS)]


def _num_images(compared: Compared, dataset: str) -> int:
    """The most images of a dataset that any method has a scored query of."""
    return max(
        len({row.image_name for row in rows if row.dataset == dataset and not math.isnan(row.dice)})
        for rows in compared.rows.values()
    )


def _count(counts: Sequence[int], num_images: int) -> str:
    low, high = min(counts), max(counts)
    return f"n {low if low == high else f'{low} to {high}'}{f' {_STAR}' if num_images < FEW else ''}"


def _short(name: str) -> str:
    """A name broken into lines."""
    return "\n".join(name_lines(name, _WRAP, 3))
