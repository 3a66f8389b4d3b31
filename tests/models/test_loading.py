"""Loading by name: what is found, what is refused with one line, what is noted beside weights."""

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from gdinousam.errors import InputError
from gdinousam.models.adapters.lora import LoraSettings, add_lora
from gdinousam.models.detector.detector import Detector
from gdinousam.models.loading import (
    PREPROCESSING,
    base_name,
    load_detector,
    load_grounding_dino,
    load_mask_head,
    pick_device,
    save_resize,
    trained_resize,
)
from gdinousam.preprocessing import ResizeSettings
from gdinousam.prompts import build_caption, tokenize_captions
from gdinousam.runtime import torch_seed


@pytest.fixture
def adapter(small_detector: Path, tmp_path: Path) -> Path:
    """Folder of adapters with random values on the small detector."""
    folder = tmp_path / "adapter"
    model, _ = load_grounding_dino(str(small_detector))
    adapted = add_lora(model, LoraSettings(rank=2))
    with torch_seed(3), torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter.normal_(std=0.1)
    adapted.save_pretrained(str(folder), save_embedding_layers=False)
    return folder


@pytest.fixture
def copied(small_detector: Path, tmp_path: Path) -> Path:
    """A copy of the small detector's folder to spoil."""
    return Path(shutil.copytree(small_detector, tmp_path / "copied"))


def boxes_of(detector: Detector) -> torch.Tensor:
    tokens = tokenize_captions([build_caption(["cyst"])], detector.tokenizer, detector.max_tokens)
    with torch.no_grad():
        return detector(torch.ones(1, 3, 96, 96), tokens).last.boxes_cxcywh_norm


def refusal(load: Callable[[], object]) -> str:
    """The message of the InputError, which must be one line."""
    with pytest.raises(InputError) as caught:
        load()
    message = str(caught.value)
    assert "\n" not in message and len(message) < 1000
    return message


def test_a_folder_is_loaded_frozen_and_in_eval_mode(small_detector: Path, small_mask_head: Path) -> None:
    for model in (load_detector(str(small_detector)), load_mask_head(str(small_mask_head))):
        assert not any(parameter.requires_grad for parameter in model.parameters())
        assert not any(module.training for module in model.modules())


def test_a_folder_gives_the_same_weights_every_time(small_detector: Path) -> None:
    assert torch.equal(boxes_of(load_detector(str(small_detector))), boxes_of(load_detector(str(small_detector))))


def test_random_small_follows_the_seed_of_torch() -> None:
    weights = []
    for seed in (1, 1, 2):
        with torch_seed(seed):
            detector, mask_head = load_detector("random-small"), load_mask_head("random-small")
        weights.append(torch.cat([p.flatten() for model in (detector, mask_head) for p in model.parameters()]))
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_an_adapter_folder_finds_its_base(small_detector: Path, adapter: Path) -> None:
    expected = boxes_of(load_detector(str(small_detector), adapter))
    assert torch.equal(boxes_of(load_detector(str(adapter))), expected)
    assert not torch.allclose(boxes_of(load_detector(str(small_detector))), expected, atol=1e-3)


def test_an_adapter_names_its_base_as_it_was_loaded(tmp_path: Path) -> None:
    (tmp_path / "downloaded.pth").touch()
    (tmp_path / "latest.pth").symlink_to(tmp_path / "downloaded.pth")
    assert base_name(str(tmp_path / "latest.pth")) == str((tmp_path / "downloaded.pth").resolve())
    assert [base_name(name) for name in ("small", "owner/detector", str(tmp_path))] == [
        "small",
        "owner/detector",
        str(tmp_path),
    ]
    assert base_name("random-small") == ""  # no name finds these weights again


def test_loading_an_adapter_is_silent(adapter: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_detector(str(adapter))


def test_an_adapter_on_an_adapter_is_refused(adapter: Path) -> None:
    assert "is an adapter itself" in refusal(lambda: load_detector(str(adapter), adapter))


def test_an_adapter_of_a_nameless_base_is_refused_alone(small_detector: Path, adapter: Path) -> None:
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": None}))
    assert "does not name its base" in refusal(lambda: load_detector(str(adapter)))
    load_detector(str(small_detector), adapter)


def test_an_adapter_of_another_size_is_refused(small_detector: Path, adapter: Path) -> None:
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps(config | {"r": 3}))
    assert "does not fit the detector" in refusal(lambda: load_detector(str(small_detector), adapter))


def test_an_adapter_that_lacks_tensors_is_refused(small_detector: Path, adapter: Path) -> None:
    tensors = load_file(adapter / "adapter_model.safetensors")
    removed = next(name for name in tensors if "text_projection.lora_B" in name)
    save_file({name: t for name, t in tensors.items() if name != removed}, adapter / "adapter_model.safetensors")
    message = refusal(lambda: load_detector(str(small_detector), adapter))
    assert "lacks 1 tensors" in message and removed in message


def test_a_folder_that_is_no_adapter_is_refused(small_detector: Path, tmp_path: Path) -> None:
    assert "adapter_config.json" in refusal(lambda: load_detector(str(small_detector), tmp_path))


def test_a_folder_of_another_model_is_refused(small_detector: Path, small_mask_head: Path) -> None:
    assert "type 'sam2'; expected grounding-dino" in refusal(lambda: load_detector(str(small_mask_head)))
    assert "type 'grounding-dino'; expected sam2" in refusal(lambda: load_mask_head(str(small_detector)))


@pytest.mark.parametrize("name", ["nowhere", "no/such/folder", "no-one/no-such-model", ""])
def test_a_missing_model_is_refused_with_its_name(name: str, tmp_path: Path) -> None:
    for load in (load_detector, load_mask_head):
        refusal(lambda load=load: load(name))
        message = refusal(lambda load=load: load(str(tmp_path / "missing" / name)))
        assert str(tmp_path / "missing" / name).rstrip("/") in message


def test_a_file_in_transformers_format_is_refused_without_its_folder(small_detector: Path) -> None:
    assert "given as the folder" in refusal(lambda: load_detector(str(small_detector / "model.safetensors")))


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    assert "no config.json" in refusal(lambda: load_mask_head(str(tmp_path)))


@pytest.mark.parametrize("content", ["{", "[1]", "\xff"])
def test_a_broken_config_is_refused(copied: Path, content: str) -> None:
    (copied / "config.json").write_bytes(content.encode("latin-1"))
    assert "JSON" in refusal(lambda: load_detector(str(copied)))


def test_broken_weights_are_refused(copied: Path) -> None:
    (copied / "model.safetensors").write_bytes(b"not safetensors")
    assert "cannot load" in refusal(lambda: load_detector(str(copied)))


def test_weights_of_another_architecture_are_refused(copied: Path) -> None:
    config = json.loads((copied / "config.json").read_text())
    for change, problem in (
        ({"decoder_layers": config["decoder_layers"] + 1}, "missing "),
        ({"decoder_ffn_dim": config["decoder_ffn_dim"] * 2}, "mismatched|size mismatch|cannot load"),
    ):
        (copied / "config.json").write_text(json.dumps(config | change))
        message = refusal(lambda: load_detector(str(copied)))
        assert any(words in message for words in problem.split("|"))


def test_a_folder_without_a_tokenizer_is_refused(copied: Path) -> None:
    for path in copied.iterdir():
        if path.name not in ("config.json", "model.safetensors"):
            path.unlink()
    assert "has no tokenizer" in refusal(lambda: load_detector(str(copied)))


def test_the_resize_is_noted_beside_the_weights(tmp_path: Path) -> None:
    resize = ResizeSettings(mode="shortest_edge", size=96, longest_edge=160)
    save_resize(tmp_path, resize)
    assert trained_resize(tmp_path) == trained_resize(str(tmp_path)) == resize


def test_without_a_note_the_resize_is_the_paper_s(tmp_path: Path) -> None:
    for name in (tmp_path, "random-small"):
        assert (trained_resize(name).mode, trained_resize(name).size) == ("square", 800)


@pytest.mark.parametrize("content", ["{", '{"size": -3}', '{"sise": 96}'])
def test_a_broken_note_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / PREPROCESSING).write_text(content)
    assert PREPROCESSING in refusal(lambda: trained_resize(tmp_path))


def test_a_device_is_picked_by_name() -> None:
    has_gpu = torch.cuda.is_available()
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device("auto") == torch.device("cuda" if has_gpu else "cpu")
    if has_gpu:
        assert pick_device("cuda") == torch.device("cuda")
    else:
        assert "'auto' or 'cpu'" in refusal(lambda: pick_device("cuda"))
