"""Fetch the files of a hub repository that are needed, and check each against what the hub states.

``HF_ENDPOINT`` (a mirror), ``HF_HUB_OFFLINE`` and a login work as everywhere with huggingface_hub, which does the
transport and keeps what it needs to go on in ``.cache`` inside the folder. Versions 0.34 to 2 are supported.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)

from gdinousam.errors import InputError
from gdinousam.models.weights.checksums import (
    add_sums,
    check_arrived,
    check_present,
    git_blob_id_of,
    read_sums,
    sha256_of,
)
from gdinousam.models.weights.choice import best_of_run, downloaded, is_hub_id, is_reachable
from gdinousam.models.weights.registry import HubRepository

# What transformers reads beside the weights; a repository holds some of these.
_SETTINGS = (
    "config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
)
# One file, or several with an index; the first kind that a repository has is taken.
_WEIGHTS = (
    ("model.safetensors", "model-*.safetensors", "model.safetensors.index.json"),
    ("pytorch_model.bin", "pytorch_model-*.bin", "pytorch_model.bin.index.json"),
)
# The base of transport errors: of requests below version 1 of huggingface_hub, of httpx in 1, of httpx2 in 2.
TRANSPORT_ERROR: type[Exception] = HfHubHTTPError.__bases__[0]
_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class Stated:
    """What the hub says about a file: its size in bytes, and the sha256 of a large or the git id of a small one."""

    name: str
    num_bytes: int | None
    sha256: str | None
    git_id: str | None


@dataclass(frozen=True)
class Listing:
    """The files of a repository by name, at one commit."""

    repo_id: str
    commit: str
    files: Mapping[str, Stated]


def fetch_from_hub(repository: HubRepository, folder: Path) -> list[str]:
    """Make a folder hold the files of a repository; returns the names of what was fetched, empty where all was there.

    Where an earlier run finished, the files are checked against ``SHA256SUMS`` and the hub is not asked. Raises
    InputError where the hub cannot be reached, lacks something, or a file is not what the hub states.
    """
    recorded = read_sums(folder)
    names = repository.files or tuple(recorded)
    if names and all(name in recorded and (folder / name).exists() for name in names):
        check_recorded(folder, names)
        return []
    repo_id = repository.repo_id
    listing = list_files(repo_id)
    return fetch_files(listing, list(repository.files) or choose_files(list(listing.files), repo_id), folder)


def check_recorded(folder: Path, names: Iterable[str]) -> None:
    """Hold files of an earlier run against ``SHA256SUMS``; InputError for one that was changed."""
    recorded = read_sums(folder)
    for name in names:
        check_present(folder / name, f"sha256 {recorded[name]}", f"sha256 {sha256_of(folder / name)}")


def choose_files(names: list[str], repo_id: str) -> list[str]:
    """Of a repository's files those that transformers needs to load the model.

    Files in subfolders, of other frameworks and of the original code are left out; ``pytorch_model.bin`` is taken only
    where there are no safetensors. Raises InputError where config or weights are missing.
    """
    for patterns in _WEIGHTS:
        weights = [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]
        if weights and "config.json" in names:
            return [name for name in names if name in _SETTINGS] + weights
    raise InputError(f"hub {repo_id}: holds no model in transformers' format (config.json with weights)")


def fetch_files(listing: Listing, names: Sequence[str], folder: Path) -> list[str]:
    """Make a folder hold these files of a repository; returns those that were not there. Errors: ``fetch_from_hub``."""
    repo_id, listed = listing.repo_id, listing.files
    absent = [name for name in names if name not in listed]
    if absent:
        raise InputError(f"hub {repo_id}: holds no {', '.join(absent)}; the repository has changed")
    unstated = [name for name in names if not (listed[name].sha256 or listed[name].git_id)]
    if unstated:
        raise InputError(f"hub {repo_id}: no sum of {', '.join(unstated)} is stated; is HF_ENDPOINT a poor mirror?")
    sums, fetched = {}, []
    for name in names:
        path, stated = folder / name, listed[name]
        if path.exists():  # never left to the hub's client, which replaces a file that differs
            check_present(path, *_expected_and_found(path, stated))
        else:
            with _one_line_errors(repo_id):
                hf_hub_download(repo_id, name, revision=listing.commit, local_dir=folder)
            check_arrived(path, path, *_expected_and_found(path, stated))
            fetched.append(name)
        sums[name] = stated.sha256 or sha256_of(path)
    add_sums(folder, sums)
    return fetched


def list_files(repo_id: str) -> Listing:
    """Ask the hub for the files of a repository. Errors: ``fetch_from_hub``."""
    with _one_line_errors(repo_id):
        info = HfApi().model_info(repo_id, files_metadata=True, timeout=_TIMEOUT_SECONDS)
    if info.sha is None or not info.siblings:
        raise InputError(f"hub {repo_id}: the hub states no commit or no files; try again later")
    files = {
        file.rfilename: Stated(file.rfilename, file.size, file.lfs.sha256 if file.lfs else None, file.blob_id)
        for file in info.siblings
    }
    return Listing(repo_id, info.sha, files)


def _expected_and_found(path: Path, stated: Stated) -> tuple[str, str]:
    """What the hub states and what the file has, in words: sha256 of a large file, git id of a small one."""
    num_bytes = path.stat().st_size
    if stated.num_bytes not in (None, num_bytes):
        return f"{stated.num_bytes} bytes", f"{num_bytes} bytes"
    if stated.sha256 is not None:
        return f"sha256 {stated.sha256}", f"sha256 {sha256_of(path)}"
    return f"git id {stated.git_id}", f"git id {git_blob_id_of(path)}"


@contextmanager
def _one_line_errors(repo_id: str) -> Iterator[None]:
    """Turn what huggingface_hub raises into one line."""
    try:
        yield
    except OfflineModeIsEnabled as error:
        raise InputError(
            f"hub {repo_id}: HF_HUB_OFFLINE is set, so nothing is fetched; unset it and run again"
        ) from error
    except RepositoryNotFoundError as error:
        raise InputError(f"hub {repo_id}: no such repository, or it needs a login (hf auth login)") from error
    # RuntimeError is what the hub's fast transport (hf-xet) raises
    except (OSError, TRANSPORT_ERROR, RuntimeError) as error:
        reason = f"{_root_reason(error)}; what arrived is kept; check connection and disk, then run again to go on"
        raise InputError(f"hub {repo_id}: not fetched: {reason}") from error


def _root_reason(error: BaseException) -> str:
    """The first line of the innermost error, such as a refused connection or a full disk; the others only wrap it."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    text = (isinstance(error, OSError) and error.strerror) or str(error).partition("\n")[0]
    return text or type(error).__name__


logger = logging.getLogger(__name__)


def file_beside(name: str | Path, file: str) -> Path | None:
    """A file beside weights, ``None`` where there is none.

    name: a folder, a weight file, which is taken to have nothing beside it, or a hub id, of which the hub is asked, or
    the cache where there is no network. Where neither can tell that is logged.
    """
    name = downloaded(name) or best_of_run(name)
    if not is_hub_id(name):
        path = Path(name) / file
        return path if path.is_file() else None
    is_reachable()  # without a connection the cache alone is asked
    try:
        return Path(hf_hub_download(str(name), file))
    except LocalEntryNotFoundError:
        logger.debug(
            "%s: the hub cannot be asked and the cache does not hold %s; it is taken to be missing", name, file
        )
    except (EntryNotFoundError, HFValidationError):
        pass
    except (OSError, TRANSPORT_ERROR, RuntimeError) as error:
        reason = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        logger.warning("%s: %s could not be fetched (%s); it is taken to be missing", name, file, reason[0])
    return None


def folder_with(name: str | Path, file: str, others: Iterable[str]) -> Path | None:
    """The folder of weights that are told by one file, with the other files beside it; ``None`` without that file.

    others: fetched too where the repository of a hub id has them, of the same commit.
    """
    found = file_beside(name, file)
    if found is None:
        return None
    if is_hub_id(name) and downloaded(name) is None:
        for other in others:
            try:
                hf_hub_download(str(name), other, revision=found.parent.name)  # the cache calls it by its commit
            except EntryNotFoundError:
                continue
    return found.parent
