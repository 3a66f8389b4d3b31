"""Scores quoted from other papers: lines of their own that nothing is computed with."""

from __future__ import annotations

import math

import pytest
from made_results import made_results, made_row

from gdinousam.evaluation.reporting.comparison import compare
from gdinousam.evaluation.reporting.comparison_tables import comparison_tables
from gdinousam.evaluation.reporting.quoted import quoted_beside
from gdinousam.evaluation.reporting.table import Table
from gdinousam.evaluation.reporting.table_files import as_plain

STAND_IN = "SAM-MedUS (approximation)"


def tables_of(*methods: str, datasets: tuple[str, ...] = ("busi",)) -> dict[str, Table]:
    rows = [made_row(dataset, image, 0.1 + image / 100) for dataset in datasets for image in range(8)]
    return comparison_tables(compare([made_results(rows, method) for method in methods]))


def quoted_lines(table: Table) -> list[dict[str, object]]:
    titles = [column.title for column in table.columns]
    return [dict(zip(titles, line, strict=True)) for line in table.lines if "(quoted)" in line[1].text]


def test_what_the_paper_of_sam_medus_prints_stands_below_its_stand_in() -> None:
    table = tables_of("SAMUS", STAND_IN)["numbers"]
    found = [(line["dataset"].text, line["Dice %"].text, line["IoU %"].text) for line in quoted_lines(table)]
    assert found == [
        ("its paper's 8 anatomies", "88.0", "78.9"),
        ("its paper's kidney", "93.6", "-"),
        ("its paper's fetal head", "96.0", "-"),
        ("its paper's infant vein", "78.9", "-"),
    ]
    assert [line[1].text for line in table.lines[-4:]] == ["SAM-MedUS (quoted)"] * 4  # set off below all the others
    assert table.num_summaries == 4
    printed = as_plain(table)
    assert "not measured here: the authors' model on their own test images" in printed and "10.1117/1.JMI" in printed


def test_averages_and_quoted_lines_are_both_set_off() -> None:
    table = tables_of("SAMUS", STAND_IN, datasets=("busi", "stu"))["numbers"]
    assert table.num_summaries == 2 + 4
    assert [line[0].text for line in table.lines[-6:-4]] == ["average", "average"]


def test_they_have_means_alone_and_no_mark() -> None:
    for line in quoted_lines(tables_of("SAMUS", STAND_IN)["numbers"]):
        for title, cell in line.items():
            assert not cell.best
            if title not in ("dataset", "method", "Dice %", "IoU %"):
                assert cell.text == "-" and all(math.isnan(value) for value in cell.values)


def test_they_are_in_no_other_table_and_change_no_number() -> None:
    with_it, without = tables_of("SAMUS", STAND_IN), tables_of("SAMUS", "another")
    assert not any("quoted" in as_plain(with_it[name]) for name in ("methods", "tests"))
    for name in ("methods", "tests"):
        values = [
            [[cell.values for cell in line if not isinstance(cell.values[0], str)] for line in tables[name].lines]
            for tables in (with_it, without)
        ]
        assert str(values[0]) == str(values[1])  # nan is not equal to itself


@pytest.mark.parametrize("name", ["SAM-MedUS", "SAM-MedUS (approximation, small)", "sam medus (random)"])
def test_a_stand_in_is_known_under_any_brackets(name: str) -> None:
    assert len(quoted_beside(["U-Net", name])) == 4


@pytest.mark.parametrize("name", ["SAMUS", "MedSAM", "SAM-MedUS v2", "our SAM-MedUS"])
def test_other_methods_have_none(name: str) -> None:
    assert quoted_beside([name]) == ()
