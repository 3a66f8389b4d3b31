"""The hash of the weights that a name stands for, so that results can be traced to them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

from gdinousam.models.adapters.base_note import BASE_NOTE
from gdinousam.models.detector.operating_point import OPERATING_POINT
from gdinousam.models.loading import RANDOM_SMALL
from gdinousam.models.mask_heads.random_sam import RANDOM
from gdinousam.models.weights.checksums import sha256_of

WEIGHT_SUFFIXES = {".safetensors", ".bin", ".pth", ".pt"}
TRAINING_NOTE = "training.json"
_SETTING_SUFFIXES = {".json", ".txt"}  # of the model, its pictures and its tokenizer
# They say where weights come from, or hold thresholds, which the config of the results holds as well.
_NOTES = {TRAINING_NOTE, BASE_NOTE, OPERATING_POINT}


@dataclass(frozen=True)
class WeightsHash:
    """weights: of the weight file, as ``sha256sum`` prints it; of several files, that of their list in the form of
    ``sha256sum``. settings: of what lies beside them in their folder and shapes their answers; ``None`` for a file.
    Both are 64 hexadecimal digits.
    """

    weights: str
    settings: str | None


def weights_hash(name: str) -> WeightsHash | None:
    """The hash of a file, of a folder, or of a hub id whose files have been fetched.

    ``None`` for random weights and where no weight file is found. A file is read again only where its size or time
    has changed since this process read it.
    """
    path = Path(name)
    if name in (RANDOM, RANDOM_SMALL):
        return None
    if path.is_file():
        return WeightsHash(_sha256(path), None)
    folder = path if path.is_dir() else _fetched_folder(name)
    if folder is None:
        return None
    weights = weight_files(folder)
    if not weights:
        return None
    settings = [one for one in _files(folder, _SETTING_SUFFIXES) if one.name not in _NOTES]
    return WeightsHash(_of_all(weights), _of_all(settings) if settings else None)


def weight_files(path: Path) -> list[Path]:
    """A weight file itself, or all that lie in a folder, by name; empty where there are none."""
    return [path] if path.is_file() else _files(path, WEIGHT_SUFFIXES)


def _files(folder: Path, suffixes: set[str]) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.suffix in suffixes and path.is_file())


def _fetched_folder(hub_id: str) -> Path | None:
    try:
        return Path(snapshot_download(hub_id, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError):
        return None


def _of_all(files: Sequence[Path]) -> str:
    if len(files) == 1:
        return _sha256(files[0])
    lines = "".join(f"{_sha256(path)}  {path.name}\n" for path in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def _sha256(path: Path) -> str:
    stat = path.stat()
    return _sha256_of_version(path.resolve(), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=256)
def _sha256_of_version(path: Path, size: int, mtime_ns: int) -> str:
    return sha256_of(path)
