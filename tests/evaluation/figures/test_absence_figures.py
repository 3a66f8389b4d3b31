"""The matrix and the ROC of absent phrases: what is drawn, and where."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from figure_results import results_of, silent, write_data, write_results
from made_results import made_row

from gdinousam.commands.common import BAD_INPUT, run
from gdinousam.commands.figures import figures_command
from gdinousam.evaluation.figures.absence import absent_matrix, roc_figure
from gdinousam.evaluation.figures.report import write_report
from gdinousam.evaluation.figures.saving import COLUMN_WIDTH, PAGE_WIDTH
from gdinousam.evaluation.reporting.table import Table, text_cell, text_column
from gdinousam.evaluation.scoring.rows import ScoreRow


def absent(image: int, phrase: str, score: float | None) -> ScoreRow:
    row = made_row(image=image, phrase=phrase, dice=math.nan, num_instances=0, true_boxes=())
    return row if score is None else replace(row, found=True, score=score, num_detections=1)


ROWS = [
    made_row(image=0, phrase="nodule", score=0.9),
    absent(0, "liver", 0.5),
    absent(0, "heart", None),
    made_row(image=1, phrase="nodule", score=0.4),
    absent(1, "liver", None),
    made_row(image=2, phrase="liver", score=0.7),
    absent(2, "nodule", None),
]


def drawn(figure: Any, panel: int = 0) -> dict[tuple[str, str], tuple[str, str]]:
    """What the cells of a matrix say, by what is shown and what is asked: the rate and n."""
    axes = figure.axes[panel]
    shown = [one.get_text().replace("\n", " ") for one in axes.get_yticklabels()]
    asked = [one.get_text().replace("\n", " ") for one in axes.get_xticklabels()]
    cells: dict[tuple[str, str], tuple[str, str]] = {}
    for rate, number in zip(axes.texts[::2], axes.texts[1::2], strict=True):
        column, row = rate.get_position()
        cells[shown[round(row)], asked[round(column)]] = (rate.get_text(), number.get_text())
    return cells


def test_the_cells_hold_rate_and_number() -> None:
    figure = absent_matrix({"A": ROWS, "without": ROWS[:1], "B": ROWS[:2]}, PAGE_WIDTH, ["A note."])
    assert drawn(figure) == {
        ("nodule", "liver"): ("50", "n 2"),
        ("nodule", "heart"): ("0", "n 1"),
        ("liver", "nodule"): ("0", "n 1"),
    }
    assert drawn(figure, 1) == {("nodule", "liver"): ("100", "n 1")}
    assert [axes.get_title() for axes in figure.axes] == ["A", "B"]
    # what is both stands in the same order on both sides
    assert [one.get_text() for one in figure.axes[0].get_xticklabels()] == ["nodule", "liver", "heart"]


def test_numbers_in_dark_cells_are_white() -> None:
    figure = absent_matrix({"B": ROWS[:3]}, PAGE_WIDTH)
    assert {one.get_text(): one.get_color() for one in figure.axes[0].texts[::2]} == {"100": "white", "0": "black"}


def test_of_too_many_phrases_the_wrongly_answered_are_drawn_and_a_note_says_so() -> None:
    asked = [absent(0, f"phrase {number}", 0.5 if number % 5 == 0 else None) for number in range(30)]
    figure = absent_matrix({"A": [ROWS[0], *asked]}, COLUMN_WIDTH)
    cells = drawn(figure)
    assert {f"phrase {number}" for number in range(0, 30, 5)} <= {phrase for _, phrase in cells} and len(cells) < 10
    text = " ".join(figure._supxlabel.get_text().split())  # type: ignore[attr-defined]
    assert f"A: the phrases with the fewest wrong answers are left out, {30 - len(cells)} of those asked." in text


def test_the_curve_ends_where_all_answers_count_and_goes_on_thinly() -> None:
    figure = roc_figure({"A": ROWS, "without": ROWS[:1]}, COLUMN_WIDTH)
    _, curve, rest, _ = figure.axes[0].get_lines()
    np.testing.assert_allclose(curve.get_xydata(), [[0, 0], [0, 1 / 3], [0, 2 / 3], [1 / 4, 2 / 3], [1 / 4, 1]])
    np.testing.assert_allclose(rest.get_xydata(), [[1 / 4, 1], [1, 1]])
    (label,) = [text.get_text() for text in figure.legends[0].get_texts()]
    assert label.startswith("A\nAUC 0.917") and label.endswith("present 3, absent 4")


def test_figures_by_name_are_refused_where_no_absent_phrase_was_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = write_results(tmp_path / "ours", write_data(tmp_path / "data", 2), silent)
    for only in ("absent", "roc"):
        assert run(figures_command, [str(results), "--only", only, "--out", str(tmp_path / "out")]) == BAD_INPUT
        assert f"--only {only}: no absent phrase was asked in these results" in capsys.readouterr().err
    assert run(figures_command, [str(results), "--out", str(tmp_path / "out")]) == 0
    assert not list((tmp_path / "out").glob("roc*")) and list((tmp_path / "out").glob("box_plots*"))


def test_the_report_has_a_sentence_and_both_figures_of_absent_phrases(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", 4, absent=("stone",))
    spread = Table("Spread over wordings", (text_column("phrase"),), ((text_cell("cyst in other words"),),))
    write_report(
        [results_of(tmp_path / "ours", data, silent)], tmp_path / "a.html", with_gallery=False, wordings=[spread]
    )
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "answered 0.0 % (95 % interval 0.0 to 0.0) of 4 absent phrases" in page
    for part in ('id="absent"', 'id="wordings"', "cyst in other words", "ROC of whether the phrase is there", "n 4<"):
        assert part in page
    without = results_of(tmp_path / "without", write_data(tmp_path / "other", 4), silent)
    write_report([without], tmp_path / "b.html", with_gallery=False)
    page = (tmp_path / "b.html").read_text(encoding="utf-8")
    assert 'id="absent"' not in page and 'id="wordings"' not in page
