"""What a test config's weights are, and whether it is a reference: what the tables of its results have to admit."""

from __future__ import annotations

from pathlib import Path

from gdinousam.baselines.building import baseline_weights
from gdinousam.config import TestConfig
from gdinousam.evaluation.predictions.names import MASKS_NAME
from gdinousam.evaluation.results import METHOD_NAME, REFERENCE, read_note, weights_of
from gdinousam.models.weights_kind import weights_kind, worst_kind
from gdinousam.records import WeightsKind


def judged_weights(config: TestConfig) -> tuple[WeightsKind, bool]:
    """The kind of all weights of the method together, and whether it is a reference.

    Masks to score are judged by what the evaluation that kept them says of itself; those of other programs are unknown.
    Raises InputError where a note beside weights or masks cannot be read.
    """
    if config.evaluation.predictions is not None:
        return _of_kept_masks(config.evaluation.predictions)
    kinds: list[WeightsKind] = [] if config.baseline is None else [baseline_weights(config.baseline)]
    model = config.model
    if model is not None:
        kinds += [weights_kind(model.detector), weights_kind(model.mask_head)]
    return worst_kind(kinds), model is not None and model.is_reference


def kept_masks_of(folder: Path) -> Path | None:
    """``method.json`` of the evaluation that kept the masks in a folder; ``None`` for those of another program."""
    path = folder.parent / METHOD_NAME
    return path if folder.name == MASKS_NAME and path.is_file() else None


def _of_kept_masks(folder: Path) -> tuple[WeightsKind, bool]:
    path = kept_masks_of(folder)
    if path is None:
        return "unknown", False
    method = read_note(path)
    return weights_of(method, path), bool(method.get(REFERENCE, False))
