"""The folder of weights that a training or conversion leaves is a repository that a hub takes."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard, metadata_eval_result
from peft import AutoPeftModel
from transformers import __version__ as transformers_version

from gdinousam import Segmenter
from gdinousam.models.adapters.base_note import describe_base
from gdinousam.models.adapters.files import MODEL_CARD
from gdinousam.models.adapters.loading import save_adapter
from gdinousam.models.adapters.lora import LoraSettings, add_lora
from gdinousam.models.loading import load_grounding_dino
from gdinousam.models.weights.model_card import write_model_card

NOTES: dict[str, Any] = {
    "license": "cc-by-4.0",
    "trained": "detector",
    "started_from": "IDEA-Research/grounding-dino-base",
    "train_csv_sha256": "a1" * 32,
    "num_train_images": 12,
    "datasets": ["busi", "own | private"],
    "phrases": ["benign breast lesion"],
    "libraries": {"torch": "2.14.1"},
    "metrics": {"epoch": 3, "train_loss": 1.25, "val_loss": 1.5, "seconds": 2.0},
}


def card_of(folder: Path) -> ModelCard:
    """The card, whose front matter a hub has to be able to read."""
    card = ModelCard.load(folder / MODEL_CARD, ignore_metadata_errors=False)
    assert not re.search(r"More Information Needed|\[\[|<!--|TODO", card.text)
    return card


@pytest.fixture
def adapter(small_detector: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An adapter on a base that lies in the working folder, by its relative name."""
    (tmp_path / "base").symlink_to(small_detector)
    monkeypatch.chdir(tmp_path)
    model, _ = load_grounding_dino("base")
    adapted = add_lora(model, LoraSettings(rank=2))
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter += 0.1
    (tmp_path / "best").mkdir()
    save_adapter(adapted, describe_base(model, "base"), tmp_path / "best")
    write_model_card(tmp_path / "best", {**NOTES, "started_from": "base"})
    return tmp_path / "best"


def test_the_card_of_a_training_says_what_hubs_ask(tmp_path: Path) -> None:
    write_model_card(tmp_path, NOTES)
    card = card_of(tmp_path)
    data: Any = card.data
    assert (data.base_model, data.license) == ("IDEA-Research/grounding-dino-base", "cc-by-4.0")
    assert (data.library_name, data.pipeline_tag) == ("transformers", "zero-shot-object-detection")
    assert {"gdinousam", "ultrasound"} <= set(data.tags)
    assert {(one.metric_name, one.metric_value) for one in data.eval_results} == {
        ("validation loss", 1.5),
        ("training loss", 1.25),
    }
    for known in ("a1" * 32, "busi, own \\| private", "benign breast lesion", "| training images | 12 |"):
        assert known in card.text
    first = data.eval_results[0]
    expected = metadata_eval_result(
        model_pretty_name=data.model_name,
        task_pretty_name="detection",
        task_id=first.task_type,
        metrics_pretty_name=first.metric_name,
        metrics_id=first.metric_type,
        metrics_value=first.metric_value,
        dataset_pretty_name=first.dataset_name,
        dataset_id=first.dataset_type,
    )
    assert (
        data.to_dict()["model-index"][0]["results"][0]["dataset"]
        == (expected["model-index"][0]["results"][0]["dataset"])
    )


@pytest.mark.parametrize(("trained", "library"), [("mask_head", "transformers"), ("unet", "gdinousam")])
def test_every_kind_of_weights_has_a_card_and_nothing_is_made_up(tmp_path: Path, trained: str, library: str) -> None:
    write_model_card(tmp_path, {"trained": trained, "started_from": None, "metrics": {"val_loss": float("nan")}})
    data: Any = card_of(tmp_path).data
    assert data.library_name == library and data.license == "unknown"
    assert data.base_model is None and data.eval_results is None
    assert "nan" not in (tmp_path / MODEL_CARD).read_text()


def test_an_adapter_is_a_repository_of_peft_that_names_its_base_without_a_path(adapter: Path, tmp_path: Path) -> None:
    data: Any = card_of(adapter).data
    assert (data.library_name, data.base_model) == ("peft", "base") and "lora" in data.tags
    assert json.loads((adapter / "adapter_config.json").read_text())["base_model_name_or_path"] == "base"
    for path in adapter.iterdir():
        assert str(tmp_path).encode() not in path.read_bytes(), path


def test_the_example_of_the_card_loads_the_adapter(adapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(adapter)
    example = re.search(r"```python\n(.*?)```", (adapter / MODEL_CARD).read_text(), re.DOTALL)
    assert example is not None
    names: dict[str, Any] = {}
    exec(example[1], names)
    assert isinstance(names["segmenter"], Segmenter)


@pytest.mark.skipif(
    int(transformers_version.split(".")[0]) > 4,
    reason="transformers 5 hides the input embeddings of Grounding DINO from peft (docs/weights.md)",
)
def test_peft_opens_it_by_itself_where_the_base_is_at_hand(adapter: Path) -> None:
    opened = AutoPeftModel.from_pretrained(str(adapter))
    added = {name: value for name, value in opened.named_parameters() if ".lora_B." in name}
    assert added and all(bool((value != 0).all()) for value in added.values())
