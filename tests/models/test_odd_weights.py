"""Weights that cannot be right, and right ones in other clothes: read where that is safe, else named in one line."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from gdinousam.errors import InputError
from gdinousam.models.adapters.base_note import BASE_NOTE, describe_base, portable_name
from gdinousam.models.adapters.loading import base_of, load_adapter, save_adapter
from gdinousam.models.adapters.lora import LoraSettings, add_lora
from gdinousam.models.checkpoints.files import Tensors, read_tensors
from gdinousam.models.loading import load_detector, load_grounding_dino, load_mask_head
from gdinousam.runtime import torch_seed

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"


@pytest.fixture
def base(small_detector: Path, tmp_path: Path) -> Path:
    """A copy of the small detector that an adapter can be moved away from."""
    return Path(shutil.copytree(small_detector, tmp_path / "project" / "weights" / "my-base"))


@pytest.fixture
def folder(base: Path, tmp_path: Path) -> Path:
    """Folder of an adapter with random values on that base, as training saves it."""
    model, _ = load_grounding_dino(str(base))
    adapted = add_lora(model, LoraSettings(rank=2))
    with torch_seed(3), torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter += 0.1 * torch.randn_like(parameter)
    folder = tmp_path / "project" / "runs" / "train" / "best"
    folder.mkdir(parents=True)
    save_adapter(adapted, describe_base(model, str(base)), folder)
    return folder


def rename(folder: Path, change: Callable[[str], str], file: str = WEIGHTS) -> None:
    tensors = {change(name): tensor for name, tensor in load_file(folder / file).items()}
    save_file(tensors, folder / file, metadata={"format": "pt"})


def merged(base: Path, folder: Path | None = None) -> Tensors:
    return load_detector(str(base), folder).grounding_dino.state_dict()


def refusal(load: Callable[[], object]) -> str:
    """The message of the InputError, which must be one line."""
    with pytest.raises(InputError) as caught:
        load()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def assert_equal(one: Tensors, other: Tensors) -> None:
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    "change",
    [
        lambda name: f"module.{name}",
        lambda name: f"_orig_mod.module.{name}",
        lambda name: name.replace("base_model.model.", "base_model.model.module.", 1),
        lambda name: name.replace(".lora_A.", ".lora_A.default.").replace(".lora_B.", ".lora_B.default."),
    ],
    ids=["DDP", "compiled DDP", "DDP inside", "adapter name"],
)
def test_an_adapter_under_a_wrappers_names_is_the_same(base: Path, folder: Path, change: Callable[[str], str]) -> None:
    expected = merged(base, folder)
    rename(folder, change)
    assert_equal(merged(base, folder), expected)


def test_an_adapter_in_a_torch_file_is_the_same(base: Path, folder: Path) -> None:
    expected = merged(base, folder)
    torch.save(load_file(folder / WEIGHTS), folder / "adapter_model.bin")
    (folder / WEIGHTS).unlink()
    assert_equal(merged(base, folder), expected)
    message = refusal(lambda: load_adapter(load_grounding_dino(str(base))[0], folder / "adapter_model.bin"))
    assert message.endswith(f"give its folder, {folder}")


def test_an_adapter_without_its_type_is_taken_for_what_its_tensors_are(base: Path, folder: Path) -> None:
    expected = merged(base, folder)
    config = json.loads((folder / CONFIG).read_text())
    del config["peft_type"]
    (folder / CONFIG).write_text(json.dumps(config))
    assert_equal(merged(base, folder), expected)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"peft_type": "FOO"}, "peft_type says that the adapter is of peft's kind FOO; give a LoRA"),
        ({"peft_type": ["LORA"]}, "peft's kind ['LORA']"),
        ({"peft_type": "IA3"}, "peft's kind IA3"),
        ({"r": None}, "r is None; set it to the rank"),
        ({"r": "2"}, "r is '2'"),
        ({"r": True}, "r is True"),
        ({"lora_alpha": "two"}, "does not fit the detector"),
        ({"target_modules": 5}, "does not fit the detector"),
        ({"modules_to_save": 5}, "does not fit the detector"),
        ({"layers_to_transform": {"a": 1}}, "does not fit the detector"),
        ({"init_lora_weights": "magic"}, "does not fit the detector"),
    ],
)
def test_a_config_that_says_something_else_is_refused_in_one_line(
    base: Path, folder: Path, changes: dict[str, object], words: str
) -> None:
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(config | changes))
    message = refusal(lambda: load_detector(str(base), folder))
    assert str(folder) in message and words in message


def test_an_adapter_folder_without_weights_or_with_other_tensors_is_refused(base: Path, folder: Path) -> None:
    save_file({"head.weight": torch.ones(2)}, folder / WEIGHTS)
    assert "holds no LoRA (first tensor head.weight)" in refusal(lambda: load_detector(str(base), folder))
    (folder / WEIGHTS).unlink()
    message = refusal(lambda: load_detector(str(base), folder))
    assert f"adapter {folder} has no {WEIGHTS} or adapter_model.bin" in message


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_none_is_refused_with_file_and_tensor(base: Path, folder: Path, number: float) -> None:
    tensors = load_file(folder / WEIGHTS)
    name = sorted(tensors)[3]
    tensors[name].view(-1)[1] = number
    save_file(tensors, folder / WEIGHTS)
    message = refusal(lambda: load_detector(str(base), folder))
    assert f"{folder / WEIGHTS}: 1 of {len(tensors)} tensors hold nan or infinite numbers, first {name}" in message


def test_the_same_of_folders_and_files_of_models(base: Path, small_mask_head: Path, tmp_path: Path) -> None:
    mask_head = Path(shutil.copytree(small_mask_head, tmp_path / "mask_head"))
    loads: list[tuple[Path, Callable[[str], object]]] = [(base, load_detector), (mask_head, load_mask_head)]
    for folder, load in loads:
        tensors = load_file(folder / "model.safetensors")
        name = next(name for name, tensor in tensors.items() if tensor.ndim == 2 and tensor.is_floating_point())
        tensors[name][0, 0] = float("nan")
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        message = refusal(lambda load=load, folder=folder: load(str(folder)))
        assert str(folder) in message and "nan or infinite" in message
    torch.save({"model": {"x": torch.ones(2), "y": torch.tensor([1.0, float("inf")])}}, tmp_path / "model.pth")
    assert "model.pth: 1 of 2 tensors hold nan or infinite numbers, first y" in refusal(
        lambda: read_tensors(tmp_path / "model.pth")
    )


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.float16, torch.bfloat16, torch.float8_e4m3fn])
def test_numbers_of_every_type_are_read(dtype: torch.dtype, tmp_path: Path) -> None:
    save_file({"x": torch.ones(3).to(dtype)}, tmp_path / "x.safetensors")
    assert read_tensors(tmp_path / "x.safetensors")["x"].dtype == dtype


@pytest.mark.parametrize("wrapper", ["module.", "_orig_mod.", "_orig_mod.module."])
def test_a_folder_saved_from_a_wrapper_is_the_same(
    base: Path, small_mask_head: Path, tmp_path: Path, wrapper: str
) -> None:
    expected = merged(base)
    rename(base, lambda name: wrapper + name, "model.safetensors")
    assert_equal(merged(base), expected)
    mask_head = Path(shutil.copytree(small_mask_head, tmp_path / "mask_head"))
    rename(mask_head, lambda name: wrapper + name, "model.safetensors")
    assert_equal(load_mask_head(str(mask_head)).state_dict(), load_mask_head(str(small_mask_head)).state_dict())


def test_no_file_of_an_adapter_holds_a_path_of_this_machine(base: Path, folder: Path) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.name for path in files} == {CONFIG, WEIGHTS, BASE_NOTE}
    for path in files:
        assert os.fsencode(base.parent) not in path.read_bytes(), path
    assert json.loads((folder / CONFIG).read_text())["base_model_name_or_path"] == "my-base"
    assert json.loads((folder / BASE_NOTE).read_text())["name"] == "my-base"


@pytest.mark.parametrize(
    ("name", "portable"),
    [
        ("small", "small"),
        ("random-small", "random-small"),
        ("IDEA-Research/grounding-dino-tiny", "IDEA-Research/grounding-dino-tiny"),
        ("/data/weights/groundingdino_swint_ogc.pth", "groundingdino_swint_ogc.pth"),
        ("./weights/base/", "base"),
        ("../base", "base"),
        ("a/b/c", "c"),
        (r"C:\weights\base", "base"),
        ("/root/.cache/huggingface/hub/models--IDEA-Research--dino/snapshots/0123abc", "IDEA-Research/dino"),
        ("base.pth", "base.pth"),
        ("", ""),
    ],
)
def test_what_an_adapter_calls_its_base(name: str, portable: str) -> None:
    assert portable_name(name) == portable


def test_an_adapter_finds_its_base_in_the_folders_round_it(
    base: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Path(base_of(folder)).samefile(base)  # project/weights, seen from project/runs/train/best
    moved = Path(shutil.move(folder, tmp_path / "elsewhere"))
    shutil.move(base, tmp_path / "my-base")
    assert base_of(moved) == "my-base"
    load_detector(str(moved))


def test_an_adapter_without_its_base_asks_for_it(
    base: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.move(base, tmp_path / "renamed")
    message = refusal(lambda: load_detector(str(folder)))
    assert f"adapter {folder} was made for 'my-base', which is not here; name that file or folder" in message
    load_detector(str(tmp_path / "renamed"), folder)


def test_a_path_in_an_older_adapter_is_followed_and_else_looked_for_by_its_name(
    base: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(config | {"base_model_name_or_path": str(base)}))
    assert base_of(folder) == str(base)
    (folder / CONFIG).write_text(json.dumps(config | {"base_model_name_or_path": "/home/somebody/my-base"}))
    assert Path(base_of(folder)).samefile(base)
    (folder / BASE_NOTE).unlink()  # without the hash, another file of this name could be taken
    assert "which is not here" in refusal(lambda: base_of(folder))


def test_another_model_of_the_name_is_not_taken_for_the_base(base: Path, folder: Path) -> None:
    tensors = load_file(base / "model.safetensors")
    next(tensor for tensor in tensors.values() if tensor.ndim == 2 and tensor.is_floating_point())[0, 0] += 1
    save_file(tensors, base / "model.safetensors", metadata={"format": "pt"})
    assert "was made for my-base (sha256 " in refusal(lambda: load_detector(str(folder)))
