"""Sums of files: computed, compared, and kept in ``SHA256SUMS``, which ``sha256sum -c`` reads too."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from tqdm import tqdm

from gdinousam.errors import InputError
from gdinousam.files import write_text

SUMS = "SHA256SUMS"
REJECTED = ".rejected"
_CHUNK = 1 << 20
_LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](.+)")


def sha256_of(path: Path) -> str:
    """The sha256 of a file as 64 lower-case hexadecimal digits; a bar shows on a large one."""
    return _digest(path, hashlib.sha256())


def git_blob_id_of(path: Path) -> str:
    """The id that git, and so the hub, gives to a file with this content: 40 hexadecimal digits."""
    return _digest(path, hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False))


def read_sums(folder: Path) -> dict[str, str]:
    """File name -> sha256 as an earlier run wrote them; empty where none did.

    Raises InputError for a file that is not a list of sums.
    """
    path = folder / SUMS
    if not path.is_file():
        return {}
    sums = {}
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise InputError(f"{path}, line {number}: not a sha256 and a file name; delete {SUMS} and run again")
        sums[match[2]] = match[1].lower()
    return sums


def add_sums(folder: Path, sums: dict[str, str]) -> None:
    """Add file name -> sha256 to the list of a folder; a file that is listed already gets the new one."""
    path = folder / SUMS
    merged = read_sums(folder) | sums
    write_text(path, "".join(f"{merged[name]}  {name}\n" for name in sorted(merged)))


def check_present(path: Path, expected: str, found: str) -> None:
    """Raise InputError where a file that was there before us is not what it should be; it is left alone.

    expected, found: a sum or size in words, such as ``12 bytes``; they are compared and shown.
    """
    if found != expected:
        raise InputError(f"{path} is there but has {found}, expected {expected}; move it away and run again")


def check_arrived(arrived: Path, path: Path, expected: str, found: str) -> None:
    """Raise InputError where a file that we fetched to ``arrived`` is not what it should be; as ``check_present``.

    It is then kept beside ``path`` under a name that nothing continues or loads, so that the next run starts over.
    """
    if found != expected:
        rejected = path.with_name(path.name + REJECTED)
        arrived.replace(rejected)
        raise InputError(
            f"{path.name} arrived with {found}, expected {expected}; kept as {rejected}; run again to start over"
        )


def _digest(path: Path, digest: Any) -> str:
    # A file of 2.5 GB takes some ten seconds; small ones are done before the bar would show.
    with (
        path.open("rb") as file,
        tqdm(total=path.stat().st_size, desc=f"checking {path.name}", unit="B", unit_scale=True, delay=1.0) as bar,
    ):
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            bar.update(len(chunk))
    return str(digest.hexdigest())
