"""Plots are as high as their rows need, however few they are and whatever stands round them."""

from pathlib import Path

import pytest
from figure_results import exact, results_of, shifted, silent, write_data
from made_results import made_results, made_row
from matplotlib.figure import Figure

from gdinousam.evaluation.figures.plots import dice_box_plot, strata_plot
from gdinousam.evaluation.figures.saving import SERIES, figure_style
from gdinousam.evaluation.reporting.comparison import compare
from gdinousam.evaluation.scoring.strata import stratify

LONG = "a method whose name nobody would ever want to type twice"


def heights(figure: Figure) -> tuple[float, float]:
    """Of the figure and of its axes, in inches, as drawn."""
    figure.draw_without_rendering()
    return figure.get_figheight(), figure.axes[0].get_window_extent().height / figure.dpi


@pytest.mark.parametrize("methods", [["ours"], ["ours", "exact", LONG]])
@pytest.mark.parametrize("datasets", [["busi"], ["busi", "hc18", "stu"]])
def test_every_dataset_has_the_height_of_its_name_and_boxes(
    datasets: list[str], methods: list[str], tmp_path: Path
) -> None:
    data = write_data(tmp_path / "data", 6, datasets=datasets)
    answers = (shifted, exact, silent)
    results = [results_of(tmp_path / str(number), data, answers[number], name) for number, name in enumerate(methods)]
    with figure_style():
        figure = dice_box_plot(compare(results, "strict"), datasets, 7.1)
        height, of_axes = heights(figure)
    # a name has two lines of 0.17 inches with its count, three boxes have 0.16 each; 0.1 stand between datasets
    expected = len(datasets) * (0.44 if len(methods) == 1 else 0.58)
    assert of_axes == pytest.approx(expected, abs=0.01)
    assert 0.3 < height - of_axes < 1.9, "room for axis and legend, and no more"


def test_a_single_stratum_is_not_squeezed_onto_its_axis(tmp_path: Path) -> None:
    results = results_of(tmp_path / "ours", write_data(tmp_path / "data", 2, datasets=["busi"]))
    strata = [one for one in stratify(results.rows) if one.summary.num_scored][:1]
    with figure_style():
        _, of_axes = heights(strata_plot({"ours": strata}, 7.1))
    assert of_axes == pytest.approx(0.44, abs=0.01)


def made_plot(num_queries: int) -> Figure:
    """Two methods on one dataset, the second with an outlier."""
    dice = [0.8 + 0.001 * number for number in range(num_queries)]
    rows = [[made_row("busi", number, one) for number, one in enumerate(of)] for of in (dice, [0.1, *dice[1:]])]
    results = [made_results(of_method, name) for of_method, name in zip(rows, "AB", strict=True)]
    with figure_style():
        return dice_box_plot(compare(results, "strict"), ["busi"], 7.1)


def test_few_queries_are_dots_and_many_a_box() -> None:
    few, many = made_plot(19), made_plot(20)
    assert not few.axes[0].patches and len(many.axes[0].patches) == 2
    dots = [line for line in few.axes[0].lines if len(line.get_xdata()) == 19]
    assert [line.get_marker() for line in dots] == ["o", "s"]
    assert len(set(dots[0].get_ydata())) == 19, "equal values must not hide one another"


def test_outliers_have_the_colour_of_their_method() -> None:
    outliers = [line for line in made_plot(20).axes[0].lines if line.get_marker() == "." and len(line.get_xdata())]
    assert [line.get_markerfacecolor() for line in outliers] == [SERIES[1]]
    assert list(outliers[0].get_xdata()) == [pytest.approx(10)]


def test_boxes_differ_in_hatching_too() -> None:
    assert len({patch.get_hatch() for patch in made_plot(20).axes[0].patches}) == 2
