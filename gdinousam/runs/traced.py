"""The weights of a test config by name and hash, with its thresholds: what its results can be traced to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gdinousam.baselines.building import baseline_parts
from gdinousam.baselines.settings import PromptedSettings
from gdinousam.config import ModelSettings, TestConfig
from gdinousam.evaluation.results import read_note
from gdinousam.evaluation.trace import NO_TRACE, Thresholds, Trace, UsedWeights
from gdinousam.models.loading import SMALL, SMALL_DETECTOR, SMALL_MASK_HEAD, detector_and_adapter
from gdinousam.models.weights_hash import weights_hash
from gdinousam.reading import reading
from gdinousam.runs.judged_weights import kept_masks_of
from gdinousam.settings import OWN_MODEL_NAMES

_SHOWN_PARTS = 2  # of a folder's path: runs are told apart by their own name and that of the weights in them


def trace(config: TestConfig) -> Trace:
    """What the results of a config can be traced to; call it once the models have been loaded, and so fetched.

    config: with nothing left open in ``prediction``, as ``gdinousam.runs.evaluation.resolved`` makes it.

    Reads every weight file once per process: a second or two per gigabyte. Masks to score are traced as far as the
    evaluation that kept them was; those of other programs are not.
    """
    if config.evaluation.predictions is not None:
        method_json = kept_masks_of(config.evaluation.predictions)
        if method_json is None:
            return NO_TRACE
        with reading(method_json, "what an evaluation says of its method", "evaluate again with this version"):
            return Trace.from_json(read_note(method_json))
    models: dict[str, UsedWeights] = {}
    baseline, model = config.baseline, config.model
    with_detector = model is not None and not model.is_reference
    if isinstance(baseline, PromptedSettings):
        with_detector &= baseline.prompts.source == "detector"
    if model is not None and with_detector:
        models |= _detector(model)
    if model is not None and model.mask_head is not None:
        models["mask head"] = _used(model.mask_head, SMALL_MASK_HEAD)
    if baseline is not None:
        models |= {part: _used(name) for part, name in baseline_parts(baseline).items()}
    thresholds = Thresholds(**config.prediction.filled().overall.model_dump())
    return Trace(models, thresholds if with_detector else None)


def _detector(model: ModelSettings) -> dict[str, UsedWeights]:
    name, folder = detector_and_adapter(model.detector, model.adapter)
    used = {"detector": _used(name, SMALL_DETECTOR)}
    if folder is None:
        return used
    # by the name in the config: the folder of a hub id is one of its cache
    return used | {"adapter": replace(_used(str(folder)), name=_short(str(model.adapter or model.detector)))}


def _used(name: str, small: Path | None = None) -> UsedWeights:
    """small: the folder of the bundled weights, where the name may mean them."""
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
