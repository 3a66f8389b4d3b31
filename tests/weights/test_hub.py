"""Repositories of a hub in miniature, through huggingface_hub itself, in processes that may go to the hub."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from forked import run_script
from servers import CONTENT, FileServer, MiniatureHub, sha256

from gdinousam.errors import InputError
from gdinousam.models.weights.checksums import SUMS, read_sums
from gdinousam.models.weights.hub import choose_files

ROOT = Path(__file__).parents[2]
SCRIPT = str(ROOT / "scripts" / "download_weights.py")
REPOSITORY = "facebook/sam-vit-base"
FILES = {
    ".gitattributes": b"*.bin filter=lfs",
    "README.md": b"# SAM",
    "config.json": b'{"model_type": "sam"}',
    "model.safetensors": CONTENT,
    "onnx/model.safetensors": b"not asked for",
    "preprocessor_config.json": b"{}",
    "pytorch_model.bin": CONTENT[::-1],
    "sam_vit_b.pt": b"not asked for",
}
NEEDED = {"config.json", "model.safetensors", "preprocessor_config.json"}


@pytest.fixture
def hub() -> Iterator[MiniatureHub]:
    with MiniatureHub({REPOSITORY: dict(FILES)}).running() as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out" / "sam-vit-base"


def surroundings(tmp_path: Path, address: str, **more: str) -> dict[str, str]:
    """Environment of a process that takes this address for the hub and has no cache yet."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return inherited | {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "home")} | more


def download(folder: Path, address: str, **more: str) -> subprocess.CompletedProcess[str]:
    """``download_weights.py`` with the name and place of the folder."""
    environment = surroundings(folder.parents[1], address, **more)
    return run_script(SCRIPT, [folder.name, "--out", str(folder.parent)], environment)


def refused(result: subprocess.CompletedProcess[str]) -> str:
    """The one line that a download which must fail ends with; what the hub's client logs may stand before it."""
    assert (result.returncode, result.stdout) == (2, "")
    assert "Traceback" not in result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert lines == result.stderr.splitlines()[-1:]
    return lines[0]


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_file()}


def test_what_transformers_needs_is_fetched_and_nothing_else(hub: MiniatureHub, folder: Path) -> None:
    result = download(folder, hub.address)
    assert (result.returncode, result.stdout) == (0, f"sam-vit-base: 3 files, 0.3 MB fetched, checked -> {folder}\n")
    assert names_in(folder) == NEEDED | {SUMS}
    assert {name: (folder / name).read_bytes() for name in NEEDED} == {name: FILES[name] for name in NEEDED}
    assert read_sums(folder) == {name: sha256(FILES[name]) for name in NEEDED}


def test_a_second_run_checks_and_needs_no_hub(hub: MiniatureHub, folder: Path, closed_address: str) -> None:
    download(folder, hub.address)
    result = download(folder, closed_address, HF_HUB_OFFLINE="1")
    assert (result.returncode, result.stdout) == (0, f"sam-vit-base: already there, checked -> {folder}\n")


def test_a_file_that_was_damaged_later_is_found_and_left_alone(hub: MiniatureHub, folder: Path) -> None:
    download(folder, hub.address)
    (folder / "config.json").write_text("edited")
    assert "config.json is there but has sha256" in refused(download(folder, hub.address))
    assert (folder / "config.json").read_text() == "edited"


def test_a_file_that_was_moved_away_is_fetched_again(hub: MiniatureHub, folder: Path) -> None:
    download(folder, hub.address)
    (folder / "model.safetensors").unlink()
    assert "1 file, 0.3 MB fetched" in download(folder, hub.address).stdout
    assert (folder / "model.safetensors").read_bytes() == CONTENT


def test_a_file_that_somebody_put_there_is_never_replaced(hub: MiniatureHub, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(CONTENT)
    assert "2 files" in download(folder, hub.address).stdout
    (folder / SUMS).unlink()
    (folder / "model.safetensors").write_bytes(CONTENT[::-1])
    assert "model.safetensors is there but has sha256" in refused(download(folder, hub.address))
    assert (folder / "model.safetensors").read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize(("name", "kind"), [("model.safetensors", "sha256"), ("config.json", "git id")])
def test_a_file_that_is_not_what_the_hub_states_is_set_aside(
    hub: MiniatureHub, folder: Path, name: str, kind: str
) -> None:
    hub.lies = {name}
    assert f"{name} arrived with {kind}" in refused(download(folder, hub.address))
    assert name not in names_in(folder) and f"{name}.rejected" in names_in(folder)
    hub.lies = set()
    assert download(folder, hub.address).returncode == 0
    assert (folder / name).read_bytes() == FILES[name]


def test_an_interrupted_download_is_continued(hub: MiniatureHub, folder: Path) -> None:
    # the hub's client keeps whole pieces of 10 MiB only
    content = bytes(25 << 20)
    hub.repositories[REPOSITORY]["model.safetensors"] = content
    hub.cuts = {"model.safetensors": 22 << 20}
    result = download(folder, hub.address)
    if result.returncode:  # versions differ in whether the client itself goes on at once
        refused(result)
        assert download(folder, hub.address).returncode == 0
    assert (folder / "model.safetensors").read_bytes() == content
    ranges = [wanted for _, _, wanted in hub.requests if wanted]
    assert ranges and all(int(wanted.removeprefix("bytes=").partition("-")[0]) >= 10 << 20 for wanted in ranges)


def test_a_hub_that_fails_on_the_way_costs_nothing_that_arrived(hub: MiniatureHub, folder: Path) -> None:
    hub.failing = {"model.safetensors"}
    assert "403" in refused(download(folder, hub.address))
    hub.failing = set()
    assert "1 file, 0.3 MB fetched" in download(folder, hub.address).stdout
    assert names_in(folder) == NEEDED | {SUMS}


def test_an_unknown_repository_is_one_line(hub: MiniatureHub, folder: Path) -> None:
    hub.repositories = {}
    assert "hub facebook/sam-vit-base: no such repository" in refused(download(folder, hub.address))


def test_a_mirror_that_states_no_sums_is_refused_before_anything_is_fetched(hub: MiniatureHub, folder: Path) -> None:
    hub.states_sums = False
    assert "no sum of config.json" in refused(download(folder, hub.address))
    assert names_in(folder) == set()


def test_without_a_connection_it_says_so(folder: Path, closed_address: str) -> None:
    message = refused(download(folder, closed_address))
    assert "hub facebook/sam-vit-base: not fetched: Connection refused" in message


def test_the_offline_switch_of_the_hub_is_obeyed(hub: MiniatureHub, folder: Path) -> None:
    assert "HF_HUB_OFFLINE is set" in refused(download(folder, hub.address, HF_HUB_OFFLINE="1"))
    assert hub.requests == []


def test_an_official_file_comes_with_the_tokenizer_from_the_hub(
    hub: MiniatureHub, server: FileServer, tmp_path: Path
) -> None:
    hub.repositories["google/bert"] = {"vocab.txt": b"[PAD]\n", "tokenizer.json": b"{}", "model.safetensors": CONTENT}
    program = f"""
from pathlib import Path
from gdinousam.models.weights.fetch import fetch_weights
from gdinousam.models.weights.registry import HubRepository, OfficialFile, Weights
hub = HubRepository("google/bert", ("vocab.txt", "tokenizer.json"))
weights = Weights("official-thing", "a thing", "Apache-2.0", 1, hub, OfficialFile("{server.url}"))
for run in range(2):
    print(fetch_weights(weights, Path("{tmp_path}")))
"""
    environment = surroundings(tmp_path, hub.address)
    result = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=100
    )
    first, second = result.stdout.splitlines()
    folder = tmp_path / "official-thing"
    assert first.startswith("official-thing: 3 files") and first.endswith(f"-> {folder / 'weights.pth'}")
    assert "already there, checked" in second
    assert names_in(folder) == {"vocab.txt", "tokenizer.json", "weights.pth", SUMS}


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["config.json", "pytorch_model.bin", "tf_model.h5"], ["config.json", "pytorch_model.bin"]),
        (["config.json", "pytorch_model.bin", "model.safetensors"], ["config.json", "model.safetensors"]),
        (
            ["config.json", "model-00001-of-00002.safetensors", "model.safetensors.index.json", "x.safetensors"],
            ["config.json", "model-00001-of-00002.safetensors", "model.safetensors.index.json"],
        ),
    ],
)
def test_safetensors_go_before_pytorch_files(names: list[str], chosen: list[str]) -> None:
    assert choose_files(names, "some/repository") == chosen


@pytest.mark.parametrize("names", [["model.safetensors"], ["config.json", "sam2_hiera_tiny.pt"]])
def test_a_repository_without_a_model_for_transformers_is_refused(names: list[str]) -> None:
    with pytest.raises(InputError, match="hub some/repository: holds no model"):
        choose_files(names, "some/repository")
