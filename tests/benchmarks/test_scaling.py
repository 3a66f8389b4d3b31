"""Evaluation time and memory against the number of images, with numbers small enough for a test."""

from __future__ import annotations

import json
import math
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.record import publish
from benchmarks.scaling import (
    ScaledEvaluation,
    Scaling,
    measure_scaling,
    scaling_command,
    scaling_table,
)
from gdinousam.commands.common import run
from gdinousam.errors import InputError
from gdinousam.evaluation.reporting.table_files import as_plain
from gdinousam.evaluation.scoring.rows import read_rows

MIB = 2**20
on_linux = pytest.mark.skipif(platform.system() != "Linux", reason="other systems do not tell resident memory so")


def evaluation(num_images: int, peak_bytes: int | None) -> ScaledEvaluation:
    return ScaledEvaluation(
        num_images=num_images,
        read_seconds=0.5,
        seconds_per_image=0.25,
        first_tenth_seconds=0.125,
        last_tenth_seconds=0.0625,
        tables_seconds=1.5,
        loaded_bytes=peak_bytes,
        peak_bytes=peak_bytes,
        peak_bytes_with_tables=peak_bytes,
    )


def scaling(*evaluations: ScaledEvaluation) -> Scaling:
    return Scaling("scaling", {"processor": "some"}, {"gdinousam": "1"}, evaluations, 7, 4)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Scaling, Path]:
    """Two and five images, two of them different, and the folder where they were evaluated."""
    folder = tmp_path_factory.mktemp("scaling")
    return measure_scaling(folder, counts=(5, 2, 5), num_distinct=2, batch_size=2, device="cpu"), folder


@pytest.mark.slow
def test_each_number_of_images_is_evaluated_whole(measured: tuple[Scaling, Path]) -> None:
    found, folder = measured
    assert [one.num_images for one in found.evaluations] == [2, 5]
    for one in found.evaluations:
        rows = read_rows(folder / str(one.num_images) / "rows.csv")
        assert len({row.image_name for row in rows}) == one.num_images
        assert (folder / str(one.num_images) / "tables.md").is_file()
        by_image = dict.fromkeys(row.image_name for row in rows)
        first, last = (
            sum(row.seconds for row in rows if row.image_name == name and row.protocol == "strict")
            for name in (next(iter(by_image)), next(reversed(by_image)))
        )
        assert (one.first_tenth_seconds, one.last_tenth_seconds) == pytest.approx((first, last))
        assert one.seconds_per_image > min(first, last) > 0


@pytest.mark.slow
def test_few_images_stand_for_many(measured: tuple[Scaling, Path]) -> None:
    found, folder = measured
    images = list((folder / "images").iterdir())
    assert len(images) == 5
    assert len({image.stat().st_ino for image in images}) == found.num_distinct == 2


@on_linux
@pytest.mark.slow
def test_memory_grows_from_loading_to_the_tables(measured: tuple[Scaling, Path]) -> None:
    for one in measured[0].evaluations:
        assert one.loaded_bytes and one.peak_bytes and one.peak_bytes_with_tables
        assert 100 * MIB < one.loaded_bytes < one.peak_bytes <= one.peak_bytes_with_tables


@pytest.mark.slow
def test_the_command_writes_beside_the_other_benchmarks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--counts", "1", "--out", str(tmp_path), "--device", "cpu"]
    assert run(scaling_command, arguments) == 0
    assert "Evaluation against the number of images" in capsys.readouterr().out
    # JSON files of the folder itself are measurements of the paper's table 6
    assert [path.name for path in tmp_path.iterdir()] == ["scaling"]
    assert run(scaling_command, arguments) == 2
    assert "add --overwrite" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [["--counts", "0", "5"], ["--batch-size", "0"]])
def test_mistakes_are_one_line(wrong: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(scaling_command, [*wrong, "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        measure_scaling(tmp_path, counts=(1,))
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]


def test_the_table_says_what_a_further_image_costs() -> None:
    table = scaling_table(scaling(evaluation(100, 100 * MIB), evaluation(1124, 101 * MIB)))
    first, second = ([value for cell in line for value in cell.values] for line in table.lines)
    assert first[:-1] == [100, 0.25, 0.125, 0.0625, 2, 100, 100] and math.isnan(first[-1])
    assert second == [1124, 0.25, 0.125, 0.0625, 2, 101, 101, 1]


def test_unknown_memory_is_no_number() -> None:
    table = scaling_table(scaling(evaluation(1, None), evaluation(2, None)))
    assert [cell.text for cell in table.lines[1][5:]] == ["-", "-", "-"]
    assert "some" in as_plain(table)


def test_numbers_are_written_as_json_and_tables(tmp_path: Path) -> None:
    found = scaling(evaluation(3, MIB))
    publish(found, {"images": scaling_table(found)}, tmp_path / "new" / "scaling.json")
    names = {path.name for path in (tmp_path / "new").iterdir()}
    assert names == {"scaling.json", "scaling.md", "scaling.tex", "scaling_images.csv"}
    content = json.loads((tmp_path / "new" / "scaling.json").read_text(encoding="utf-8"))
    assert (content["evaluations"][0]["num_images"], content["evaluations"][0]["peak_bytes"]) == (3, MIB)
    assert (content["num_distinct"], content["machine"]) == (7, {"processor": "some"})


PEAK_PROGRAM = """
import numpy as np
from benchmarks.machine import resident_bytes
before = resident_bytes("VmHWM")
block = np.ones(256 * 2**20, dtype=np.uint8)
del block
print(before, resident_bytes("VmHWM"))
"""


@on_linux
def test_the_peak_of_memory_outlasts_what_was_freed() -> None:
    # in a process of its own: this one may hold memory that was freed, and would take the block from there
    done = subprocess.run([sys.executable, "-c", PEAK_PROGRAM], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert after > before + 200 * MIB
