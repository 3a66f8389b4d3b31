"""Weight files of any origin: sound ones are read whole, all others are refused with one line that says why."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from gdinousam.errors import InputError
from gdinousam.models.checkpoints.files import Kind, Tensors, kind_of, read_tensors, require_kind

TENSORS = {"layer.weight": torch.arange(6.0).reshape(2, 3), "layer.bias": torch.ones(2, dtype=torch.float16)}


class Intruder:
    """What a pickle may hold: an object whose loading runs a function of the writer's choice."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self.folder),)


def saved(content: object, path: Path) -> Path:
    torch.save(content, path)
    return path


def refusal(path: Path) -> str:
    """The message of the InputError, which must be one line that names the file."""
    with pytest.raises(InputError) as caught:
        read_tensors(path)
    message = str(caught.value)
    assert "\n" not in message and str(path) in message
    return message


def assert_same(found: Tensors, expected: Tensors) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype and torch.equal(found[name], tensor), name


@pytest.mark.parametrize("name", ["w.pth", "w.pt", "w.bin", "w.safetensors"])
def test_tensors_come_back_as_they_were_stored(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    (save_file if path.suffix == ".safetensors" else torch.save)(TENSORS, path)
    assert_same(read_tensors(path), TENSORS)


def test_files_of_torch_before_1_6_are_read(tmp_path: Path) -> None:
    torch.save({"model": TENSORS}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert_same(read_tensors(tmp_path / "old.pth"), TENSORS)


@pytest.mark.parametrize("entry", ["model", "state_dict", "model_state_dict"])
def test_weights_are_taken_from_the_entry_that_training_scripts_use(tmp_path: Path, entry: str) -> None:
    content = {"epoch": 3, "optimizer": {"state": {}, "lr": 0.1}, entry: TENSORS}
    assert_same(read_tensors(saved(content, tmp_path / "w.pth")), TENSORS)


def test_a_state_dict_with_its_metadata_is_read(tmp_path: Path) -> None:
    module = nn.Linear(2, 3)
    assert_same(read_tensors(saved(module.state_dict(), tmp_path / "w.pth")), dict(module.state_dict()))


def test_the_prefix_of_distributed_training_is_taken_off(tmp_path: Path) -> None:
    wrapped = {f"module.{name}": tensor for name, tensor in TENSORS.items()}
    assert_same(read_tensors(saved({"model": wrapped}, tmp_path / "w.pth")), TENSORS)


def test_a_prefix_that_some_names_have_is_part_of_their_name(tmp_path: Path) -> None:
    mixed = {"module.a": torch.zeros(1), "b": torch.ones(1)}
    assert_same(read_tensors(saved(mixed, tmp_path / "w.pth")), mixed)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "no such weight file" in refusal(tmp_path / "none.pth")
    assert "no such weight file" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.95])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, name: str, share: float) -> None:
    path = tmp_path / name
    tensors = {f"layer.{index}": torch.rand(50, 50) for index in range(4)}
    (save_file if path.suffix == ".safetensors" else torch.save)(tensors, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    assert "is cut off or no" in refusal(path)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@given(content=st.binary(max_size=200), suffix=st.sampled_from([".pth", ".safetensors"]))
def test_files_of_anything_are_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, suffix: str
) -> None:
    path = tmp_path_factory.mktemp("any") / f"w{suffix}"
    path.write_bytes(content)
    refusal(path)


@pytest.mark.parametrize("name", ["page.pth", "page.safetensors"])
def test_a_web_page_saved_in_place_of_weights_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("<!DOCTYPE html>\n<title>404: Not Found</title>\n" * 20)
    assert "is cut off or no" in refusal(tmp_path / name)


@pytest.mark.parametrize("write", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content, 2))])
def test_a_file_that_wants_to_run_code_is_refused_and_the_code_not_run(
    tmp_path: Path, write: Callable[[object, Path], object]
) -> None:
    folder, path = tmp_path / "made", tmp_path / "w.pth"
    write({"model": {"extra": Intruder(folder)}}, path)
    message = refusal(path)
    assert f"would run code ({os.mkdir.__module__}.mkdir)" in message
    assert not folder.exists()


def test_a_whole_saved_model_is_refused_by_the_name_of_its_class(tmp_path: Path) -> None:
    assert "torch.nn.modules.linear.Linear" in refusal(saved(nn.Linear(2, 2), tmp_path / "w.pth"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([torch.zeros(1)], "no table of weights but a list"),
        (torch.zeros(1), "no table of weights but a Tensor"),
        ({}, "no table of weights but nothing"),
        ({"model": {}}, "no table of weights but nothing"),
        ({"epoch": 3, "weight": torch.zeros(1)}, "entry 'epoch' is a int, not a tensor"),
        ({"state_dict": {"weight": [1.0, 2.0]}}, "entry 'weight' is a list, not a tensor"),
        ({"state_dict": {3: torch.zeros(1)}}, "the tensor 3 has no name but a int"),
    ],
)
def test_a_file_without_a_state_dict_says_what_it_holds(tmp_path: Path, content: object, said: str) -> None:
    assert said in refusal(saved(content, tmp_path / "w.pth"))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("transformer.encoder.fusion_layers.0.gamma_v", "Grounding DINO"),
        ("feat_map.weight", "Grounding DINO"),
        ("image_encoder.trunk.pos_embed", "SAM2"),
        ("image_encoder.patch_embed.proj.weight", "SAM"),
        ("base_model.model.feat_map.lora_A.default.weight", "LoRA"),
        ("model.text_backbone.embeddings.LayerNorm.weight", "transformers"),
        ("vision_encoder.backbone.pos_embed", "transformers"),
        ("conv1.weight", None),
    ],
)
def test_a_file_is_told_by_its_names(name: str, kind: Kind | None) -> None:
    assert kind_of(["some.other.weight", name]) == kind


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("image_encoder.trunk.pos_embed", "holds a SAM2 model; expected an official Grounding DINO file"),
        ("feat_map.lora_A.weight", "holds a LoRA adapter"),
        ("vision_encoder.neck.weight", "the folder with their config.json"),
        ("conv1.weight", "an unknown model (1 tensors, first conv1.weight)"),
    ],
)
def test_a_file_of_another_model_says_what_it_is(name: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        require_kind({name: torch.zeros(1)}, "Grounding DINO", Path("w.pth"))
    assert said in str(caught.value) and "w.pth" in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_of_the_expected_model_goes_through() -> None:
    tensors = {"feat_map.weight": torch.zeros(1)}
    assert require_kind(tensors, "Grounding DINO", Path("w.pth")) is tensors
