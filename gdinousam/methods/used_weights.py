"""Weights by name and hash, as the results of a method name them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gdinousam.evaluation.scoring.trace import UsedWeights
from gdinousam.methods.config import ModelSettings
from gdinousam.models.loading import SMALL, SMALL_DETECTOR, detector_and_adapter
from gdinousam.models.weights.origin import weights_hash
from gdinousam.settings import OWN_MODEL_NAMES

_SHOWN_PARTS = 2  # of a folder's path: runs are told apart by their own name and that of the weights in them


def detector_used(model: ModelSettings) -> dict[str, UsedWeights]:
    """The detector and, where there is one, the adapter on it; both have been fetched."""
    name, folder = detector_and_adapter(model.detector, model.adapter)
    used = {"detector": weights_used(name, SMALL_DETECTOR)}
    if folder is None:
        return used
    # by the name in the config: the folder of a hub id is one of its cache
    return used | {"adapter": replace(weights_used(str(folder)), name=_short(str(model.adapter or model.detector)))}


def weights_used(name: str, small: Path | None = None) -> UsedWeights:
    """A file, folder, hub id or own name with its hashes. small: the folder of the bundled weights, where the name may
    mean them.
    """
    found = weights_hash(str(small) if name == SMALL and small is not None else name)
    if found is None:
        return UsedWeights(_short(name), None, None)
    return UsedWeights(_short(name), found.weights, found.settings)


def _short(name: str) -> str:
    """A file's name, the end of a folder's path; other names as they are."""
    path = Path(name)
    if name in OWN_MODEL_NAMES or not path.exists():
        return name
    return path.name if path.is_file() else "/".join(path.resolve().parts[-_SHOWN_PARTS:])
