"""The page on adding a method: its code is a whole method that is scored like every other."""

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import pytest
import yaml
from pydantic import Field

from gdinousam.evaluation.scoring.results import read_results
from gdinousam.experiments.config import TestConfig as EvaluateConfig  # pytest would collect a class named Test...
from gdinousam.experiments.config import load_config
from gdinousam.experiments.evaluate import evaluate_config
from gdinousam.methods.registry import AnyMethod

PAGE = Path(__file__).parents[2] / "docs" / "methods" / "adding.md"


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def page_config(monkeypatch: pytest.MonkeyPatch) -> type[EvaluateConfig]:
    """The config of test.py after the one line in the registry."""
    module = ModuleType("middle_of_the_page")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(block("python"), str(PAGE), "exec"), module.__dict__)
    settings: Any = module.__dict__["MiddleSettings"]

    class PageConfig(EvaluateConfig):
        baseline: Annotated[AnyMethod | settings, Field(discriminator="name")] | None = None

    return PageConfig


def test_the_method_of_the_page_is_scored(
    page_config: type[EvaluateConfig], phantom_data: Path, tmp_path: Path
) -> None:
    tree = yaml.safe_load(block("yaml"))
    tree["data"] = {
        "test_dir": str(phantom_data / "test_image"),
        "test_ann": str(phantom_data / "test.CSV"),
        "test_masks": str(phantom_data / "test_mask"),
    }
    tree["evaluation"] |= {"output_dir": "out", "device": "cpu", "num_pictures": 0}
    path = tmp_path / "test.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    tables = evaluate_config(load_config(page_config, path, ["baseline.share=0.4"]))
    results = read_results(tmp_path / "out")
    assert results.method == "middle of the image" and "Dice" in tables
    strict = [row for row in results.rows if row.protocol == "strict"]
    assert strict and all(row.num_detections == 1 for row in strict)
    # an ellipse of 0.4 of each side covers 0.4 * 0.4 * pi / 4 of the image
    for row in strict:
        assert row.predicted_pixels == pytest.approx(0.1257 * row.image_width * row.image_height, rel=0.03)
