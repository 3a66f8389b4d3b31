"""Ratios, agreements, the JSON record and the tables of a comparison."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.record import publish, record_path
from benchmarks.speed.comparison import OFFICIAL, Comparison, ProgramTiming, agreement_of
from benchmarks.speed.tables import comparison_tables
from gdinousam.errors import InputError
from gdinousam.evaluation.reporting.table_files import as_plain


def timing(program: str, seconds: list[float], work: str = "4 prompts", first: float | None = None) -> ProgramTiming:
    """Runs of two stages, a quarter and three quarters of the seconds."""
    return ProgramTiming(
        program=program,
        work=work,
        num_images=2,
        precision="float32",
        weights_bytes=3 * 2**20,
        peak_bytes=5 * 2**20,
        first_call=None if first is None else {"decode": first},
        runs=tuple({"decode": total / 4, "backbone": 3 * total / 4} for total in seconds),
        waits=tuple(0.01 * total for total in seconds),
    )


@pytest.fixture
def comparison() -> Comparison:
    return Comparison(
        title="Seconds of something",
        command="python scripts/benchmark.py inference",
        machine={"processor": "a fast one"},
        versions={"torch": "9.9"},
        timings=(
            timing(OFFICIAL, [8.0, 10.0, 30.0], first=50.0),
            timing("ours", [2.0, 5.0, 5.0, 5.0], first=7.0),
            timing("ours", [1.0], work="20 prompts"),
        ),
        agreements=(
            agreement_of("ours", "token logits", "the same proposals", "difference", [1e-5, 3e-5]),
            agreement_of("ours", "Dice of the masks", "the same box", "agreement", [1.0, 0.5]),
        ),
        remarks=("Weights are random.",),
    )


def test_a_ratio_is_of_pairs_with_the_same_inputs(comparison: Comparison) -> None:
    (ratio,) = comparison.ratios  # 20 prompts have no official timing
    assert (ratio.program, ratio.work, ratio.num_pairs) == ("ours", "4 prompts", 3)
    assert (ratio.median, ratio.lowest, ratio.highest) == (4.0, 2.0, 6.0)


def test_a_ratio_without_pairs_is_nothing() -> None:
    empty = Comparison("", {}, {}, "", (timing(OFFICIAL, []), timing("ours", [1.0])))
    (ratio,) = empty.ratios
    assert ratio.num_pairs == 0 and math.isnan(ratio.median)


def test_percentiles_are_of_the_whole_run_or_of_a_stage() -> None:
    ours = timing("ours", [1.0, 2.0, 3.0, 4.0, 5.0])
    assert ours.stages == ("decode", "backbone")
    assert ours.percentile(50) == 3.0 and ours.percentile(90) == pytest.approx(4.6)
    assert ours.percentile(50, "decode") == 0.75
    assert ours.images_per_second == pytest.approx(2 / 3)
    assert math.isnan(timing("ours", []).percentile(50))


def test_the_worst_is_the_largest_difference_and_the_least_agreement(comparison: Comparison) -> None:
    logits, masks = comparison.agreements
    assert (logits.worst, logits.mean, logits.num_compared) == (3e-5, 2e-5, 2)
    assert (masks.worst, masks.mean) == (0.5, 0.75)


def test_the_record_holds_everything_and_is_not_replaced_unasked(comparison: Comparison, tmp_path: Path) -> None:
    path = record_path(tmp_path / "new", "comparison", overwrite=False)
    assert path == tmp_path / "new" / "comparison.json"
    publish(comparison, comparison_tables(comparison), path)
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["machine"] == {"processor": "a fast one"} and content["versions"] == {"torch": "9.9"}
    assert content["timings"][0]["runs"][1] == {"decode": 2.5, "backbone": 7.5}
    assert content["ratios"][0]["median"] == 4.0
    assert content["agreements"][0]["worst"] == 3e-5
    with pytest.raises(InputError, match="add --overwrite"):
        record_path(tmp_path / "new", "comparison", overwrite=False)
    assert record_path(tmp_path / "new", "comparison", overwrite=True) == path


def test_a_folder_that_cannot_be_written_is_an_error_and_the_numbers_are_shown(
    comparison: Comparison, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        publish(comparison, comparison_tables(comparison), tmp_path / "file" / "comparison.json")
    assert "4.00 (2.00 to 6.00, n = 3)" in capsys.readouterr().out


def test_the_tables_say_what_was_measured(
    comparison: Comparison, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = comparison_tables(comparison)
    assert list(tables) == ["seconds", "stages", "agreement"]
    publish(comparison, tables, tmp_path / "comparison.json")
    printed = capsys.readouterr().out
    assert all(as_plain(table) in printed for table in tables.values())
    names = {f"comparison{end}" for end in (".json", ".md", ".tex", *(f"_{name}.csv" for name in tables))}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert all(name in printed.splitlines()[-1] for name in names)
    text = (tmp_path / "comparison.md").read_text(encoding="utf-8")
    ours = next(line for line in text.splitlines() if line.startswith("| 4 prompts | ours"))
    for part in ("| 4 |", "5.000", "0.400", "7.000", "4.00 (2.00 to 6.00, n = 3)"):
        assert part in ours
    for sentence in ("Weights are random.", "a fast one", "torch 9.9", "python scripts/benchmark.py inference"):
        assert sentence in text
    assert "3e-05" in text and "0.75" in text
    with (tmp_path / "comparison_seconds.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["ratio median"] for row in rows] == ["nan", "4.0", "nan"]
    assert float(rows[1]["median s"]) == 5.0


def test_times_that_others_disturbed_are_not_to_be_trusted(comparison: Comparison) -> None:
    def warnings(timings: tuple[ProgramTiming, ...]) -> list[str]:
        remarks = comparison_tables(replace(comparison, timings=timings))["seconds"].remarks
        return [remark for remark in remarks if "NOT TO BE TRUSTED" in remark]

    official, ours, _ = comparison.timings
    assert warnings((official, ours)) == []
    disturbed = replace(official, waits=(0.0, 5.0, 0.0))  # half of the second run
    assert disturbed.waiting_share == 0.5
    (warning,) = warnings((disturbed, ours))
    assert "official at 4 prompts 50%" in warning and "ours" not in warning


def test_nothing_compared_gives_no_table_of_it(comparison: Comparison) -> None:
    alone = Comparison("", {}, {}, "", comparison.timings[1:])
    assert list(comparison_tables(alone)) == ["seconds", "stages"]
    assert not any("Ratio" in remark for remark in comparison_tables(alone)["seconds"].remarks)
