"""One table in four forms: the same numbers, bold where best, footnotes marked and listed, nothing unescaped."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest

from gdinousam.errors import InputError
from gdinousam.evaluation.reporting.latex import as_latex
from gdinousam.evaluation.reporting.table import (
    Cell,
    Column,
    Table,
    count_cell,
    difference_cell,
    interval_cell,
    number_cell,
    probability_cell,
    spread_cell,
    text_cell,
    text_column,
)
from gdinousam.evaluation.reporting.table_files import as_markdown, as_plain, write_csv, write_table_files

NAN = math.nan
NOTE, OTHER_NOTE = "50 % of what_it_was", "second"
COLUMNS = (
    text_column("dataset"),
    Column("n", ("n",)),
    Column("Dice %", ("Dice %", "Dice % std"), "A_1"),
    Column("paper", ("paper",), "A_1"),
    Column("Dice %", ("Dice %", "Dice % std"), "B"),
)
TABLE = Table(
    "A title",
    COLUMNS,
    (
        (
            text_cell("busi|x"),
            count_cell(3, (OTHER_NOTE,)),
            spread_cell(70 / 3, 1.0, best=True),
            number_cell(20.0, notes=(NOTE, OTHER_NOTE)),
            spread_cell(NAN, NAN),
        ),
        (
            text_cell("average"),
            count_cell(3),
            spread_cell(5.0, 1.0),
            number_cell(NAN, notes=(NOTE,)),
            spread_cell(6.0, 2.0, best=True),
        ),
    ),
    ("A remark.",),
    num_summaries=1,
)


def test_plain_text_is_aligned_and_complete() -> None:
    assert as_plain(TABLE) == (
        "A title\n"
        "\n"
        "                            A_1                    B\n"
        "dataset      n         Dice %          paper        Dice %\n"
        "----------------------------------------------------------\n"
        "busi|x   3 [a]  23.33 ± 1.00*  20.00 [b] [a]             -\n"
        "----------------------------------------------------------\n"
        "average      3    5.00 ± 1.00          - [b]  6.00 ± 2.00*\n"
        "\n"
        "* best.\n"
        "A remark.\n"
        "[a] second\n"
        "[b] 50 % of what_it_was\n"
    )


def test_markdown_has_bold_best_and_escaped_bars() -> None:
    assert as_markdown(TABLE) == (
        "### A title\n"
        "\n"
        "| dataset | n | A_1: Dice % | A_1: paper | B: Dice % |\n"
        "| --- | ---: | ---: | ---: | ---: |\n"
        "| busi\\|x | 3 <sup>a</sup> | **23.33 ± 1.00** | 20.00 <sup>b</sup> <sup>a</sup> | - |\n"
        "| average | 3 | 5.00 ± 1.00 | - <sup>b</sup> | **6.00 ± 2.00** |\n"
        "\n"
        "A remark.\n"
        "\n"
        "<sup>a</sup> second\n"
        "\n"
        "<sup>b</sup> 50 % of what_it_was\n"
    )


def test_csv_keeps_every_digit_and_the_footnotes(tmp_path: Path) -> None:
    write_csv(TABLE, tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        header, first, second = csv.reader(file)
    assert header == ["dataset", "n", "A_1 Dice %", "A_1 Dice % std", "A_1 paper", "B Dice %", "B Dice % std", "notes"]
    assert float(first[2]) == 70 / 3
    assert first[4:] == ["20.0", "nan", "nan", f"{OTHER_NOTE} {NOTE}"]
    assert second[-1] == NOTE


def test_csv_without_footnotes_has_no_column_for_them(tmp_path: Path) -> None:
    write_csv(Table("t", (text_column("a"),), ((text_cell("x"),),)), tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text(encoding="utf-8").split() == ["a", "x"]


def test_a_table_without_lines_is_a_header() -> None:
    table = Table("t", (text_column("a"), Column("b", ("b",))), ())
    assert as_plain(table) == "t\n\na  b\n----\n"
    assert as_markdown(table) == "### t\n\n| a | b |\n| --- | ---: |\n"
    assert r"a & b \\" in as_latex(table, "t")


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (difference_cell(1.0), "+1.00"),
        (difference_cell(-1.0), "-1.00"),
        (difference_cell(NAN), "-"),
        (interval_cell(1.0, 2.0), "1.00 to 2.00"),
        (interval_cell(NAN, NAN), "-"),
        (probability_cell(0.0009), "< 0.001"),
        (probability_cell(0.001), "0.001"),
        (probability_cell(1.0), "1.000"),
        (probability_cell(NAN), "-"),
        (number_cell(0.12345, 3), "0.123"),
        (number_cell(NAN), "-"),
    ],
)
def test_numbers_are_printed_as_readers_expect(cell: Cell, text: str) -> None:
    assert cell.text == text


def test_more_footnotes_than_letters_still_differ() -> None:
    lines = tuple((text_cell("x", (f"note {number}",)),) for number in range(30))
    text = as_plain(Table("t", (text_column("a"),), lines))
    assert "[z] note 25" in text and "[aa] note 26" in text and "[ad] note 29" in text


def test_all_files_of_several_tables_are_written(tmp_path: Path) -> None:
    paths = write_table_files({"one": TABLE, "two": TABLE}, tmp_path / "new" / "folder", "table3")
    assert [path.name for path in paths] == ["table3.md", "table3.tex", "table3_one.csv", "table3_two.csv"]
    assert paths[0].read_text(encoding="utf-8").count("### A title") == 2
    assert paths[1].read_text(encoding="utf-8").count(r"\end{table*}") == 2
    (narrow,) = [path for path in write_table_files({"one": TABLE}, tmp_path, "t", "column") if path.suffix == ".tex"]
    assert r"\begin{table}" in narrow.read_text(encoding="utf-8")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="name another folder"):
        write_table_files({"one": TABLE}, tmp_path / "file" / "x", "t")
