"""``scripts/benchmark.py`` on the small models: a JSON file per method and the table of all in the folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from method_runs import support_of

from gdinousam.commands.benchmark import benchmark_command
from gdinousam.commands.common import run
from gdinousam.evaluation.reporting.paper_numbers import OURS
from gdinousam.evaluation.timing.measurement import read_measurement


@pytest.fixture
def config(tmp_path: Path, phantom_data: Path, small_detector: Path, small_mask_head: Path) -> Path:
    path = tmp_path / "test.yaml"
    tree = {
        "data": {
            "test_dir": str(phantom_data / "test_image"),
            "test_ann": str(phantom_data / "test.CSV"),
            "test_masks": str(phantom_data / "test_mask"),
        },
        "resize": {"size": 96},
        "model": {"detector": str(small_detector), "mask_head": str(small_mask_head)},
        "evaluation": {"output_dir": str(tmp_path / "unused"), "device": "cpu"},
    }
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path


def benchmark(*arguments: object) -> int:
    return run(benchmark_command, [str(argument) for argument in arguments])


def test_methods_gather_in_one_table(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fast = ["--config", config, "--out", tmp_path / "times", "--images", 3, "--batch-size", 2, "--warm-up", 1]
    assert benchmark(*fast, "--table", 6) == 0
    assert benchmark(*fast, "--set", "evaluation.method=mine") == 0
    printed = capsys.readouterr().out
    assert printed.count("Seconds per image, as table 6 of the paper") == 2
    names = {path.name for path in (tmp_path / "times").iterdir()}
    assert names == {f"{OURS}.json", "mine.json", "table6.md", "table6.tex", "table6_seconds.csv"}
    measurement = read_measurement(tmp_path / "times" / "mine.json")
    assert (measurement.batch_size, measurement.num_images, len(measurement.runs)) == (2, 4, 2)
    assert measurement.device.startswith("CPU") and measurement.precision == "float32"
    assert (measurement.detector_input, measurement.peak_gpu_bytes) == ("96 x 96", None)
    text = (tmp_path / "times" / "table6.md").read_text(encoding="utf-8")
    assert f"{OURS} (small)" in text and "mine (small)" in text
    assert measurement.weights == "small" and "0.33" not in text  # the paper's number of its full-size models
    assert not (tmp_path / "unused").exists()


def test_a_compared_method_has_no_stages_of_ours(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = yaml.safe_load(config.read_text(encoding="utf-8"))
    del tree["model"], tree["resize"]
    tree["evaluation"]["method"] = "BiomedParse"
    fast = ["--config", config, "--out", tmp_path / "times", "--images", 2, "--warm-up", 1]
    config.write_text(yaml.safe_dump(tree | {"baseline": {"name": "biomedparse", "weights": "random-small"}}))
    assert benchmark(*fast) == 0
    measurement = read_measurement(tmp_path / "times" / "BiomedParse.json")
    assert set(measurement.first_call) == {"decode", "method"} and measurement.weights == "random"
    assert measurement.detector_input is measurement.mask_head_side is None
    printed = capsys.readouterr().out
    assert "BiomedParse (random)" in printed and "mask head at" not in printed


@pytest.mark.parametrize(
    ("name", "needs"),
    [
        ("samus", {"prompts": {"source": "truth"}}),
        ("samus", {"prompts": {"source": "detector"}}),
        ("sam_medus", {"prompts": {"source": "detector"}}),
        ("universeg", {"support": {}}),
    ],
)
def test_methods_that_are_shown_more_than_a_phrase_are_timed_too(
    config: Path, tmp_path: Path, phantom_data: Path, name: str, needs: dict[str, dict[str, str]]
) -> None:
    tree = yaml.safe_load(config.read_text(encoding="utf-8"))
    if "support" in needs:
        needs = {"support": support_of(phantom_data)}
    tree["baseline"] = {"name": name, "weights": "random-small", **needs}
    tree["evaluation"]["method"] = name
    del tree["model"]["mask_head"]
    has_detector = needs.get("prompts") == {"source": "detector"}
    if not has_detector:
        del tree["model"], tree["resize"]
    config.write_text(yaml.safe_dump(tree), encoding="utf-8")
    arguments = ["--config", config, "--out", tmp_path / "times", "--images", 2, "--warm-up", 1]
    assert benchmark(*arguments) == 0
    measurement = read_measurement(tmp_path / "times" / f"{name}.json")
    stages = {"detector", "mask head"} if has_detector else set()
    assert set(measurement.first_call) == {"decode", "method"} | stages
    assert all(batch["method"] > 0 for batch in measurement.runs)
    assert measurement.mask_head_side == (192 if name == "sam_medus" else None)


def test_a_measurement_is_not_replaced_unasked(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--config", config, "--out", tmp_path / "times", "--images", 1]
    (tmp_path / "times").mkdir()
    (tmp_path / "times" / f"{OURS}.json").write_text("{}")
    assert benchmark(*arguments) == 2
    assert "add --overwrite" in capsys.readouterr().err
    assert benchmark(*arguments, "--overwrite") == 0


def test_mistakes_are_one_line(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    masks = ["--set", "evaluation.predictions=masks", "--set", "evaluation.method=x"]
    for wrong in (masks, ["--set", "model.detector=nowhere"]):
        assert benchmark("--config", config, "--out", tmp_path / "times", *wrong) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ") and error.count("\n") == 1
    assert not (tmp_path / "times").exists()


def test_what_is_not_installed_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmark("inference", "--size", "small") == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert error.endswith("in a checkout, run python scripts/benchmark.py inference\n")


def test_only_the_named_datasets_are_timed(
    config: Path, tmp_path: Path, phantom_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (phantom_data / "test.CSV").read_text(encoding="utf-8").splitlines()
    renamed = [line.replace(",phantom,", ",other,") if "test_00003.png" in line else line for line in lines]
    (tmp_path / "two.CSV").write_text("\n".join(renamed) + "\n", encoding="utf-8")
    arguments = ["--config", config, "--out", tmp_path / "times", "--images", 3, "--warm-up", 1]
    arguments += ["--set", f"data.test_ann={tmp_path / 'two.CSV'}"]
    assert benchmark(*arguments, "--set", "data.datasets=[other]") == 0
    assert read_measurement(tmp_path / "times" / f"{OURS}.json").num_images == 1
    assert benchmark(*arguments, "--overwrite", "--set", "data.datasets=[mine]") == 2
    assert "no image of dataset 'mine' (data.datasets); it has: phantom, other" in capsys.readouterr().err
