"""``scripts/compare.py``: tables and files, or one line with exit code 2; never a silently smaller table."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from made_results import made_results, made_row, write_results

from gdinousam.commands.common import run
from gdinousam.commands.compare import compare_command
from gdinousam.evaluation.reporting.paper_numbers import OURS

DICE = {OURS: [0.7, 0.8, 0.9] * 2, "SAMUS": [0.6, 0.7, 0.7] * 2}


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    return [
        write_results(
            made_results([made_row(image=at, dice=one) for at, one in enumerate(dice)], name), tmp_path / name
        )
        for name, dice in DICE.items()
    ]


def compare(*arguments: object) -> int:
    return run(compare_command, [str(argument) for argument in arguments])


def test_the_printed_and_the_written_table_hold_the_numbers_of_the_rows(
    folders: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(*folders, "--table", 3, "--out", tmp_path / "out") == 0
    printed = capsys.readouterr().out
    assert "80.00 ± 8.16*" in printed and "77.79" in printed and "+2.21" in printed
    names = {path.name for path in (tmp_path / "out").iterdir()}
    parts = ("methods", "numbers", "tests")
    assert names == {"table3_strict.md", "table3_strict.tex", *(f"table3_strict_{part}.csv" for part in parts)}
    with (tmp_path / "out" / "table3_strict_numbers.csv").open(newline="", encoding="utf-8") as file:
        samus, ours = list(csv.DictReader(file))  # in the paper's order
    assert float(ours["Dice %"]) == pytest.approx(100 * np.mean(DICE[OURS]), abs=1e-12)
    assert (samus["method"], ours["method"], ours["Dice % paper"]) == ("SAMUS", OURS, "77.79")


def test_without_a_table_all_datasets_are_shown(folders: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(folders[0], "--names", "mine") == 0
    printed = capsys.readouterr().out
    assert printed.startswith("All datasets, protocol strict") and "mine" in printed


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[: len(text) // 2], "cut off"),
        (lambda text: "\n".join(text.splitlines()[:-1]) + "\n", "rows"),
        (lambda text: text.replace("surface_dice", "other_dice", 1), "surface_dice"),
    ],
    ids=["in the middle of a line", "a line is missing", "a column of another version"],
)
def test_a_damaged_file_of_rows_is_refused(
    folders: list[Path], capsys: pytest.CaptureFixture[str], damage, message: str
) -> None:
    path = folders[1] / "rows.csv"
    path.write_bytes(damage(path.read_bytes().decode()).encode())
    assert compare(*folders) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    assert str(path) in captured.err and message in captured.err


def test_other_mistakes_are_one_line(folders: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([*folders, "--table", 4], [folders[0], folders[0]], [*folders, "--names", "x"], ["nowhere"]):
        assert compare(*arguments) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ") and error.count("\n") == 1


def test_methods_of_the_paper_stand_in_its_order_and_others_where_they_are_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [
        OURS,
        "U-Net",
        "MedCLIP-SAMv2",
        "SAMUS (random)",
        "SAM-MedUS (approximation)",
        "MedCLIP-SAM (colour maps)",
        "BiomedParse",
        "UniverSeg",
    ]
    wanted = [
        "UniverSeg",
        "U-Net",
        "BiomedParse",
        "SAMUS (random)",
        "SAM-MedUS (approximation)",
        "MedCLIP-SAM (colour maps)",
        "MedCLIP-SAMv2",
        OURS,
    ]
    folders = [
        write_results(made_results([made_row("busi"), made_row("tnscui")], name), tmp_path / str(at))
        for at, name in enumerate(given)
    ]
    for table in (3, 4):
        assert compare(*folders, "--table", table, "--out", tmp_path / "out") == 0
        with (tmp_path / "out" / f"table{table}_strict_numbers.csv").open(newline="", encoding="utf-8") as file:
            methods = [row["method"] for row in csv.DictReader(file) if "(quoted)" not in row["method"]]
        assert methods == wanted
        assert capsys.readouterr().out.count("SAM-MedUS (quoted)") == 4
