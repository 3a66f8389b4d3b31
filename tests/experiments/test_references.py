"""The references that a config names in the place of a detector."""

from pathlib import Path

import pytest
import yaml

from gdinousam.errors import InputError
from gdinousam.experiments.config import TestConfig, load_config
from gdinousam.experiments.evaluate import build_method
from gdinousam.methods.ours.references import WholeImageSegmenter
from gdinousam.methods.true_hints import TrueHints


@pytest.fixture
def config(study_data, small_mask_head: Path, tmp_path: Path) -> Path:
    tree = {
        "data": study_data,
        "model": {"detector": "true-box", "mask_head": str(small_mask_head)},
        "evaluation": {"output_dir": "output", "method": "true box"},
    }
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    return tmp_path / "test.yaml"


@pytest.mark.parametrize(("name", "kind"), [("true-box", TrueHints), ("whole-image", WholeImageSegmenter)])
def test_a_reference_is_built_without_a_detector(config: Path, name: str, kind: type) -> None:
    method = build_method(load_config(TestConfig, config, [f"model.detector={name}"]), [])
    assert isinstance(method, kind)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("model.adapter=lora", "true-box is not a detector that an adapter fits on"),
        ("evaluation={output_dir: output}", "true-box is a reference, not our method; name it in evaluation.method"),
    ],
)
def test_a_reference_is_not_taken_for_our_method(config: Path, setting: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_config(TestConfig, config, [setting])
