"""Dice against the size of the target: where marks lie, and what is said of them."""

import math

import pytest
from made_results import made_results, made_row

from gdinousam.evaluation.figures.saving import figure_style
from gdinousam.evaluation.figures.sizes import size_scatter
from gdinousam.evaluation.reporting.comparison import compare

IMAGE = {"image_width": 100, "image_height": 100}


def test_a_mark_lies_at_the_share_of_the_image_and_the_dice_and_is_hollow_where_nothing_was_found() -> None:
    rows = [
        made_row("busi", 0, 0.5, true_pixels=100, **IMAGE),
        made_row("busi", 1, 0.0, true_pixels=900, found=False, **IMAGE),
        made_row("busi", 2, math.nan, true_pixels=0, num_instances=0, **IMAGE),  # absent
        made_row("hc18", 3, 0.9, true_pixels=400, **IMAGE),  # of another dataset
    ]
    with figure_style():
        figure = size_scatter(compare([made_results(rows)]), ["busi"], 3.3)
        figure.draw_without_rendering()
    marks = {
        tuple(point): line.get_markerfacecolor()
        for line in figure.axes[0].lines
        for point in line.get_xydata().tolist()
    }
    assert list(marks) == [(pytest.approx(1), 50.0), (pytest.approx(9), 0.0)]
    assert marks[9.0, 0.0] == "none" and marks[1.0, 50.0] != "none"
    ticks = [tick.get_text() for tick in figure.axes[0].get_xticklabels(which="both")]
    assert {"1", "2", "5"} <= set(ticks) and not any("$" in tick for tick in ticks), "plain numbers, no formulas"
    assert not figure.legends, "one method needs none"
