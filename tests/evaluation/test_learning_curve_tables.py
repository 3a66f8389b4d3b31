"""Learning curves: means, spreads and pairs worked out by hand, and what is said of what is left out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from made_results import NAN, made_results, made_row

from gdinousam.errors import InputError
from gdinousam.evaluation.figures.learning_curve import learning_curve_figure
from gdinousam.evaluation.figures.saving import figure_style
from gdinousam.evaluation.reporting.learning_curve import CurveRun, LearningCurve, curve_tables, points_of
from gdinousam.evaluation.reporting.table import Table
from gdinousam.evaluation.scoring.results import Results
from gdinousam.evaluation.scoring.rows import ScoreRow

PHRASES = ("left ventricle", "left atrium")
# Dice of a ventricle and an atrium, in each of two images of one patient and one of another
LORA = {(1, 0): (0.2, 0.4), (1, 1): (0.4, 0.6), (4, 0): (0.7, 0.9), (4, 1): (0.7, 0.9)}
U_NET = {(1, 0): (0.3, 0.3), (1, 1): (0.3, 0.3), (4, 0): (0.8, 0.8), (4, 1): (0.6, 0.8)}


def rows(dice: Sequence[float], **other: object) -> list[ScoreRow]:
    """dice: of each phrase, the same in three images."""
    return [
        made_row("camus", image, dice[place], phrase=phrase, group=f"patient {image // 2}", **other)
        for image in range(3)
        for place, phrase in enumerate(PHRASES)
    ]


def curve(lora: Mapping[tuple[int, int], Sequence[float]], unet: Mapping[tuple[int, int], Sequence[float]]):
    runs = [
        CurveRun(method, size, 10 * size + seed, seed, 5, 90.0, made_results(rows(dice), f"{method} {size} {seed}"))
        for method, of_method in (("LoRA", lora), ("U-Net", unet))
        for (size, seed), dice in of_method.items()
    ]
    zero_shot = made_results(rows((0.1, 0.3)), "zero-shot", weights="small")
    return LearningCurve("groups", {"zero-shot": zero_shot}, runs)


def column(table: Table, title: str) -> list[str]:
    (place,) = (place for place, one in enumerate(table.columns) if one.title == title)
    return [line[place].text for line in table.lines]


def values(table: Table, name: str) -> list[object]:
    """What stands in the CSV under a heading."""
    found = []
    for line in table.lines:
        cells = dict(
            pair
            for one, cell in zip(table.columns, line, strict=True)
            for pair in zip(one.csv_names, cell.values, strict=True)
        )
        found.append(cells[name])
    return found


def test_a_point_is_the_mean_over_seeds_with_its_spread_over_them() -> None:
    table = curve_tables(curve(LORA, U_NET))["sizes"]
    assert column(table, "method") == ["zero-shot", "LoRA", "LoRA", "U-Net", "U-Net"]
    assert column(table, "training groups") == ["-", "1", "4", "1", "4"]
    assert column(table, "training images") == ["-", "10 to 11", "40 to 41", "10 to 11", "40 to 41"]
    assert values(table, "seeds") == [0, 2, 2, 2, 2]
    assert values(table, "n") == [6] * 5
    assert values(table, "Dice %") == pytest.approx([20, 40, 80, 30, 75])
    assert values(table, "std over seeds") == pytest.approx([NAN, math.sqrt(200), 0, 0, math.sqrt(50)], nan_ok=True)
    assert values(table, "lowest seed") == pytest.approx([NAN, 30, 80, 30, 70], nan_ok=True)
    assert values(table, "highest seed") == pytest.approx([NAN, 50, 80, 30, 80], nan_ok=True)
    # both patients are alike, so that another choice of them would change nothing
    assert values(table, "low") == pytest.approx([20, 40, 80, 30, 75]) == values(table, "high")


def test_methods_are_paired_at_every_size_and_with_zero_shot() -> None:
    table = curve_tables(curve(LORA, U_NET))["tests"]
    pairs = [("LoRA", "U-Net"), ("LoRA", "zero-shot"), ("U-Net", "zero-shot")]
    assert list(zip(column(table, "first"), column(table, "second"), strict=True)) == pairs * 2
    assert column(table, "training groups") == ["1"] * 3 + ["4"] * 3 and column(table, "test groups") == ["2"] * 6
    assert values(table, "Dice difference %") == pytest.approx([10, 20, 10, 5, 60, 55])
    assert column(table, "seeds ahead") == ["1 of 2", "2 of 2", "2 of 2", "1 of 2", "2 of 2", "2 of 2"]


def test_every_phrase_has_a_column_where_there_are_several() -> None:
    of_all = curve(LORA, U_NET)
    table = curve_tables(of_all)["phrases"]
    assert values(table, "left ventricle") == pytest.approx([10, 30, 70, 30, 70])
    assert values(table, "left atrium") == pytest.approx([30, 50, 90, 30, 80])


def test_a_query_that_a_run_could_not_answer_is_in_no_mean_and_is_counted() -> None:
    without = [
        row if row.phrase == PHRASES[0] else replace(row, dice=NAN, found=False, supported=False)
        for row in rows((0.5, 0.5))
    ]
    full = curve(LORA, U_NET)
    first = CurveRun("U-Net", 1, 10, 0, 5, 90.0, made_results(without, "U-Net 1 0"))
    runs = [first if (run.method, run.num_units, run.seed) == ("U-Net", 1, 0) else run for run in full.runs]
    tables = curve_tables(LearningCurve("groups", full.references, runs))
    assert values(tables["sizes"], "n") == [3] * 5
    assert values(tables["sizes"], "Dice %") == pytest.approx([10, 30, 70, 40, 70])
    assert any(remark.startswith("3 queries are in none of these means") for remark in tables["sizes"].remarks)
    assert "phrases" not in tables
    assert not any("in none of these means" in remark for remark in curve_tables(full)["sizes"].remarks)


def test_it_says_that_weights_are_small_and_patients_few() -> None:
    for table in curve_tables(curve(LORA, U_NET), ["Every run has 5 steps."]).values():
        assert "Every run has 5 steps." in table.remarks
        assert any("of a small model" in remark for remark in table.remarks)
        assert any("of 2 patients or images only" in remark for remark in table.remarks)


def test_results_without_a_target_are_refused() -> None:
    nothing: Results = made_results(rows((NAN, NAN)), "zero-shot")
    with pytest.raises(InputError, match="no query with a target"):
        points_of(LearningCurve("groups", {"zero-shot": nothing}, []))


def test_the_figure_shows_means_bands_and_zero_shot_at_the_sizes() -> None:
    with figure_style():
        figure = learning_curve_figure(curve(LORA, U_NET), 3.3)
        figure.draw_without_rendering()
    (axes,) = figure.axes
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1", "4"]
    assert axes.get_xlabel() == "training groups, such as patients"
    heights = [
        list(line.get_ydata()) for line in axes.lines if line.get_linestyle() == "-" and len(line.get_xdata()) == 2
    ]
    assert [pytest.approx([40, 80]), pytest.approx([30, 75])] == heights[:2]
    bands = [band.get_paths()[0].get_extents() for band in axes.collections if hasattr(band, "get_paths")]
    assert (30, 80) in [(pytest.approx(band.y0), pytest.approx(band.y1)) for band in bands]
    (zero_shot,) = (line for line in axes.lines if line.get_linestyle() == "--")
    assert list(zero_shot.get_ydata()) == pytest.approx([20, 20])
