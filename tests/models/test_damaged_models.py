"""Model and adapter folders with a value of their JSON files changed: answered with or refused in one line, in time."""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from damage import FEW_OR_MANY, changed_json, num_refused, refusal

from gdinousam.assets import ASSETS
from gdinousam.errors import InputError
from gdinousam.models.adapters.base_note import BASE_NOTE, describe_base
from gdinousam.models.adapters.loading import save_adapter
from gdinousam.models.adapters.lora import LoraSettings, add_lora
from gdinousam.models.checkpoints.files import read_tensors
from gdinousam.models.config_values import require_possible
from gdinousam.models.detector.box_finder import BoxFinder
from gdinousam.models.detector.operating_point import PredictionSettings, resolve_prediction
from gdinousam.models.loading import load_detector, load_grounding_dino, load_mask_head, trained_resize
from gdinousam.runtime import torch_seed

DETECTOR, MASK_HEAD = ASSETS / "small" / "detector", ASSETS / "small" / "mask_head"
IMAGE = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
SOME_OR_MORE = (6, pytest.param(100, marks=[pytest.mark.slow, pytest.mark.exhaustive]))  # of the changes to each file


def linked(folder: Path, to: Path, but: str) -> Path:
    """A folder with the files of another, of which one is a copy that can be changed."""
    to.mkdir()
    for path in folder.iterdir():
        (os.symlink if path.name != but else _copy)(path, to / path.name)
    return to


def _copy(source: Path, path: Path) -> None:
    path.write_bytes(source.read_bytes())


def changes(path: Path, count: int, parts: Sequence[str] = ()) -> Iterator[str]:
    """Put one change after the other into a JSON file; yields what it is.

    count: at most so many, by chance. parts: change these entries only; none: anything.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    everything: list[tuple[str, Any]] = list(changed_json({key: content[key] for key in parts} if parts else content))
    for what, changed in random.Random(1).sample(everything, min(count, len(everything))):
        path.write_text(json.dumps(content | changed if parts else changed), encoding="utf-8")
        yield what


def find(detector: str, adapter: Path | None = None) -> None:
    prediction = resolve_prediction(PredictionSettings(), adapter or detector)
    resize = trained_resize(adapter, detector)
    BoxFinder(load_detector(detector, adapter), resize, prediction).find([IMAGE], [["benign lesion"]])


def segment(mask_head: str) -> None:
    load_mask_head(mask_head).masks_in_boxes([IMAGE], [[(5.0, 5.0, 40.0, 30.0)]])


@pytest.mark.parametrize("count", SOME_OR_MORE)
@pytest.mark.parametrize(
    "name",
    ["config.json", "tokenizer_config.json", "gdinousam_operating_point.json", "gdinousam_preprocessing.json"],
)
def test_a_changed_detector_folder_answers_or_is_refused(tmp_path: Path, name: str, count: int) -> None:
    folder = linked(DETECTOR, tmp_path / "detector", but=name)
    parts = ("overall", "phrases") if "operating_point" in name else ()  # the rest is long and not read
    for what in changes(folder / name, count, parts):
        said = refusal(lambda: find(str(folder)))
        assert said is None or "detector" in said, what


@pytest.mark.parametrize("count", SOME_OR_MORE)
def test_a_changed_mask_head_folder_answers_or_is_refused(tmp_path: Path, count: int) -> None:
    folder = linked(MASK_HEAD, tmp_path / "mask_head", but="config.json")
    for what in changes(folder / "config.json", count):
        said = refusal(lambda: segment(str(folder)))
        assert said is None or "mask_head" in said, what


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """Folder of an adapter on the bundled detector, as training saves it."""
    model, _ = load_grounding_dino("small")
    folder = tmp_path / "adapter"
    folder.mkdir()
    with torch_seed(3), torch.no_grad():
        save_adapter(add_lora(model, LoraSettings(rank=2)), describe_base(model, "small"), folder)
    return folder


@pytest.mark.parametrize("count", SOME_OR_MORE)
@pytest.mark.parametrize("name", ["adapter_config.json", BASE_NOTE])
def test_a_changed_adapter_folder_answers_or_is_refused(adapter: Path, name: str, count: int) -> None:
    for what in changes(adapter / name, count):
        said = refusal(lambda: find("small", adapter))
        assert said is None or "adapter" in said, what


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("encoder_layers", 9 * 10**18),
        ("encoder_layers", 10**5),
        ("num_queries", 10**9),
        ("d_model", 1e308),
        ("num_labels", 10**6),
        ("dropout", float("nan")),
    ],
)
def test_a_size_that_no_model_has_is_refused_before_anything_is_built(key: str, value: float) -> None:
    with pytest.raises(InputError, match=rf"detector: config\.json has {key} = "):
        require_possible(json.loads((DETECTOR / "config.json").read_text(encoding="utf-8")) | {key: value}, "detector")


@pytest.mark.parametrize(("key", "value"), [("max_text_len", None), ("layer_norm_eps", "x"), ("two_stage", 3)])
def test_a_value_of_another_kind_is_refused_by_its_key(tmp_path: Path, key: str, value: object) -> None:
    folder = linked(DETECTOR, tmp_path / "detector", but="config.json")
    content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(content | {key: value}), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_detector(str(folder))
    ours = f"detector: config.json has {key} = {value!r}, expected"
    of_transformers_5 = rf"detector: Validation error for field '{key}': .* \(value: {value!r}\)"
    assert ours in str(caught.value) or re.search(of_transformers_5, str(caught.value))


@pytest.mark.parametrize("count", FEW_OR_MANY)
@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pth"])
def test_damaged_weights_are_read_or_refused_in_one_line(tmp_path: Path, name: str, count: int) -> None:
    from safetensors.torch import save_file

    path = tmp_path / name
    tensors = {"a.weight": torch.ones(3, 4), "b": torch.zeros(5)}
    save_file(tensors, path) if path.suffix == ".safetensors" else torch.save({"model": tensors}, path)
    assert num_refused(path, read_tensors, count)
