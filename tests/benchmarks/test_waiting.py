"""The measurement of waiting threads, with one image and no other program, and its table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.record import publish
from benchmarks.waiting import (
    SLEEPING,
    SPINNING,
    BesideOthers,
    Waiting,
    measure_waiting,
    waiting_command,
    waiting_table,
)
from gdinousam.commands.common import BAD_INPUT, run
from gdinousam.errors import InputError
from gdinousam.evaluation.reporting.table_files import as_plain


def beside(num_others: int, way: str, *seconds: float) -> BesideOthers:
    return BesideOthers("float32", None, tuple({"evaluation": one} for one in seconds), num_others, way)


MADE = Waiting(
    command="waiting",
    machine={"processor": "some"},
    versions={"gdinousam": "1"},
    timed=(
        beside(0, SPINNING, 10.0, 12.0, 11.0),
        beside(0, SLEEPING, 11.0, 11.0, 10.0),
        beside(3, SPINNING, 60.0, 80.0, 66.0),
        beside(3, SLEEPING, 22.0, 20.0, 24.0),
    ),
    num_images=64,
    num_threads=2,
)


def test_the_table_compares_medians_beside_as_many_programs() -> None:
    lines = [[cell.text for cell in line] for line in waiting_table(MADE).lines]
    assert lines == [
        ["0", "spinning", "3", "11.0", "10.0 to 12.0", "1.00"],
        ["0", "sleeping", "3", "11.0", "10.0 to 11.0", "1.00"],
        ["3", "spinning", "3", "66.0", "60.0 to 80.0", "1.00"],
        ["3", "sleeping", "3", "22.0", "20.0 to 24.0", "3.00"],
    ]
    assert "64 generated images" in as_plain(waiting_table(MADE)) and "processor some" in as_plain(waiting_table(MADE))


def test_numbers_and_table_are_written(tmp_path: Path) -> None:
    publish(MADE, {"waiting": waiting_table(MADE)}, tmp_path / "waiting.json")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"waiting.json", "waiting.md", "waiting.tex", "waiting_waiting.csv"}
    runs = json.loads((tmp_path / "waiting.json").read_text())["timed"][3]["runs"]
    assert [run["evaluation"] for run in runs] == [22.0, 20.0, 24.0]


@pytest.mark.slow
def test_both_ways_are_timed_in_processes_of_their_own(tmp_path: Path) -> None:
    waiting = measure_waiting(tmp_path, others=[0], num_images=1, repeats=1)
    assert [(one.num_others, one.way, len(one.runs)) for one in waiting.timed] == [
        (0, SPINNING, 1),
        (0, SLEEPING, 1),
    ]
    assert all(1 < seconds < 600 for one in waiting.timed for seconds in one.totals)
    with pytest.raises(InputError, match="not empty"):
        measure_waiting(tmp_path, others=[0])


@pytest.mark.parametrize("arguments", [["--others", "-1"], ["--images", "0"], ["--repeats", "0"]])
def test_numbers_that_are_too_low_are_one_line(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(waiting_command, [*arguments, "--out", str(tmp_path)]) == BAD_INPUT
    assert "of 1 or more" in capsys.readouterr().err


def test_an_earlier_measurement_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publish(MADE, {"waiting": waiting_table(MADE)}, tmp_path / "waiting" / "waiting.json")
    capsys.readouterr()
    assert run(waiting_command, ["--out", str(tmp_path)]) == BAD_INPUT
    assert "--overwrite" in capsys.readouterr().err
