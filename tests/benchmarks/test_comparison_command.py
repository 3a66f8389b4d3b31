"""``scripts/benchmark.py inference`` and ``training`` on the bundled small model, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.command import benchmark_command
from benchmarks.speed.learners import TRAINING_STAGES
from benchmarks.speed.programs import STAGES, TEXT
from gdinousam.commands.common import run

SMALL = ("--size", "small", "--device", "cpu")


def benchmark(*arguments: object) -> int:
    return run(benchmark_command, [str(argument) for argument in arguments])


def test_inference_times_every_number_of_prompts_in_every_precision(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert benchmark("inference", *SMALL, "--prompts", 1, 3, "--images", 2, "--out", tmp_path) == 0
    folder = tmp_path / "inference_small_cpu"
    content = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    timed = [(one["program"], one["work"]) for one in content["timings"]]
    programs = ("ours, float32", "ours, bfloat16")
    assert timed == [(program, work) for work in ("1 prompt", "3 prompts") for program in programs]
    for timing in content["timings"]:
        assert len(timing["runs"]) == 2
        for seconds in timing["runs"]:
            assert list(seconds) == list(STAGES)
            # the text encoder answers from memory by now
            assert all(seconds[stage] > 0 for stage in STAGES if stage != TEXT)
    assert content["timings"][0]["first_call"][TEXT] > 0
    assert content["timings"][2]["first_call"] is None
    assert content["ratios"] == content["agreements"] == []
    assert "--prompts 1 3" in content["command"]
    assert not any("found no box" in remark for remark in content["remarks"])
    printed = capsys.readouterr().out
    assert "Seconds of inference, small size, on CPU" in printed and "Where the seconds go" in printed


def test_training_times_the_parts_of_a_step(tmp_path: Path) -> None:
    arguments = ["--batch-size", 2, "--steps", 2, "--side", 96, "--precision", "float32", "--out", tmp_path]
    assert benchmark("training", *SMALL, *arguments) == 0
    content = json.loads((tmp_path / "training_small_cpu" / "comparison.json").read_text(encoding="utf-8"))
    (timing,) = content["timings"]
    assert (timing["work"], timing["num_images"], len(timing["runs"])) == ("a step of 2", 2, 2)
    for seconds in (timing["first_call"], *timing["runs"]):
        assert list(seconds) == list(TRAINING_STAGES)
        assert all(value > 0 for value in seconds.values())


def test_a_comparison_is_not_replaced_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "training_small_cpu"
    folder.mkdir()
    (folder / "comparison.json").write_text("{}")
    assert benchmark("training", *SMALL, "--out", tmp_path) == 2
    assert "add --overwrite" in capsys.readouterr().err
    assert (folder / "comparison.json").read_text() == "{}"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("inference", "--against", "official", *SMALL), "no small size"),
        (("training", "--against", "official", *SMALL), "no small size"),
        (("inference", *SMALL, "--mask-head", "large"), "--against official"),
        (("inference", *SMALL, "--images", 1, "--official-images", 2), "more than --images"),
        (("inferences", *SMALL), "'inferences' is not a benchmark; give inference, training"),
    ],
)
def test_mistakes_are_one_line(
    arguments: tuple[object, ...], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert benchmark(*arguments, "--out", tmp_path / "new") == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and reason in error
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("wrong", [("--prompts", "0"), ("--side", "10"), ("--size", "huge"), ("--against", "nobody")])
def test_impossible_values_are_usage_errors(wrong: tuple[str, str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        benchmark("inference", *wrong)
