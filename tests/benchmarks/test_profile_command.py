"""The profile: operators that add up, and a floor that no run is below by far."""

from pathlib import Path

import pytest
import torch

from benchmarks.operators import _BytesMoved
from gdinousam.commands.benchmark import benchmark_command
from gdinousam.errors import InputError


def test_the_small_model_is_profiled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["profile", "--size", "small", "--device", "cpu", "--out", str(tmp_path)]
    assert benchmark_command(arguments) == 0
    shown = capsys.readouterr().out
    assert "aten::addmm" in shown and "measured / floor" in shown
    folder = tmp_path / "profile_small_float32_cpu_1"
    headings, line = (folder / "profile_floor.csv").read_text(encoding="utf-8").splitlines()[:2]
    floor = dict(zip(headings.split(","), line.rsplit(",", 7), strict=True)) if '"' not in line else {}
    if floor:
        assert float(floor["measured s"]) > float(floor["floor s"]) > 0
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
