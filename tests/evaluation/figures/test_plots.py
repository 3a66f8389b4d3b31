"""Plots are as high as their rows need, however few they are and whatever stands round them."""

from pathlib import Path

import pytest
from figure_results import exact, results_of, shifted, silent, write_data
from matplotlib.figure import Figure

from gdinousam.evaluation.figures.plots import dice_box_plot, strata_plot
from gdinousam.evaluation.figures.saving import figure_style
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
    assert 0.3 < height - of_axes < 1.5, "room for axis and legend, and no more"


def test_a_single_stratum_is_not_squeezed_onto_its_axis(tmp_path: Path) -> None:
    results = results_of(tmp_path / "ours", write_data(tmp_path / "data", 2, datasets=["busi"]))
    strata = [one for one in stratify(results.rows) if one.summary.num_scored][:1]
    with figure_style():
        _, of_axes = heights(strata_plot({"ours": strata}, 7.1))
    assert of_axes == pytest.approx(0.44, abs=0.01)
