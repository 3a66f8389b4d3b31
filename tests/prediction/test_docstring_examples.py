"""The examples in the docstrings of what users call in Python give what they say."""

import doctest
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from gdinousam.data.sources.phantoms import make_phantom
from gdinousam.drawing import write_picture


@pytest.mark.parametrize(
    "module",
    ["gdinousam", "gdinousam.prediction.segmenter", "gdinousam.prediction.results", "gdinousam.prediction.measuring"],
)
def test_examples_in_docstrings_run_as_shown(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_picture(make_phantom(np.random.default_rng(0), family="thyroid").image, tmp_path / "scan.png")
    results = doctest.testmod(import_module(module))
    assert results.attempted > 2 and results.failed == 0
