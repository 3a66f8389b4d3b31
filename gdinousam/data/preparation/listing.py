"""Which datasets can be prepared, and which of them lie below a folder."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from gdinousam.data.preparation.archives import is_archive, unpacked, with_lower_suffixes
from gdinousam.data.sources.public.interface import PublicDataset
from gdinousam.data.sources.public.registry import all_datasets, recognised
from gdinousam.errors import InputError


def list_datasets() -> str:
    """A table of every dataset: name, organ, cases, images in table 1 of the paper, phrases, home page and licence."""
    lines = []
    for dataset in all_datasets():
        facts = dataset.facts
        cases = ", ".join(f"{number} {label}" for label, number in facts.expected.items())
        train, val, test = facts.paper_counts
        lines += [
            f"{facts.name} ({facts.organ}, {facts.role}): {cases}",
            f"    table 1: {train + val + test} images, {train} train, {val} val, {test} test",
            f"    phrases: {'; '.join(dict.fromkeys(facts.phrases.values()))} (paper: {'; '.join(facts.phrases)})",
            f"    {facts.homepage}",
            f"    licence: {facts.licence}",
        ]
    return "\n".join(lines)


def found_releases(root: Path, scratch: Path, progress: bool = True) -> Iterator[tuple[PublicDataset, Path]]:
    """Every release below a folder, one after the other, as (dataset, its folder).

    root: holds one folder or archive per download. scratch: an existing folder; archives are unpacked below it and
    removed again before the next one. Raises ``InputError`` where the folder does not exist or holds no release.
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; give the one that holds the downloads")
    num_found = 0
    for entry in sorted(root.iterdir()):
        if entry.name.startswith(".") or not (entry.is_dir() or is_archive(entry)):
            continue
        with tempfile.TemporaryDirectory(dir=scratch, prefix=".release.") as temporary:
            folder = with_lower_suffixes(
                unpacked(entry, Path(temporary) / entry.name, progress), Path(temporary) / "lower-case"
            )
            for dataset, release in recognised(folder):
                num_found += 1
                yield dataset, release
    if not num_found:
        raise InputError(f"{root}: no release of a known dataset below it; --list shows the known ones")
