"""What is noted beside weights comes with them from a hub: sizes, preparation, bases; adapters load by hub id too."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from servers import MiniatureHub
from transformers import SamModel

from gdinousam.methods.medsam.segmenter import load_medsam
from gdinousam.models.adapters.base_note import describe_base
from gdinousam.models.adapters.loading import save_adapter
from gdinousam.models.adapters.lora import LoraSettings, add_lora
from gdinousam.models.detector.operating_point import OPERATING_POINT, OperatingPoint, Point, save_point
from gdinousam.models.loading import load_grounding_dino, save_resize
from gdinousam.models.mask_heads.sam import save_sam_preprocessing
from gdinousam.models.weights.choice import is_hub_id
from gdinousam.preprocessing import ResizeSettings
from gdinousam.runtime import torch_seed

ROOT = Path(__file__).parents[2]
# each name in a line: the sizes that a detector sees, the box and score of the best, or the frame of a mask head
PROGRAM = """
import logging, sys
import numpy as np
from gdinousam.errors import InputError
from gdinousam.models.detector.operating_point import PredictionSettings
from gdinousam.models.loading import load_mask_head, trained_resize
from gdinousam.models.segmenter import load_box_finder

logging.basicConfig(level=logging.WARNING, format="%(message)s")
image = (np.arange(120 * 100 * 3) % 251).astype(np.uint8).reshape(120, 100, 3)
for name in sys.argv[1:]:
    try:
        if name.startswith("head:"):
            print(type(load_mask_head(name[5:]).frame).__name__)
            continue
        detector, _, adapter = name.partition("+")
        finder = load_box_finder(detector, adapter or None, None, PredictionSettings(box_threshold=0), "cpu")
        (found,) = finder.find([image], [["cyst"]])
        print(finder._resize._settings.size, finder.prediction.max_detections, found[0].score)
    except InputError as error:
        print("refused:", error)
"""


@pytest.fixture(scope="module")
def published(small_detector: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders to publish: a detector trained at 64 pixels, one without a note, its adapter at 96, a MedSAM."""
    folder = tmp_path_factory.mktemp("published")
    shutil.copytree(small_detector, folder / "unnoted")
    detector = Path(shutil.copytree(small_detector, folder / "detector"))
    save_resize(detector, ResizeSettings(size=64))
    model, _ = load_grounding_dino(str(detector))
    adapted = add_lora(model, LoraSettings(rank=2))
    with torch_seed(3), torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter += 0.1 * torch.randn_like(parameter)
    for name in ("adapter", "unnoted_adapter"):
        (folder / name).mkdir()
        save_adapter(adapted, describe_base(model, "me/detector"), folder / name)
    save_resize(folder / "adapter", ResizeSettings(size=96))
    point = Point(box_threshold=0.2, max_detections=3, further_threshold=0.3)
    save_point(folder / "adapter" / OPERATING_POINT, OperatingPoint(overall=point))
    sam: SamModel = load_medsam("random-small").model
    sam.save_pretrained(folder / "head")
    save_sam_preprocessing(folder / "head", "medsam")
    return {path.name: path for path in folder.iterdir()}


@pytest.fixture
def hub(published: dict[str, Path]) -> Iterator[MiniatureHub]:
    files = {
        f"me/{name}": {path.name: path.read_bytes() for path in folder.iterdir()} for name, folder in published.items()
    }
    with MiniatureHub(files).running() as running:
        yield running


def answers(tmp_path: Path, address: str, *names: str, **more: str) -> tuple[list[str], str]:
    """What a program that takes this address for the hub prints of the names, and its warnings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment = inherited | {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", PROGRAM, *names]
    result = subprocess.run(command, env=environment | more, capture_output=True, text=True, timeout=300, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines(), result.stderr


NAMES = ("detector", "detector+adapter", "detector+unnoted_adapter", "adapter")


def test_a_hub_id_answers_as_its_folder_with_and_without_a_network(
    hub: MiniatureHub, published: dict[str, Path], tmp_path: Path, closed_address: str
) -> None:
    as_folders = ["+".join(str(published[part]) for part in name.split("+")) for name in NAMES[:3]]
    by_id = ["+".join(f"me/{part}" for part in name.split("+")) for name in NAMES]
    online, _ = answers(tmp_path, hub.address, *by_id, "head:me/head")
    local, _ = answers(tmp_path, closed_address, *as_folders, HF_HUB_OFFLINE="1")
    assert [line.split()[:2] for line in online[:4]] == [["64", "5"], ["96", "3"], ["64", "5"], ["96", "3"]]
    assert online[:3] == local
    assert online[3] == online[1]  # the adapter alone, whose base is named by its hub id
    assert online[4] == "MedSamFrame"  # nothing in its name says so
    cached, said = answers(tmp_path, closed_address, *by_id, "head:me/head", HF_HUB_OFFLINE="1")
    assert cached == online and "800" not in said


def test_a_missing_note_is_said(hub: MiniatureHub, published: dict[str, Path], tmp_path: Path) -> None:
    found, said = answers(tmp_path, hub.address, "me/unnoted", str(published["unnoted"]), "small")
    assert [line.split()[0] for line in found] == ["800", "800", "256"]
    for name in ("me/unnoted", str(published["unnoted"])):
        assert f"no gdinousam_preprocessing.json beside {name}: images are stretched to 800 x 800" in said
    assert said.count("images are stretched") == 2


def test_what_is_no_adapter_on_the_hub_is_refused_in_one_line(hub: MiniatureHub, tmp_path: Path) -> None:
    no_adapter, nothing, twice = answers(
        tmp_path, hub.address, "me/detector+me/unnoted", "me/detector+me/nowhere", "me/adapter+me/adapter"
    )[0]
    for line, name in ((no_adapter, "me/unnoted"), (nothing, "me/nowhere")):
        assert line.startswith(f"refused: adapter {name} is nothing on disk, and no hub repository with adapter_config")
    assert twice.startswith("refused: me/adapter is an adapter itself")


def test_an_adapter_in_a_torch_file_and_a_damaged_note_on_the_hub(hub: MiniatureHub, tmp_path: Path) -> None:
    from safetensors.torch import load

    tensors = load(hub.repositories["me/adapter"].pop("adapter_model.safetensors"))
    torch.save(tensors, tmp_path / "adapter_model.bin")
    hub.repositories["me/adapter"]["adapter_model.bin"] = (tmp_path / "adapter_model.bin").read_bytes()
    hub.repositories["me/unnoted"]["gdinousam_preprocessing.json"] = json.dumps({"size": -1}).encode()
    found, damaged = answers(tmp_path, hub.address, "me/adapter", "me/unnoted")[0]
    assert found.split()[0] == "96"
    assert damaged.startswith("refused: ") and "gdinousam_preprocessing.json: size = -1" in damaged


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("me/detector", True),
        ("small", False),
        ("a/b/c", False),
        ("/a/b", False),
        ("./a/b", False),
        ("weights/a.pth", False),
        ("a.pth", False),
    ],
)
def test_a_hub_id_is_owner_and_name(name: str, expected: bool) -> None:
    assert is_hub_id(name) is expected


def test_what_lies_on_disk_is_no_hub_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "me" / "detector").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert not is_hub_id("me/detector")
