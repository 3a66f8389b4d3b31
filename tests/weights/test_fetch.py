"""Official files into their folder: fetched once, checked ever after, and never in place of something else."""

from __future__ import annotations

from pathlib import Path

import pytest
from servers import FileServer, sha256

from gdinousam.errors import InputError
from gdinousam.models.weights.checksums import SUMS, read_sums
from gdinousam.models.weights.fetch import fetch_weights
from gdinousam.models.weights.registry import OfficialFile, Weights


def official(server: FileServer, known: bool = True) -> Weights:
    file = OfficialFile(server.url, sha256(server.content), len(server.content)) if known else OfficialFile(server.url)
    return Weights("official-thing", "a thing", "Apache-2.0", 1, official=file)


def test_a_file_goes_to_a_folder_of_its_own_with_its_sum(server: FileServer, tmp_path: Path) -> None:
    line = fetch_weights(official(server), tmp_path / "out")
    path = tmp_path / "out" / "official-thing" / "weights.pth"
    assert line == f"official-thing: 1 file, 0.3 MB fetched, checked -> {path}"
    assert path.read_bytes() == server.content
    assert read_sums(path.parent) == {"weights.pth": sha256(server.content)}


def test_where_no_hash_is_known_it_says_that_only_the_size_was_checked(server: FileServer, tmp_path: Path) -> None:
    assert "its size checked (no sha256 is known)" in fetch_weights(official(server, known=False), tmp_path)


@pytest.mark.parametrize("known", [True, False])
def test_a_second_run_checks_and_asks_no_server(server: FileServer, tmp_path: Path, known: bool) -> None:
    fetch_weights(official(server, known), tmp_path)
    assert "already there, checked" in fetch_weights(official(server, known), tmp_path)
    assert len(server.requests) == 1


@pytest.mark.parametrize("known", [True, False])
def test_a_file_that_was_damaged_later_is_found_and_left_alone(server: FileServer, tmp_path: Path, known: bool) -> None:
    fetch_weights(official(server, known), tmp_path)
    path = tmp_path / "official-thing" / "weights.pth"
    path.write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"is there but has sha256 .*, expected sha256 .*; move it away"):
        fetch_weights(official(server, known), tmp_path)
    assert path.read_bytes() == b"damaged"


@pytest.mark.parametrize("known", [True, False])
def test_a_file_that_somebody_put_there_is_checked_not_fetched(server: FileServer, tmp_path: Path, known: bool) -> None:
    path = tmp_path / "official-thing" / "weights.pth"
    path.parent.mkdir()
    path.write_bytes(server.content)
    assert "already there, checked" in fetch_weights(official(server, known), tmp_path)
    assert (path.parent / SUMS).is_file()
    path.write_bytes(b"something else")
    (path.parent / SUMS).unlink()
    with pytest.raises(InputError, match="is there but has"):
        fetch_weights(official(server, known), tmp_path)
    assert path.read_bytes() == b"something else"


def test_a_folder_that_cannot_be_made_is_named(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(InputError, match=r"cannot use .*out"):
        fetch_weights(official(server), tmp_path / "out")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is always full")
def test_sums_that_cannot_be_written_are_one_line(server: FileServer, tmp_path: Path) -> None:
    folder = tmp_path / "official-thing"
    folder.mkdir()
    (folder / f".{SUMS}.new").mkdir()  # where the file would be made
    with pytest.raises(InputError, match="Is a directory"):
        fetch_weights(official(server), tmp_path)
