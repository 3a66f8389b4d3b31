"""What weights are, from their names, their size and the notes beside them."""

import json
from pathlib import Path

import pytest

from gdinousam.models.adapters.base_note import describe_base
from gdinousam.models.adapters.loading import save_adapter
from gdinousam.models.adapters.lora import LoraSettings, add_lora
from gdinousam.models.loading import load_grounding_dino
from gdinousam.models.weights.origin import weights_kind, worst_kind
from gdinousam.records import WeightsKind


def sparse(path: Path, num_bytes: int) -> Path:
    """A file of a size that takes no room on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(num_bytes)
    return path


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("random", "random"),
        ("random-small", "random"),
        ("small", "small"),
        ("true-box", "full"),
        ("whole-image", "full"),
        (None, "full"),
        ("", "full"),
        ("IDEA-Research/grounding-dino-tiny", "full"),
    ],
)
def test_names_of_ours_and_hub_ids_are_known(name: str | None, kind: WeightsKind) -> None:
    assert weights_kind(name) == kind


def test_files_and_folders_are_judged_by_their_size(
    small_detector: Path, small_mask_head: Path, tmp_path: Path
) -> None:
    assert weights_kind(str(small_detector)) == weights_kind(str(small_mask_head)) == "small"
    assert weights_kind(str(sparse(tmp_path / "tuned.pth", 31_000_000))) == "small"
    tiny = sparse(tmp_path / "sam2.1_hiera_tiny.pt", 78_000_000)  # the smallest published one, in half precision
    assert weights_kind(str(tiny)) == "full"
    for number in (1, 2):
        sparse(tmp_path / "parts" / f"model-{number}.safetensors", 40_000_000)
    assert weights_kind(str(tmp_path / "parts")) == "full"


def adapter(folder: Path, base: str | None, **notes: dict[str, object]) -> str:
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": base}))
    (folder / "adapter_model.safetensors").write_bytes(b"few")
    for name, content in notes.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return str(folder)


def test_an_adapter_is_what_its_base_is(tmp_path: Path) -> None:
    gone = "/a/folder/that/is/gone"
    small, full = {"num_parameters": 7_800_000}, {"num_parameters": 172_000_000}
    random = {"started_from": "random-small"}
    assert weights_kind(adapter(tmp_path / "a", "small")) == "small"
    assert weights_kind(adapter(tmp_path / "b", gone, gdinousam_base=small)) == "small"
    assert weights_kind(adapter(tmp_path / "c", gone, gdinousam_base=full)) == "full"
    assert weights_kind(adapter(tmp_path / "d", "", gdinousam_base=small, training=random)) == "random"
    assert weights_kind(adapter(tmp_path / "e", "IDEA-Research/grounding-dino-tiny")) == "full"


def test_an_adapter_as_it_is_written_is_known(small_detector: Path, tmp_path: Path) -> None:
    model, _ = load_grounding_dino(str(small_detector))
    base = describe_base(model, str(small_detector))
    save_adapter(add_lora(model, LoraSettings(rank=2, alpha=2)), base, tmp_path)
    assert weights_kind(str(tmp_path)) == "small"


def test_one_part_makes_the_whole_what_it_is() -> None:
    assert worst_kind(["full", "small", "full"]) == "small"
    assert worst_kind(["small", "random"]) == "random"
    assert worst_kind(["full", "unknown"]) == "unknown"
    assert worst_kind([]) == "full"
