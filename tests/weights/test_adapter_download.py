"""The LoRA of a repository whose file names nobody knows: found by content, in a hub in miniature."""

from __future__ import annotations

import io
import json
import os
import subprocess
from pathlib import Path

import pytest
import torch
from forked import run_script
from safetensors.torch import save
from servers import MiniatureHub

from gdinousam.models.checkpoints.published_lora import LAST_BOX_LAYER, adapted_modules
from gdinousam.models.weights.registry import WEIGHTS

SCRIPT = str(Path(__file__).parents[2] / "scripts" / "download_weights.py")
NAME, REPOSITORY = "paper-lora", "hmrasa/grounding.dino.sam.4.us.v1"
WHAT = "a LoRA of the public adaptation, rank 2, 81 adapted modules"
README = {"README.md": b"# Weights", ".gitattributes": b"*.pth filter=lfs"}
Tensors = dict[str, torch.Tensor]


def lora(fill: float = 1.0) -> Tensors:
    """What the public code stores, of tiny matrices."""
    names = [f"base_model.model.{module}.lora_{part}.weight" for module in adapted_modules(6, 6) for part in "AB"]
    trained = f"base_model.model.{LAST_BOX_LAYER}"
    return dict.fromkeys(names, torch.full((2, 2), fill)) | {
        f"{trained}.weight": torch.ones(4, 2),
        f"{trained}.bias": torch.ones(4),
    }


def torch_file(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


DETECTOR = torch_file(
    {"model": {"transformer.encoder.fusion_layers.0.gamma": torch.ones(2), "feat_map.bias": torch.ones(2)}}
)
CHECKPOINT = torch_file({"epoch": 5, "model": lora(2.0), "optimizer_state_dict": {"state": torch.ones(50_000)}})
BEST = torch_file({"model": lora(), "epoch": 7})


def download(hub: MiniatureHub, out: Path, **more: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment = inherited | {"HF_ENDPOINT": hub.address, "HF_HOME": str(out / "home")} | more
    return run_script(SCRIPT, [NAME, "--out", str(out)], environment)


def refused(result: subprocess.CompletedProcess[str]) -> str:
    assert (result.returncode, result.stdout) == (2, ""), result.stderr
    assert "Traceback" not in result.stderr
    last = result.stderr.splitlines()[-1]
    assert last.startswith("error: ") and result.stderr.count("error: ") == 1
    return last


def hub_of(files: dict[str, bytes]) -> MiniatureHub:
    return MiniatureHub({REPOSITORY: README | files}, large=(".pth", ".safetensors", ".bin"))


def test_the_name_stands_for_the_repository_of_the_papers_authors() -> None:
    assert WEIGHTS[NAME].origin == f"hub {REPOSITORY}"


def test_of_several_weight_files_the_best_lora_is_taken_and_the_others_are_named(tmp_path: Path) -> None:
    files = {"dino.pth": DETECTOR, "run/checkpoint_epoch_5.pth": CHECKPOINT, "run/best_model.pth": BEST}
    with hub_of(files).running() as hub:
        first, second = download(hub, tmp_path), download(hub, tmp_path, HF_HUB_OFFLINE="1")
    path = tmp_path / NAME / "run" / "best_model.pth"
    others = "(other weight files there: dino.pth, run/checkpoint_epoch_5.pth)"
    assert first.stdout == f"{NAME}: 1 file, {len(BEST) / 1e6:.1f} MB fetched, checked; {WHAT} {others} -> {path}\n"
    assert path.read_bytes() == BEST and not (tmp_path / NAME / "dino.pth").exists()
    assert second.stdout == f"{NAME}: already there, checked; {WHAT} -> {path}\n"


def test_names_say_nothing_content_does(tmp_path: Path) -> None:
    with hub_of({"lora_best.pth": DETECTOR, "weights.pth": BEST}).running() as hub:
        first, second = download(hub, tmp_path), download(hub, tmp_path)
    assert first.stdout.endswith(
        f"{WHAT} (other weight files there: lora_best.pth) -> {tmp_path / NAME / 'weights.pth'}\n"
    )
    assert second.stdout == f"{NAME}: already there, checked; {WHAT} -> {tmp_path / NAME / 'weights.pth'}\n"


def test_a_folder_of_peft_is_fetched_as_a_whole(tmp_path: Path) -> None:
    config = json.dumps({"peft_type": "LORA", "r": 2, "lora_alpha": 2}).encode()
    tensors = {name: tensor.clone() for name, tensor in lora().items()}
    files = {"adapter_config.json": config, "adapter_model.safetensors": save(tensors), "config.yaml": b"a: 1"}
    with hub_of(files).running() as hub:
        result = download(hub, tmp_path)
    assert result.stdout.endswith(f"2 files, 0.0 MB fetched, checked; {WHAT} -> {tmp_path / NAME}\n")
    assert not (tmp_path / NAME / "config.yaml").exists()


def test_a_repository_without_a_lora_is_refused_with_what_it_holds(tmp_path: Path) -> None:
    damaged = dict(list(lora().items())[3:])
    files = {"dino.pth": DETECTOR, "best.pth": torch_file({"model": damaged}), "broken.bin": b"no weights"}
    with hub_of(files).running() as hub:
        said = refused(download(hub, tmp_path))
        again = refused(download(hub, tmp_path))
    assert f"hub {REPOSITORY}: holds no LoRA that is known here" in said
    assert (
        "its files are .gitattributes, README.md, best.pth, broken.bin, dino.pth; looked into: best.pth lacks 3" in said
    )
    assert "broken.bin is cut off or no torch file" in said and "dino.pth holds a Grounding DINO model" in said
    assert again == said


def test_a_repository_without_weights_is_refused(tmp_path: Path) -> None:
    with hub_of({}).running() as hub:
        assert "none of them is a weight file" in refused(download(hub, tmp_path))


def test_a_file_that_was_damaged_later_is_found(tmp_path: Path) -> None:
    with hub_of({"best.pth": BEST}).running() as hub:
        assert download(hub, tmp_path).returncode == 0
        (tmp_path / NAME / "best.pth").write_bytes(BEST[:-1])
        assert "best.pth is there but has sha256" in refused(download(hub, tmp_path))


def test_an_unknown_repository_and_the_offline_switch_are_one_line(tmp_path: Path) -> None:
    with MiniatureHub({}).running() as hub:
        assert f"hub {REPOSITORY}: no such repository, or it needs a login" in refused(download(hub, tmp_path))
        assert "HF_HUB_OFFLINE is set" in refused(download(hub, tmp_path, HF_HUB_OFFLINE="1"))


@pytest.mark.parametrize("name", ["../outside.pth", "a/../../outside.pth"])
def test_a_name_that_leads_outside_is_never_fetched(tmp_path: Path, name: str) -> None:
    with hub_of({name: BEST}).running() as hub:
        assert "none of them is a weight file" in refused(download(hub, tmp_path))
    assert not list(tmp_path.rglob("outside.pth"))
