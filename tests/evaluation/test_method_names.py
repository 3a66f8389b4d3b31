"""Random and small weights under every name, in every table: no published model's name by itself, no paper beside."""

import json
from pathlib import Path

import pytest
from made_results import made_results, made_row, write_results

from gdinousam.commands.common import BAD_INPUT, run
from gdinousam.commands.compare import compare_command
from gdinousam.evaluation.reporting.comparison import compare, rename
from gdinousam.evaluation.reporting.comparison_tables import comparison_tables
from gdinousam.evaluation.reporting.overview import overview_table
from gdinousam.evaluation.reporting.paper_numbers import OURS, paper_table
from gdinousam.evaluation.reporting.table import Table
from gdinousam.evaluation.reporting.table_files import as_plain
from gdinousam.evaluation.reporting.tables import write_tables
from gdinousam.evaluation.scoring.notes import method_name, weights_remarks
from gdinousam.evaluation.scoring.results import Results, read_results
from gdinousam.records import WeightsKind

RANDOM, SMALL = weights_remarks("random")[0], weights_remarks("small")[0]
ROWS = [made_row("busi", image, dice=0.4 + image / 100) for image in range(8)]
BETTER = [made_row("busi", image, dice=0.6 + image / 100) for image in range(8)]


def results(rows: list, method: str, weights: WeightsKind, folder: Path) -> Results:
    """As an evaluation with such weights leaves them, read back."""
    path = write_results(made_results(rows, method), folder / method.replace(" ", "_"))
    about = json.loads((path / "method.json").read_text(encoding="utf-8"))
    (path / "method.json").write_text(json.dumps(about | {"weights": weights}), encoding="utf-8")
    return read_results(path)


@pytest.mark.parametrize(
    ("name", "weights", "shown"),
    [
        ("GroundingDINO+SAM2", "random", "GroundingDINO+SAM2 (random)"),
        ("GroundingDINO+SAM2", "small", "GroundingDINO+SAM2 (small)"),
        ("GroundingDINO+SAM2 (small, zero-shot)", "small", "GroundingDINO+SAM2 (small, zero-shot)"),
        ("ours (Random weights) again", "random", "ours (Random weights) again"),
        ("ours (small)", "random", "ours (small) (random)"),
        ("small lesions", "small", "small lesions (small)"),  # no word of the weights
        (OURS, "full", OURS),
        (OURS, "unknown", OURS),
    ],
)
def test_a_name_says_what_the_weights_are_once(name: str, weights: WeightsKind, shown: str) -> None:
    assert method_name(name, weights) == shown
    assert method_name(shown, weights) == shown


def test_results_are_called_so_and_carry_the_note(tmp_path: Path) -> None:
    read = results(ROWS, OURS, "random", tmp_path)
    assert (read.method, read.weights, read.notes.remarks) == (f"{OURS} (random)", "random", (RANDOM,))
    assert rename([read], ["MedSAM"])[0].method == "MedSAM (random)"


def test_results_of_an_earlier_version_are_of_unknown_weights(tmp_path: Path) -> None:
    read = read_results(write_results(made_results(ROWS, OURS), tmp_path / "old"))
    assert (read.method, read.weights, read.is_reference, read.notes.remarks) == (OURS, "unknown", False, ())


def test_a_kind_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"method.json: weights is 'tiny' instead of one of random, small, full"):
        results(ROWS, OURS, "tiny", tmp_path)  # type: ignore[arg-type]


def cells(table: Table, title: str, method: str) -> list[str]:
    place = [column.title for column in table.columns].index(title)
    return [line[place].text for line in table.lines if line[1].text == method]


def test_no_number_of_the_paper_stands_beside_other_weights(tmp_path: Path) -> None:
    compared = compare([results(ROWS, OURS, "full", tmp_path), results(BETTER, "SAMUS", "small", tmp_path)])
    table = comparison_tables(compared)["numbers"]
    assert set(cells(table, "paper", OURS)) == {f"{paper_table(3).scores['BUSI'][OURS].dice:.2f}"}
    assert set(cells(table, "paper", "SAMUS (small)")) == set(cells(table, "difference", "SAMUS (small)")) == {"-"}
    assert any("so none stands beside SAMUS (small)." in remark for remark in table.remarks)


def test_a_table_of_other_weights_alone_has_no_column_of_the_paper(tmp_path: Path) -> None:
    compared = compare([results(ROWS, OURS, "random", tmp_path), results(BETTER, "SAMUS", "small", tmp_path)])
    table = comparison_tables(compared, 3)["numbers"]
    assert not {"paper", "difference"} & {column.title for column in table.columns}
    assert table.title == "Seen datasets, protocol strict, as table 3 of the paper: with intervals"
    assert all(len(line) == len(table.columns) for line in table.lines)


@pytest.mark.parametrize("name", ["methods", "numbers", "tests"])
def test_every_table_of_a_comparison_names_the_weights(name: str, tmp_path: Path) -> None:
    compared = compare([results(ROWS, OURS, "random", tmp_path), results(BETTER, "SAMUS", "full", tmp_path)])
    text = as_plain(comparison_tables(compared)[name])
    assert f"{OURS} (random): {RANDOM}" in text
    assert text.count(OURS) == text.count(f"{OURS} (random)")


def test_the_tables_of_one_evaluation_and_of_many_carry_the_footnote(tmp_path: Path) -> None:
    read = results(ROWS, OURS, "random", tmp_path)
    printed = write_tables(read.rows, tmp_path / "tables", read.notes)
    assert printed.count(RANDOM) == 2  # a table of each protocol
    markdown = (tmp_path / "tables" / "tables.md").read_text(encoding="utf-8")
    assert markdown.count(RANDOM) == markdown.count("\n### ") > 8
    for name in ("table_strict.csv", "table_paper.csv", "strata_strict.csv"):
        header, *lines = (tmp_path / "tables" / name).read_text(encoding="utf-8").splitlines()
        assert header.endswith(",notes") and lines and all(line.endswith(RANDOM) for line in lines)
    overview = as_plain(overview_table([read, results(BETTER, "mine", "small", tmp_path)]))
    assert f"{OURS} (random)" in overview and "mine (small)" in overview
    assert RANDOM in overview and SMALL in overview


def best_of(table: Table) -> set[str]:
    return {table.columns[place].group for line in table.lines for place, cell in enumerate(line) if cell.best}


def test_neither_a_reference_nor_random_weights_are_the_best() -> None:
    candidates = [made_results(ROWS, "A"), made_results([made_row("busi", at, 0.1) for at in range(8)], "B")]
    reference = made_results(BETTER, "true box", is_reference=True)
    random = made_results(BETTER, "C (random)", weights="random")
    table = comparison_tables(compare([reference, *candidates, random]))["methods"]
    assert best_of(table) == {"A"}
    assert any(remark.endswith("References and random weights are not candidates for the best.") for remark in
               table.remarks)  # fmt: skip
    plain = comparison_tables(compare([made_results(BETTER, "true box"), *candidates]))["methods"]
    assert best_of(plain) == {"true box"}  # as long as nobody says what it is


def test_the_command_says_it_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results(ROWS, "one", "small", tmp_path)
    assert run(compare_command, [str(tmp_path / "one"), "--names", OURS]) == 0
    printed = capsys.readouterr().out
    assert f"{OURS} (small)" in printed and SMALL in printed and "difference" not in printed
    (tmp_path / "one" / "method.json").write_text('{"weights": 1}', encoding="utf-8")
    assert run(compare_command, [str(tmp_path / "one")]) == BAD_INPUT
