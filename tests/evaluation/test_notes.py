"""Notes on a method follow its numbers into every table."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from made_results import made_results, made_row

from gdinousam.evaluation.reporting.comparison import compare
from gdinousam.evaluation.reporting.comparison_tables import comparison_tables
from gdinousam.evaluation.reporting.overview import overview_table
from gdinousam.evaluation.reporting.table import Table
from gdinousam.evaluation.reporting.table_files import as_markdown, as_plain, write_csv
from gdinousam.evaluation.reporting.tables import protocol_tables, strata_tables, write_tables
from gdinousam.evaluation.scoring.notes import NO_NOTES, Notes
from gdinousam.evaluation.scoring.origin import about_method
from gdinousam.evaluation.scoring.strata import stratify

LEAK = "The weights were trained on images of this dataset."
NOTES = Notes(("Weights are random.",), {"busi": LEAK})
ROWS = [made_row("busi", image, dice=0.4 + image / 100) for image in range(3)]
ROWS += [made_row("stu", image, dice=0.6 + image / 100) for image in range(3)]


def marked_lines(table: Table) -> list[str]:
    """First words of the lines that carry the footnote, or the one of a mean that repeats it."""
    return [line[0].text for line in table.lines if any(LEAK in note for cell in line for note in cell.notes)]


def test_notes_survive_their_file() -> None:
    about = json.loads(json.dumps(about_method("A", frozenset({"text"}), (), "cpu", "float32", NOTES)))
    assert Notes.from_json(about) == NOTES
    assert Notes.from_json({"method": "an earlier version"}) == NO_NOTES
    for trained_on in ((), ("busi", "tn3k")):
        noted = replace(NOTES, trained_on=trained_on)
        assert Notes.from_json(json.loads(json.dumps(noted.to_json()))) == noted


def test_a_mean_says_which_datasets_of_it_have_a_footnote() -> None:
    notes = Notes(of_datasets={"busi": LEAK, "tn3k": LEAK, "stu": "Another."})
    assert notes.of_mean(["hc18", "tn3k", "busi", "stu"]) == (f"tn3k, busi: {LEAK}", "stu: Another.")
    assert notes.of_mean(["hc18"]) == ()


def test_the_tables_of_an_evaluation_mark_the_dataset_and_the_means(tmp_path: Path) -> None:
    for table in protocol_tables(ROWS, "strict", NOTES):
        assert marked_lines(table)[0] == "busi" and len(marked_lines(table)) == 3  # all queries, and the average
    for text in (write_tables(ROWS, tmp_path, NOTES), (tmp_path / "tables.md").read_text(encoding="utf-8")):
        assert LEAK in text and "Weights are random." in text
    assert LEAK not in write_tables(ROWS, tmp_path)


def test_strata_say_it_below_where_their_lines_are_no_datasets() -> None:
    for table in strata_tables(stratify(ROWS, "strict"), NOTES):
        assert f"busi: {LEAK}" in table.remarks and "Weights are random." in table.remarks


@pytest.mark.parametrize("name", ["methods", "numbers", "tests"])
def test_compared_methods_keep_their_own_notes(name: str, tmp_path: Path) -> None:
    results = [made_results(ROWS, "A", notes=NOTES), made_results(ROWS, "B")]
    table = comparison_tables(compare(results))[name]
    assert "A: Weights are random." in table.remarks
    assert "busi" in marked_lines(table) and "stu" not in marked_lines(table)
    noted = [(line[1].text, cell.text) for line in table.lines for cell in line if LEAK in cell.notes]
    assert len(noted) == 1  # of A on busi, not of B
    assert LEAK in as_plain(table) and LEAK in as_markdown(table)
    write_csv(table, tmp_path / "table.csv")
    assert LEAK in (tmp_path / "table.csv").read_text(encoding="utf-8")


def test_an_overview_marks_the_method() -> None:
    table = overview_table([made_results(ROWS, "A", notes=NOTES), made_results(ROWS, "B")])
    assert set(marked_lines(table)) == {"A"}
    assert f"busi: {LEAK}" in as_markdown(table)


def test_what_several_methods_share_is_said_once() -> None:
    results = [made_results(ROWS, name, notes=Notes(("Weights are random.", f"{name} alone."))) for name in "AB"]
    assert compare(results).remarks == ("Weights are random.", "A: A alone.", "B: B alone.")
    results.append(made_results(ROWS, "C"))
    assert compare(results).remarks == ("A, B: Weights are random.", "A: A alone.", "B: B alone.")
    assert compare(results[:1]).remarks == ("A: Weights are random.", "A: A alone.")
