"""The hash that results name their weights by is one that anybody can compute from the files."""

import hashlib
import os
from pathlib import Path

from gdinousam.models.weights import origin as module
from gdinousam.models.weights.origin import weights_hash


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_file_has_the_hash_that_sha256sum_prints(tmp_path: Path) -> None:
    path = tmp_path / "medsam.pth"
    path.write_bytes(b"weights")
    found = weights_hash(str(path))
    assert found is not None
    assert (found.weights, found.settings) == (sha256(b"weights"), None)


def test_a_folder_of_one_weight_file_has_the_hash_of_that_file(tmp_path: Path) -> None:
    (tmp_path / "adapter_model.safetensors").write_bytes(b"weights")
    (tmp_path / "adapter_config.json").write_text('{"lora_alpha": 32}')
    (tmp_path / "training.json").write_text("{}")
    found = weights_hash(str(tmp_path))
    assert found is not None
    assert (found.weights, found.settings) == (sha256(b"weights"), sha256(b'{"lora_alpha": 32}'))
    for note in ("training.json", "gdinousam_base.json", "gdinousam_operating_point.json"):
        (tmp_path / note).write_text('{"a note": 1}')  # changes nothing in what the weights are
    assert weights_hash(str(tmp_path)) == found


def test_several_weight_files_have_the_hash_of_their_list(tmp_path: Path) -> None:
    for name in ("b.safetensors", "a.safetensors"):
        (tmp_path / name).write_bytes(name.encode())
    found = weights_hash(str(tmp_path))
    lines = "".join(f"{sha256(name.encode())}  {name}\n" for name in ("a.safetensors", "b.safetensors"))
    assert found is not None and found.weights == sha256(lines.encode())


def test_weights_that_are_no_files_have_none(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    for name in ("random", "random-small", str(tmp_path), "nobody/has-fetched-this"):
        assert weights_hash(name) is None


def test_a_file_that_changed_is_read_again_and_one_that_did_not_is_not(tmp_path: Path) -> None:
    path = tmp_path / "one.pth"
    path.write_bytes(b"first")
    first = weights_hash(str(path))
    before = module._sha256_of_version.cache_info().misses
    assert weights_hash(str(path)) == first and module._sha256_of_version.cache_info().misses == before
    path.write_bytes(b"other")
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))  # coarse clocks give both writes one time
    found = weights_hash(str(path))
    assert found is not None and found.weights == sha256(b"other")
