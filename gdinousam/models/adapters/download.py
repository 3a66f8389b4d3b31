"""Fetch a LoRA from a hub repository of which only the name is known: told by what a file holds, not by its name.

The repository of the paper's authors could not be reached where this was written. So its files are listed, those that
may hold a LoRA are fetched one after the other, the most likely first, and the first that our readers recognise is it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gdinousam.errors import InputError
from gdinousam.models.adapters.files import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from gdinousam.models.adapters.loading import describe_adapter
from gdinousam.models.weights.checksums import read_sums
from gdinousam.models.weights.fetch import one_line_disk_errors, summary
from gdinousam.models.weights.hub import Listing, check_recorded, fetch_files, list_files
from gdinousam.models.weights.registry import HubRepository, Weights

_ENDINGS = (".pth", ".pt", ".ckpt", ".bin", ".safetensors")
_LIKELY = ("best", "lora", "adapter")  # in the name; the public code writes best_model.pth beside many checkpoints
# With all frozen weights of its base and an optimizer such a file has 0.8 GB; larger ones are other models.
MAX_BYTES = 1_500_000_000
_NUM_NAMED = 12  # files that a message names; it counts the rest


@dataclass(frozen=True)
class _Candidate:
    """What may be a LoRA. path: of the file, or of peft's folder, below the repository. files: that it is made of."""

    path: str
    files: tuple[str, ...]


def fetch_adapter(weights: Weights, out: Path) -> str:
    """Make ``out/NAME`` hold the LoRA of a repository and return a line with what it is and where.

    What is there already is checked and not fetched again. Raises InputError where the hub cannot be reached, or where
    no file of the repository is a LoRA that ``load_adapter`` reads; then it names the files and what they hold.
    """
    assert weights.hub is not None
    folder = out / weights.name
    with one_line_disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        found = _found_earlier(folder) or _find(weights.hub, folder)
    return f"{weights.name}: {summary(folder, found.fetched)}; {found.what}{found.others} -> {folder / found.path}"


def downloaded_adapter(folder: Path) -> Path | None:
    """The LoRA file or folder that ``fetch_adapter`` left in ``out/NAME``; ``None`` where there is none.

    Raises InputError where a file was changed since.
    """
    found = _found_earlier(folder) if folder.is_dir() else None
    return None if found is None else folder / found.path


@dataclass(frozen=True)
class _Found:
    """path: as in ``_Candidate``. what: it is, in words. others: weight files that it was chosen from, in words."""

    path: str
    what: str
    fetched: tuple[str, ...] = ()
    others: str = ""


def _found_earlier(folder: Path) -> _Found | None:
    sizes = {name: 0 for name in read_sums(folder) if (folder / name).is_file()}
    check_recorded(folder, sizes)
    for candidate in _candidates(sizes):
        try:
            return _Found(candidate.path, describe_adapter(folder / candidate.path))
        except InputError:
            continue  # one of those that an earlier run fetched in vain
    return None


def _find(repository: HubRepository, folder: Path) -> _Found:
    listing = list_files(repository.repo_id)
    candidates = _candidates({name: stated.num_bytes or 0 for name, stated in listing.files.items()})
    fetched: list[str] = []
    reasons = []
    for candidate in candidates:
        fetched += fetch_files(listing, candidate.files, folder)
        try:
            what = describe_adapter(folder / candidate.path)
        except InputError as error:
            reasons.append(str(error).replace(f"{folder}/", ""))
            continue
        others = [other.path for other in candidates if other != candidate]
        chosen_from = f" (other weight files there: {_named(others)})" if others else ""
        return _Found(candidate.path, what, tuple(fetched), chosen_from)
    raise InputError(_nothing_found(listing, reasons))


def _candidates(sizes: Mapping[str, int]) -> list[_Candidate]:
    """What may be a LoRA among files, the most likely first. sizes: in bytes by name, 0 where unknown."""
    names = [name for name in sizes if ".." not in PurePosixPath(name).parts]
    folders = [PurePosixPath(name).parent for name in names if PurePosixPath(name).name == ADAPTER_CONFIG]
    whole = {folder: str(folder / ADAPTER_WEIGHTS) for folder in folders if str(folder / ADAPTER_WEIGHTS) in sizes}
    candidates = [_Candidate(str(folder), (str(folder / ADAPTER_CONFIG), file)) for folder, file in whole.items()]
    single = [name for name in names if name.lower().endswith(_ENDINGS) and name not in whole.values()]
    single = [name for name in single if sizes[name] <= MAX_BYTES]
    return candidates + [_Candidate(name, (name,)) for name in sorted(single, key=lambda name: _rank(name, sizes))]


def _rank(name: str, sizes: Mapping[str, int]) -> tuple[bool, int, str]:
    return not any(word in name.lower() for word in _LIKELY), sizes[name], name


def _nothing_found(listing: Listing, reasons: list[str]) -> str:
    looked = f"; looked into: {'; '.join(reasons)}" if reasons else "; none of them is a weight file that may be one"
    return (
        f"hub {listing.repo_id}: holds no LoRA that is known here; its files are {_named(listing.files)}{looked}. "
        "Fetch what you need by hand and name it in model.adapter, or in model.detector if it is a whole detector"
    )


def _named(names: Iterable[str]) -> str:
    listed = sorted(names)
    more = f" and {len(listed) - _NUM_NAMED} more" if len(listed) > _NUM_NAMED else ""
    return ", ".join(listed[:_NUM_NAMED]) + more
