"""Names in little room keep what they say of the weights; figures say below what has to be said."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import PIL.Image
import pytest
from figure_results import shifted, write_data, write_results

from gdinousam.evaluation.figures.case_pictures import CasePictures
from gdinousam.evaluation.figures.overlays import write_overlays
from gdinousam.evaluation.figures.plots import dice_box_plot, strata_plot
from gdinousam.evaluation.figures.report import write_report
from gdinousam.evaluation.figures.saving import name_lines, weights_notes, wrapped_notes
from gdinousam.evaluation.reporting.comparison import Compared, compare
from gdinousam.evaluation.scoring.results import Results, read_results
from gdinousam.evaluation.scoring.strata import stratify
from gdinousam.records import WeightsKind

RANDOM = "Weights are random: the numbers mean nothing."
SMALL = "Weights are of a small model, not the published ones of full size."


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("SAMUS (random)", ["SAMUS", "(random)"]),
        ("fine-tuned GroundingDINO+SAM2 (random)", ["fine-tuned G…", "(random)"]),
        ("GroundingDINO+SAM2 (small, zero-shot)", ["GroundingDIN…", "(small, zero-", "shot)"]),
        ("a name without an end that fits", ["a name", "without an…"]),
        ("", ["-"]),
    ],
)
def test_a_name_that_is_cut_keeps_its_brackets(name: str, lines: list[str]) -> None:
    assert name_lines(name, 13, 2) == lines


def words(text: str) -> str:
    """As if it stood in one line."""
    return " ".join(text.split())


def compared(weights: Mapping[str, WeightsKind]) -> Compared:
    return Compared("strict", {method: () for method in weights}, weights=weights)


def test_a_note_is_said_once_and_names_its_methods_unless_all_are_meant() -> None:
    assert weights_notes(compared({"A": "full", "B": "unknown"})) == []
    assert weights_notes(compared({"A": "random", "B": "random"})) == [RANDOM]
    assert weights_notes(compared({"A": "random", "B": "small", "C": "random", "D": "full"})) == [
        f"A, C: {RANDOM}",
        f"B: {SMALL}",
    ]


def test_every_note_begins_a_line() -> None:
    assert wrapped_notes(["one two three", "four"], 8) == ["one two", "three", "four"]
    assert wrapped_notes([], 8) == []


def results(folder: Path, data: Path, method: str, weights: WeightsKind) -> Results:
    path = write_results(folder, data, shifted, method)
    about = json.loads((path / "method.json").read_text(encoding="utf-8"))
    (path / "method.json").write_text(json.dumps(about | {"weights": weights}), encoding="utf-8")
    return read_results(path)


def test_plots_and_the_page_carry_the_note(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", 8, datasets=("busi", "hc18"))
    both = [results(tmp_path / "one", data, "ours", "random"), results(tmp_path / "two", data, "other", "full")]
    figure = dice_box_plot(compare(both), ("busi", "hc18"), 3.7)
    assert words(figure.get_supxlabel()).endswith(f"ours (random): {RANDOM}")
    assert words(figure.legends[0].get_texts()[0].get_text()) == "ours (random)"
    strata = {"ours (random)": stratify(both[0].rows, "strict")}
    assert words(strata_plot(strata, 3.7, [RANDOM]).get_supxlabel()) == RANDOM
    assert strata_plot(strata, 3.7).get_supxlabel() == ""
    write_report(both, tmp_path / "report.html", with_gallery=False)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for plot in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        assert "Weights are random:" in plot
    assert page.count("<svg") == 3 and "<title>Evaluation: ours (random), other</title>" in page


def test_overlays_carry_the_note_below_every_page(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", 2)
    sizes = []
    for weights in ("full", "random"):
        one = results(tmp_path / weights, data, "ours", weights)
        out = tmp_path / f"{weights}_out"
        write_overlays(compare([one]), [0], CasePictures([one]), out, "overlays")
        with PIL.Image.open(out / "overlays.png") as picture:
            sizes.append(picture.size)
    assert sizes[0][0] == sizes[1][0] and sizes[1][1] > sizes[0][1]  # a line more
