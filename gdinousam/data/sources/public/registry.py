"""The public datasets that can be prepared, found by name or by what a folder holds."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from gdinousam.data.sources.public.interface import PublicDataset
from gdinousam.errors import InputError

# Table 1 of the paper, in its order: the module of each dataset and the class in it.
MODULES = {
    "breast": "BrEaST",
    "buid": "Buid",
    "busuc": "Busuc",
    "busuclm": "Busuclm",
    "busb": "Busb",
    "busi": "Busi",
    "stu": "Stu",
    "s1": "S1",
    "busbra": "Busbra",
    "tn3k": "Tn3k",
    "tg3k": "Tg3k",
    "tnscui": "Tnscui",
    "us105": "Us105",
    "aul": "Aul",
    "microseg": "MicroSeg",
    "regpro": "RegPro",
    "kidneyus": "KidneyUS",
    "luminous": "Luminous",
}
MAX_DEPTH = 3  # folders that an archive may wrap round a release


def all_datasets() -> tuple[PublicDataset, ...]:
    """Every dataset that can be prepared, in the order of table 1."""
    return tuple(getattr(import_module(f"{__package__}.{module}"), name)() for module, name in MODULES.items())


def find_dataset(name: str) -> PublicDataset:
    """The dataset of a name, alias or tag, in any letter case; ``InputError`` with the nearest name for any other."""
    by_name = {known.lower(): dataset for dataset in all_datasets() for known in _names(dataset)}
    if name.lower() in by_name:
        return by_name[name.lower()]
    nearest = difflib.get_close_matches(name.lower(), list(by_name), n=1)
    hint = f"did you mean {by_name[nearest[0]].facts.name}?" if nearest else "--list shows the known ones"
    raise InputError(f"{name}: no public dataset of this name; {hint}")


def find_release(dataset: PublicDataset, folder: Path) -> Path:
    """The folder at or below ``folder`` that holds the release, for archives wrap it in folders of their own.

    Raises ``InputError`` where there is none or more than one, and says which dataset the folder looks like.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the unpacked release of {dataset.facts.name} or its archive")
    roots = [root for root in _folders(folder, MAX_DEPTH) if _holds(dataset, root)]
    if len(roots) == 1:
        return roots[0]
    if roots:
        named = ", ".join(str(root.relative_to(folder)) for root in roots)
        raise InputError(f"{folder}: holds {dataset.facts.name} more than once ({named}); name one of them")
    others = [other.facts.name for other, _ in recognised(folder)]
    looks = f"it looks like {' and '.join(others)}" if others else "it looks like none of the known datasets"
    wanted = ", ".join(dataset.signature)
    raise InputError(f"{folder}: not the release of {dataset.facts.name} ({looks}); expected in it: {wanted}")


def recognised(folder: Path, max_depth: int = MAX_DEPTH) -> list[tuple[PublicDataset, Path]]:
    """The datasets whose releases lie at or below a folder, each with its root, in the order of table 1."""
    roots = list(_folders(folder, max_depth))
    return [(dataset, root) for dataset in all_datasets() for root in roots if _holds(dataset, root)]


def _names(dataset: PublicDataset) -> tuple[str, ...]:
    return dataset.facts.name, dataset.facts.tag, *dataset.facts.aliases


def _holds(dataset: PublicDataset, root: Path) -> bool:
    return all(next(root.glob(pattern), None) is not None for pattern in dataset.signature)


def _folders(folder: Path, max_depth: int) -> Iterator[Path]:
    """The folder and those below it, level by level, hidden ones left aside."""
    level = [folder]
    for _ in range(max_depth + 1):
        yield from level
        level = [
            below for above in level for below in sorted(above.iterdir()) if below.is_dir() and below.name[0] != "."
        ]
