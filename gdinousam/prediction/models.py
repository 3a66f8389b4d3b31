"""Which weights a short name stands for: ``small``, ``small-v1``, ``paper``, a folder, a hub id."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from gdinousam import __version__
from gdinousam.errors import InputError
from gdinousam.models.adapters.download import downloaded_adapter
from gdinousam.models.bundled import BUNDLED, SMALL, bundled_part
from gdinousam.models.detector.operating_point import Point, PredictionSettings
from gdinousam.models.loading import (
    DETECTOR_TYPES,
    RANDOM_SMALL,
    detector_and_adapter,
)
from gdinousam.models.segmenter import TextSegmenter
from gdinousam.models.weights.choice import DOWNLOADS, chosen, is_here, is_hub_id
from gdinousam.models.weights.origin import short_name, weights_hash, weights_kind
from gdinousam.models.weights.pretrained import model_type_of
from gdinousam.models.weights.registry import GROUPS, WEIGHTS
from gdinousam.prediction.results import MadeBy
from gdinousam.settings import OWN_MODEL_NAMES, REFERENCES

logger = logging.getLogger(__name__)

PAPER, PAPER_LORA = "paper", "paper-lora"  # as the download command calls them


@dataclass(frozen=True)
class ModelNames:
    """What ``load_segmenter`` is given: folders, files, hub ids or names of ours; adapter: ``None`` for none."""

    detector: str
    adapter: str | None
    mask_head: str

    @property
    def label(self) -> str:
        """All parts in short, for the log."""
        adapter = f"adapter {short_name(self.adapter)}" if self.adapter else "no adapter"
        return f"detector {short_name(self.detector)}, {adapter}, mask head {short_name(self.mask_head)}"


def model_names(model: str | Path, adapter: str | Path | None, mask_head: str | Path | None) -> ModelNames:
    """What to load where somebody says as little as this.

    model: ``small``, ``small-v1``, ``paper``, or whatever ``load_detector`` takes; of an adapter its base is found, of
    a training run its best weights. mask_head: ``None`` takes the bundled one for a detector of that size, else the
    paper's SAM2. Raises InputError, with the command that downloads them, where the paper's weights are not on this
    disk; nothing large is fetched unasked.
    """
    if mask_head is not None:
        _require_name(mask_head, "mask_head")
    if str(model) == PAPER:
        return _paper(adapter, mask_head)
    _require_name(model, "model")
    on_top: Path | str | None
    detector, on_top = detector_and_adapter(str(chosen(model)), adapter)
    detector = str(chosen(detector))
    if Path(detector).is_dir() and detector not in OWN_MODEL_NAMES:
        model_type_of(detector, DETECTOR_TYPES)  # refuses a folder of anything else
    if on_top is not None and is_hub_id(adapter or model):
        on_top = str(adapter or model)  # its folder in the hub's cache would say nothing
    return ModelNames(detector, None if on_top is None else str(on_top), str(mask_head or _mask_head_for(detector)))


def _require_name(name: object, what: str) -> None:
    """Raise InputError for what names no weights, here rather than after asking the hub for it again and again."""
    is_known = name in OWN_MODEL_NAMES and name not in REFERENCES
    is_text = isinstance(name, str | Path) and str(name) not in ("", ".", *REFERENCES)
    if not is_known and not (is_text and (is_hub_id(str(name)) or Path(str(name)).exists())):
        raise InputError(f"{what} = {str(name)!r}: no such weights; give small, a folder or file on disk, or a hub id")


def _paper(adapter: str | Path | None, mask_head: str | Path | None) -> ModelNames:
    detector, paper_mask_head = _paper_hub_ids()
    _require_here(detector, *([] if mask_head else [paper_mask_head]))
    lora = adapter or downloaded_adapter(DOWNLOADS / PAPER_LORA)
    if lora is None:
        logger.warning(
            "the paper's LoRA is not in %s, so the detector is untuned; fetch it by 'gdinousam download %s', or name "
            "an adapter of your own",
            DOWNLOADS / PAPER_LORA,
            PAPER_LORA,
        )
    return ModelNames(detector, None if lora is None else str(lora), str(mask_head or paper_mask_head))


def _paper_hub_ids() -> tuple[str, str]:
    detector, mask_head = (WEIGHTS[name].hub for name in GROUPS[PAPER])
    assert detector is not None and mask_head is not None
    return detector.repo_id, mask_head.repo_id


def _mask_head_for(detector: str) -> str:
    kind = weights_kind(detector)
    if kind in ("random", "small"):
        return RANDOM_SMALL if kind == "random" else detector if detector in BUNDLED else SMALL
    mask_head = _paper_hub_ids()[1]
    _require_here(mask_head)
    return mask_head


def _require_here(*hub_ids: str) -> None:
    missing = [hub_id for hub_id in hub_ids if not is_here(hub_id)]
    if missing:
        raise InputError(
            f"the paper's weights are not on this disk ({', '.join(missing)}); fetch them once by 'gdinousam download "
            f"{PAPER}' (1.6 GB, into ./{DOWNLOADS}), or use the bundled model, {SMALL!r}"
        )


def made_by(names: ModelNames, segmenter: TextSegmenter) -> MadeBy:
    """What a loaded pipeline writes beside its results. Reads every weight file: a second or two per gigabyte."""
    parts = {"detector": names.detector, "adapter": names.adapter, "mask_head": names.mask_head}
    hashes = {part: weights_hash(str(_files_of(name, part))) for part, name in parts.items() if name}
    return MadeBy(
        model=short_name(names.detector),
        adapter=None if names.adapter is None else short_name(names.adapter),
        mask_head=short_name(names.mask_head),
        thresholds=thresholds_of(segmenter.box_finder.prediction),
        weights={part: found.weights for part, found in hashes.items() if found is not None},
        versions=versions(),
    )


def _files_of(name: str, part: str) -> str | Path:
    bundled = None if part == "adapter" else bundled_part(name, "detector" if part == "detector" else "mask_head")
    return bundled or chosen(name)


def thresholds_of(settings: PredictionSettings) -> dict[str, float | int | None]:
    """The thresholds of settings that are ``filled``, those of single phrases, ``box_threshold of cyst``, and what else
    shapes scores and masks, ``maps mask_weight``.
    """
    of_phrases = {
        f"{name} of {phrase}": value for phrase, point in settings.by_phrase.items() for name, value in _values(point)
    }
    return dict(_values(settings.overall)) | of_phrases | settings.beyond_thresholds


def _values(point: Point) -> list[tuple[str, float | int | None]]:
    return list(point.model_dump().items())


def versions() -> dict[str, str]:
    """The versions of gdinousam, torch and transformers."""
    return {"gdinousam": __version__} | {name: version(name) for name in ("torch", "transformers")}
