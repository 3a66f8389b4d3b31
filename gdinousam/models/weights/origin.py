"""What weights are: their hash, and whether they are random, of a small model, or of a published size."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

from gdinousam.models.adapters.base_note import BASE_NOTE
from gdinousam.models.adapters.files import adapter_folder
from gdinousam.models.bundled import BUNDLED
from gdinousam.models.detector.operating_point import OPERATING_POINT
from gdinousam.models.loading import RANDOM_SMALL
from gdinousam.models.mask_heads.random_sam import RANDOM
from gdinousam.models.processors import PREPROCESSOR
from gdinousam.models.weights.checksums import sha256_of
from gdinousam.reading import read_json_object
from gdinousam.records import WeightsKind
from gdinousam.settings import OWN_MODEL_NAMES, REFERENCES

WEIGHT_SUFFIXES = {".safetensors", ".bin", ".pth", ".pt"}
TRAINING_NOTE = "training.json"
_SHOWN_PARTS = 2  # of a folder's path: runs are told apart by their own name and that of the weights in them
_SETTING_SUFFIXES = {".json", ".txt"}  # of the model, its pictures and its tokenizer
# They say where weights come from, hold thresholds and the like, which results note as well, or are for other programs.
_NOTES = {TRAINING_NOTE, BASE_NOTE, OPERATING_POINT, PREPROCESSOR}


@dataclass(frozen=True)
class WeightsHash:
    """weights: of the weight file, as ``sha256sum`` prints it; of several files, that of their list in the form of
    ``sha256sum``. settings: of what lies beside them in their folder and shapes their answers; ``None`` for a file.
    Both are 64 hexadecimal digits.
    """

    weights: str
    settings: str | None


def short_name(name: str) -> str:
    """What weights are called in results: a file by its name, a folder by the end of its path, others as they are."""
    path = Path(name)
    if name in OWN_MODEL_NAMES or not path.exists():
        return name
    return path.name if path.is_file() else "/".join(path.resolve().parts[-_SHOWN_PARTS:])


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


# The smallest published model, SAM2.1 tiny, has 39 million parameters, which take 78 MB in half precision. The bundled
# small detectors have 4.7 and 7.8 million: 10 and 16 MB, and 20 and 31 MB in single precision.
FEWEST_PARAMETERS = 35_000_000
_FEWEST_BYTES = 2 * FEWEST_PARAMETERS
_BASE_OF_ADAPTER = "adapter_config.json"
# The more a kind takes from what the numbers say, the earlier it stands.
_WORST_FIRST: tuple[WeightsKind, ...] = ("random", "small", "unknown", "full")


def weights_kind(name: str | None) -> WeightsKind:
    """What the weights are that a config names by a name of ours, a file, a folder or a hub id.

    Files and folders are judged by their size, adapters by the base that the notes beside them name. A hub id is taken
    to be of full size. ``None``, ``true-box`` and ``whole-image`` have no weights, which takes nothing away: full.
    Files that hold fewer numbers by design, those of compared methods, are not for this function.
    """
    if name in (RANDOM, RANDOM_SMALL):
        return "random"
    if name in BUNDLED:
        return "small"
    if not name or name in REFERENCES:
        return "full"
    if (folder := adapter_folder(name)) is not None:
        return _kind_of_adapter(folder)
    path = Path(name)
    num_bytes = _num_weight_bytes(path)
    return "small" if num_bytes and num_bytes < _FEWEST_BYTES else "full"


def worst_kind(kinds: Iterable[WeightsKind]) -> WeightsKind:
    """Of the kinds of a method's parts that of the whole: one random part makes all of it random. No parts: full."""
    return min(kinds, key=_WORST_FIRST.index, default="full")


def _kind_of_adapter(folder: Path) -> WeightsKind:
    """That of its base: as the training noted it, by its number of parameters, or by its name."""
    started_from = _noted(folder / TRAINING_NOTE).get("started_from")
    if started_from in (RANDOM, RANDOM_SMALL):
        return "random"
    base = _noted(folder / BASE_NOTE)
    if "num_parameters" in base:
        return "small" if base["num_parameters"] < FEWEST_PARAMETERS else "full"
    return weights_kind(_noted(folder / _BASE_OF_ADAPTER).get("base_model_name_or_path"))


def _noted(path: Path) -> dict[str, Any]:
    return read_json_object(path) if path.is_file() else {}


def _num_weight_bytes(path: Path) -> int:
    """Size of a weight file, or of all in a folder; 0 for a hub id."""
    return sum(one.stat().st_size for one in weight_files(path))
