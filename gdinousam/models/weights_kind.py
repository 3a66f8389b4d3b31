"""What the weights are that a config names: random, of a small model, or of a published size.

A method is called after published models of full size, so tables have to say where its weights are others.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gdinousam.json_files import read_json_object
from gdinousam.models.adapter_files import adapter_folder
from gdinousam.models.base_note import BASE_NOTE
from gdinousam.models.boxes_to_masks import TRUE_BOX, WHOLE_IMAGE
from gdinousam.models.loading import RANDOM_SMALL, SMALL
from gdinousam.models.random_sam import RANDOM
from gdinousam.models.weights_hash import TRAINING_NOTE, weight_files
from gdinousam.records import WeightsKind

# The smallest published model, SAM2.1 tiny, has 39 million parameters, which take 78 MB in half precision. The bundled
# small detector has 7.8 million: 16 MB, and 31 MB in single precision.
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
    if name == SMALL:
        return "small"
    if not name or name in (TRUE_BOX, WHOLE_IMAGE):
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
