"""Sums of files and the list that is kept of them."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from gdinousam.errors import InputError
from gdinousam.models.weights.checksums import SUMS, add_sums, git_blob_id_of, read_sums, sha256_of


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"hello world\n")
    return path


def test_sums_are_those_that_the_usual_tools_give(file: Path) -> None:
    assert sha256_of(file) == hashlib.sha256(b"hello world\n").hexdigest()
    assert (
        git_blob_id_of(file) == "3b18e512dba79e4c8300dd08aeb37f8e728b8dad"
    )  # echo hello world | git hash-object --stdin


def test_sums_are_read_as_written_and_new_ones_added(file: Path) -> None:
    assert read_sums(file.parent) == {}
    add_sums(file.parent, {"b": "0" * 64})
    add_sums(file.parent, {"a": "1" * 64, "b": "2" * 64})
    assert read_sums(file.parent) == {"a": "1" * 64, "b": "2" * 64}


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs the command sha256sum")
def test_sha256sum_can_check_the_list(file: Path) -> None:
    add_sums(file.parent, {file.name: sha256_of(file)})
    command = ["sha256sum", "--check", "--strict", SUMS]
    assert subprocess.run(command, cwd=file.parent, capture_output=True).returncode == 0
    file.write_bytes(b"changed")
    assert subprocess.run(command, cwd=file.parent, capture_output=True).returncode == 1


def test_a_damaged_list_is_named_with_its_line(file: Path) -> None:
    (file.parent / SUMS).write_text(f"{'0' * 64}  fine\nwhat is this\n")
    with pytest.raises(InputError, match="SHA256SUMS, line 2"):
        read_sums(file.parent)
