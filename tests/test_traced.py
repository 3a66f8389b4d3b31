"""Results name the weights behind them by hash, and are not gone on with once those are others."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors.torch import load_file, save_file

from gdinousam.commands.common import BAD_INPUT, run
from gdinousam.commands.test import evaluate_command
from gdinousam.evaluation.figures.report import write_report
from gdinousam.evaluation.reporting.comparison import compare
from gdinousam.evaluation.reporting.comparison_tables import comparison_tables
from gdinousam.evaluation.scoring.results import read_results
from gdinousam.evaluation.scoring.trace import NO_TRACE, Thresholds, Trace, UsedWeights
from gdinousam.experiments.config import (
    TestConfig as EvaluateConfig,  # pytest would collect a class that is named Test...
)
from gdinousam.models.adapters.base_note import describe_base
from gdinousam.models.adapters.loading import save_adapter
from gdinousam.models.adapters.lora import LoraSettings, add_lora
from gdinousam.models.bundled import SMALL_DETECTOR
from gdinousam.models.loading import load_grounding_dino


def trace(of: EvaluateConfig) -> Trace:
    return of.method.trace(of)


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """An adapter folder on the bundled detector, as train.py leaves it in a run."""
    folder = tmp_path / "run" / "best"
    folder.mkdir(parents=True)
    model, _ = load_grounding_dino("small")
    base = describe_base(model, "small")
    save_adapter(add_lora(model, LoraSettings(rank=2, alpha=2)), base, folder)
    return folder


@pytest.fixture
def config_path(tmp_path: Path, phantom_data: Path, adapter: Path) -> Path:
    tree = {
        "data": {
            "test_dir": str(phantom_data / "test_image"),
            "test_ann": str(phantom_data / "test.CSV"),
            "test_masks": str(phantom_data / "test_mask"),
            "num_workers": 1,
        },
        "resize": {"size": 64},
        "model": {"detector": "small", "adapter": str(adapter), "mask_head": "small"},
        "prediction": {"box_threshold": 0.25, "max_detections": 2},
        "evaluation": {"output_dir": str(tmp_path / "out"), "num_pictures": 0, "device": "cpu"},
    }
    path = tmp_path / "test.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def about(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "method.json").read_text(encoding="utf-8"))
    return content


def leave_unfinished(folder: Path) -> None:
    """What a run that was killed after its first row leaves."""
    lines = (folder / "rows.csv").read_bytes().splitlines(keepends=True)
    (folder / "rows.csv").unlink()
    (folder / "rows.csv.part").write_bytes(b"number," + lines[0])


def double(weights: Path) -> None:
    save_file({name: 2 * tensor for name, tensor in load_file(weights).items()}, weights, {"format": "pt"})


def test_results_name_their_weights_and_thresholds(
    config_path: Path, adapter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(evaluate_command, ["--config", str(config_path)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    noted = about(tmp_path / "out")
    digits = {part: one["sha256"][:8] for part, one in noted["models"].items()}
    assert list(digits) == ["detector", "adapter", "mask head"]
    assert noted["models"]["adapter"]["sha256"] == sha256(adapter / "adapter_model.safetensors")
    line = (
        f"Weights (sha256): detector small ({digits['detector']}), adapter run/best ({digits['adapter']}), "
        f"mask head small ({digits['mask head']}); at most 2 boxes count per phrase, from a score of 0.25, "
        "those after the best from 0.3."
    )
    results = read_results(tmp_path / "out")
    assert results.trace.remarks() == (line,) and results.notes.remarks[-1] == line
    assert printed.count(line) == 2  # below the table of each protocol
    for name in ("tables.md", "table_strict.csv", "strata_strict.csv"):
        assert digits["adapter"] in (tmp_path / "out" / name).read_text(encoding="utf-8")
    for table in comparison_tables(compare([results], "strict")).values():
        assert any(line in remark for remark in table.remarks), table.title
    write_report([results], tmp_path / "report.html", with_gallery=False)
    assert line in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("part", "changed"), [("adapter", "weights"), ("adapter", "settings"), ("mask head", "weights")]
)
def test_other_weights_at_the_same_path_are_not_gone_on_with(
    config_path: Path,
    adapter: Path,
    small_mask_head: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    part: str,
    changed: str,
) -> None:
    head = tmp_path / "head"
    head.mkdir()
    for path in small_mask_head.iterdir():
        (head / path.name).write_bytes(path.read_bytes())
    command = ["--config", str(config_path), "--set", f"model.mask_head={head}"]
    assert run(evaluate_command, command) == 0
    leave_unfinished(tmp_path / "out")
    if changed == "settings":
        path = adapter / "adapter_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"lora_alpha": 4}))
    else:
        double(adapter / "adapter_model.safetensors" if part == "adapter" else head / "model.safetensors")
    capsys.readouterr()
    assert run(evaluate_command, [*command, "--resume"]) == BAD_INPUT
    assert f"begun with something else (weights of the {part} in method.json)" in capsys.readouterr().err
    assert not (tmp_path / "out/rows.csv").exists()


def test_the_same_weights_are_gone_on_with(config_path: Path, adapter: Path, tmp_path: Path) -> None:
    assert run(evaluate_command, ["--config", str(config_path)]) == 0
    leave_unfinished(tmp_path / "out")
    (adapter / "training.json").write_text('{"a note": 1}')
    assert run(evaluate_command, ["--config", str(config_path), "--resume"]) == 0


def test_results_say_what_their_weights_were_trained_on(config_path: Path, adapter: Path, tmp_path: Path) -> None:
    (adapter / "training.json").write_text('{"datasets": ["phantom_muscle", "busi"]}')
    assert run(evaluate_command, ["--config", str(config_path)]) == 0
    of_detector = json.loads((SMALL_DETECTOR / "training.json").read_text(encoding="utf-8"))["datasets"]
    both = sorted({"phantom_muscle", "busi", *of_detector})
    assert "phantom_muscle" not in of_detector and about(tmp_path / "out")["trained_on"] == both
    assert read_results(tmp_path / "out").notes.trained_on == tuple(both)
    tables = (tmp_path / "out/tables.md").read_text(encoding="utf-8")
    said = f"Seen: the datasets that these weights were trained on, by the note beside them ({', '.join(both)})."
    assert said in tables


def test_results_of_an_earlier_version_load_and_name_nothing(config_path: Path, tmp_path: Path) -> None:
    assert run(evaluate_command, ["--config", str(config_path)]) == 0
    path = tmp_path / "out/method.json"
    earlier = {key: value for key, value in about(tmp_path / "out").items() if key not in ("models", "thresholds")}
    path.write_text(json.dumps(earlier))
    results = read_results(tmp_path / "out")
    assert results.trace == NO_TRACE and not any("sha256" in remark for remark in results.notes.remarks)


def config(**parts: Any) -> EvaluateConfig:
    tree = {
        "data": {"test_dir": "images", "test_ann": "test.CSV", "test_masks": "masks"},
        "evaluation": {"output_dir": "out", "method": "A"},
    }
    return EvaluateConfig.model_validate(tree | parts)


def test_an_adapter_as_detector_is_traced_with_its_base(adapter: Path) -> None:
    model = {"detector": str(adapter), "mask_head": "random-small"}
    beside = {"detector": "small", "adapter": str(adapter), "mask_head": "random-small"}
    found = trace(config(model=model))
    assert found == trace(config(model=beside))
    assert list(found.models) == ["detector", "adapter", "mask head"]
    assert found.models["mask head"] == UsedWeights("random-small", None, None)


def test_thresholds_of_an_earlier_version_load_and_say_less() -> None:
    earlier = Trace.from_json({"thresholds": {"box_threshold": 0.1, "max_detections": 2}})
    assert earlier.remarks() == ("At most 2 boxes count per phrase, from a score of 0.1.",)
    now = Trace({}, Thresholds(0.1, 2, 0.3))
    assert Trace.from_json(now.to_json()) == now
    assert now.remarks() == ("At most 2 boxes count per phrase, from a score of 0.1, those after the best from 0.3.",)
    assert Trace({}, Thresholds(0.1, 1, 0.3)).remarks() == ("At most one box counts per phrase, from a score of 0.1.",)


def test_a_reference_has_no_detector_and_no_thresholds() -> None:
    found = trace(config(model={"detector": "true-box", "mask_head": "small"}))
    assert list(found.models) == ["mask head"] and found.thresholds is None


def test_compared_methods_are_traced_to_their_weights(tmp_path: Path) -> None:
    weights = tmp_path / "samus.pth"
    weights.write_bytes(b"weights")
    found = trace(config(baseline={"name": "samus", "weights": str(weights), "prompts": {"source": "truth"}}))
    assert found == Trace({"samus": UsedWeights("samus.pth", hashlib.sha256(b"weights").hexdigest(), None)})
    with_detector = trace(config(baseline={"name": "samus", "weights": str(weights)}, model={"detector": "small"}))
    assert list(with_detector.models) == ["detector", "samus"] and with_detector.thresholds == Thresholds(0.1, 5, 0.3)


def test_unets_of_several_datasets_are_each_traced(tmp_path: Path) -> None:
    for dataset in ("busi", "hc18"):
        folder = tmp_path / dataset / "best"
        folder.mkdir(parents=True)
        (folder / "unet.json").write_text("{}")
        (folder / "unet.safetensors").write_bytes(dataset.encode())
    found = trace(config(baseline={"name": "unet", "weights": str(tmp_path)})).models
    assert {part: one.sha256 for part, one in found.items()} == {
        f"unet of {dataset}": hashlib.sha256(dataset.encode()).hexdigest() for dataset in ("busi", "hc18")
    }


def test_kept_masks_are_traced_as_their_evaluation_was(config_path: Path, tmp_path: Path) -> None:
    assert run(evaluate_command, ["--config", str(config_path), "--set", "evaluation.save_masks=true"]) == 0
    scored = config(evaluation={"output_dir": "out", "method": "A", "predictions": str(tmp_path / "out/masks")})
    assert trace(scored) == read_results(tmp_path / "out").trace != NO_TRACE
    other = config(evaluation={"output_dir": "out", "method": "A", "predictions": str(tmp_path / "masks")})
    assert trace(other) == NO_TRACE
