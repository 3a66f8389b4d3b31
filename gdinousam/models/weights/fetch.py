"""Bring named weights into a folder: what is there already is checked, what is missing is fetched and checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gdinousam.errors import InputError
from gdinousam.models.weights.checksums import add_sums, check_present, read_sums, sha256_of
from gdinousam.models.weights.hub import fetch_from_hub
from gdinousam.models.weights.plain import fetch_file, size_at
from gdinousam.models.weights.registry import OfficialFile, Weights


def fetch_weights(weights: Weights, out: Path) -> str:
    """Make ``out/NAME`` hold the weights and return a line that says what was done and what to name in a config.

    Nothing that is there already is changed. Raises InputError where something cannot be fetched or is not what it
    should be; what arrived so far is kept, and the next run goes on from there.
    """
    folder = out / weights.name
    fetched: list[str] = []
    with one_line_disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        # the hub's part first: beside an official file it is small, and a failure shows at once
        if weights.hub is not None:
            fetched += fetch_from_hub(weights.hub, folder)
        if weights.official is not None:
            fetched += _fetch_official(weights.official, folder)
    path = folder / weights.official.name if weights.official else folder
    unknown = weights.official is not None and weights.official.sha256 is None
    return f"{weights.name}: {summary(folder, fetched, sum_is_known=not unknown)} -> {path}"


@contextmanager
def one_line_disk_errors(folder: Path) -> Iterator[None]:
    """Turn what the disk raises into one line."""
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot use {error.filename or folder} ({error.strerror}); name another folder") from error


def summary(folder: Path, fetched: Sequence[str], sum_is_known: bool = True) -> str:
    """What was done, in words. fetched: files that were not there before. sum_is_known: they were checked by a sum."""
    if not fetched:
        return "already there, checked"
    megabytes = sum((folder / name).stat().st_size for name in fetched) / 1e6
    files = "1 file" if len(fetched) == 1 else f"{len(fetched)} files"
    checked = "checked" if sum_is_known else "its size checked (no sha256 is known)"
    return f"{files}, {megabytes:.1f} MB fetched, {checked}"


def _fetch_official(file: OfficialFile, folder: Path) -> list[str]:
    """The names of what was fetched: the file's, or none."""
    path = folder / file.name
    if not path.exists():
        add_sums(folder, {file.name: fetch_file(file.url, path, file.sha256, file.num_bytes)})
        return [file.name]
    expected = file.sha256 or read_sums(folder).get(file.name)
    if expected is None:
        _check_size(file, path)
    found = sha256_of(path)
    check_present(path, f"sha256 {expected or found}", f"sha256 {found}")
    add_sums(folder, {file.name: found})
    return []


def _check_size(file: OfficialFile, path: Path) -> None:
    """A file that somebody put there, of which no sum is known: at least its size must be the published file's."""
    expected = file.num_bytes or size_at(file.url)
    check_present(path, f"{expected} bytes", f"{path.stat().st_size} bytes")
