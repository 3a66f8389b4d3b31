"""The profile: operators that add up, and a floor that no run is below by far."""

import csv
import json
from pathlib import Path

import pytest
import torch

from benchmarks.command import benchmark_command
from benchmarks.operators import _BytesMoved
from gdinousam.errors import InputError


@pytest.mark.slow
def test_the_small_model_is_profiled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["profile", "--size", "small", "--device", "cpu", "--out", str(tmp_path)]
    assert benchmark_command(arguments) == 0
    shown = capsys.readouterr().out
    assert "aten::addmm" in shown and "measured / floor" in shown
    folder = tmp_path / "profile_small_float32_cpu_1"
    (floor,) = csv.DictReader((folder / "profile_floor.csv").read_text(encoding="utf-8").splitlines())
    assert float(floor["measured s"]) > float(floor["floor s"]) > 0
    record = json.loads((folder / "profile.json").read_text(encoding="utf-8"))
    assert record["command"].startswith("python scripts/benchmark.py profile --size small")
    assert record["seconds"] == float(floor["measured s"]) and "torch" in record["versions"]
    assert "aten::addmm" in [operator["name"] for operator in record["operators"]]
    with pytest.raises(InputError, match="overwrite"):
        benchmark_command(arguments)


def test_no_prompts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--prompts is 0"):
        benchmark_command(["profile", "--prompts", "0", "--out", str(tmp_path)])


def test_bytes_of_other_operators_are_counted() -> None:
    numbers = torch.zeros(10, 10)
    with _BytesMoved() as moved:
        numbers.t()  # a view moves nothing
        numbers @ numbers  # a product is counted by its operations
        assert moved.total == 0
        numbers + numbers
    assert moved.total == 3 * 400
