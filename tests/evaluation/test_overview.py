"""The overview of evaluations: a line per mean, numbers of the rows, origin below."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from made_results import made_results, made_row, write_results

from gdinousam.commands.common import run
from gdinousam.commands.overview import overview_command
from gdinousam.evaluation.reporting.overview import overview_table


def texts(table) -> list[list[str]]:
    return [[cell.text for cell in line] for line in table.lines]


def test_one_dataset_gives_one_line_and_several_give_their_average_first() -> None:
    one = made_results([made_row(image=at, dice=dice) for at, dice in enumerate((0.5, 0.7))], "one")
    rows = [made_row("busi", 0, 0.2), made_row("hc18", 1, 0.8), made_row("hc18", 2, 1.0)]
    two = made_results(rows, "two", seconds_total=1.5)
    lines = texts(overview_table([one, two]))
    assert [line[:4] for line in lines] == [
        ["one", "queries", "2", "60.00 ± 10.00"],
        ["two", "2 datasets", "3", "55.00 ± 5.00"],
        ["two", "queries", "3", "66.67 ± 33.99"],
    ]
    assert [line[-1] for line in lines] == ["-", "0.500", "0.500"]


def test_origins_stand_below_once_each() -> None:
    first = made_results([made_row()], "first", libraries={"torch": "2.14.1"})
    table = overview_table([first, made_results([made_row()], "second", libraries={"torch": "2.14.1"})])
    assert table.remarks[1:] == ("gdinousam 0.1.0, torch 2.14.1, on cpu.",)


def test_equal_names_are_told_apart_by_the_end_of_their_folders() -> None:
    folders = ("a/run/test", "b/run/test", "a/run/other", "c")
    methods = ("ours", "ours", "ours", "SAMUS")
    results = [
        made_results([made_row()], name, folder=Path(folder)) for name, folder in zip(methods, folders, strict=True)
    ]
    names = [line[0] for line in texts(overview_table(results))]
    assert names == ["ours (a/run/test)", "ours (b/run/test)", "ours (other)", "SAMUS"]


def test_the_command_prints_and_writes_what_it_is_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_results(made_results([made_row(dice=0.25)], "ours"), tmp_path / "results")
    arguments = [str(folder), "--names", "phantoms, held out", "--out", str(tmp_path / "out")]
    assert run(overview_command, arguments) == 0
    assert "phantoms, held out" in capsys.readouterr().out
    with (tmp_path / "out" / "overview_strict_overview.csv").open(newline="", encoding="utf-8") as file:
        (line,) = csv.DictReader(file)
    assert float(line["dice_percent"]) == 25.0 and int(line["n"]) == 1


def test_a_folder_without_results_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(overview_command, [str(tmp_path / "nothing")]) == 2
    assert "no such folder" in capsys.readouterr().err
