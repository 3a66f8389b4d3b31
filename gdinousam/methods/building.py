"""From settings to a compared method that can be scored, and what its tables must say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from gdinousam.data.contract.named_datasets import datasets_of
from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.methods import ByDataset, RecordSegmenter
from gdinousam.evaluation.scoring.notes import Notes
from gdinousam.identity import same_name
from gdinousam.methods.clicks import centroid_click, fixed_click, random_click
from gdinousam.methods.leaks import leak_notes
from gdinousam.methods.medsam.segmenter import FirstLabelFinder, load_medsam
from gdinousam.methods.samus.segmenter import SamusSegmenter
from gdinousam.methods.samus.weights import load_samus
from gdinousam.methods.settings import (
    BaselineSettings,
    HintedSettings,
    HintSettings,
    MedSamSettings,
    SamusSettings,
    UltraSamSettings,
    UNetSettings,
    UniverSegSettings,
)
from gdinousam.methods.true_hints import ClickRule, TrueHints
from gdinousam.methods.ultrasam.segmenter import load_ultrasam
from gdinousam.methods.unet.weights import DESCRIPTION, load_unet
from gdinousam.methods.universeg.segmenter import load_universeg_segmenters
from gdinousam.methods.universeg.support import set_aside_notes
from gdinousam.methods.user_hints import UserHints, read_user_hints
from gdinousam.models.detector.box_finder import BoxFinder
from gdinousam.models.loading import RANDOM_SMALL
from gdinousam.models.mask_heads.random_sam import RANDOM
from gdinousam.models.segmenter import TextSegmenter
from gdinousam.models.weights.kind import weights_kind
from gdinousam.records import HintedSegmenter, ImageRecord, Segmenter, WeightsKind
from gdinousam.seeding import torch_seed
from gdinousam.training.checkpoints import BEST, LAST

FinderOf = Callable[[type[BoxFinder]], BoxFinder]
"""Loads the detector of a config into a box finder of this kind."""

_SHOWN = {
    "detector": "Boxes come from the detector, which is given the phrase.",
    "truth": "Where the objects are is shown from the true masks; nothing had to be found.",
    "user": "Where the objects are is shown by a person.",
}
# Names of the methods in the table of leaks.
_PUBLISHED = {"medsam": "MedSAM", "ultrasam": "UltraSam", "samus": "SAMUS", "universeg": "UniverSeg"}


def build_baseline(
    settings: BaselineSettings, records: Sequence[ImageRecord], load_finder: FinderOf, device: torch.device
) -> Segmenter | RecordSegmenter:
    """Load a compared method, ready to be scored on these records.

    load_finder: is called where the method is shown what a detector finds. Random weights are the same every time.
    Raises InputError for what cannot be loaded, prompts of a user that do not fit, training examples of UniverSeg
    that are among the records, and a method that none of the datasets has anything for.
    """
    with torch_seed(0):
        if isinstance(settings, UNetSettings):
            return _unets(settings.weights, records, device)
        if isinstance(settings, UniverSegSettings):
            segmenters = load_universeg_segmenters(settings.weights, settings.support, records, device)
            return ByDataset(segmenters, "example")
        return _shown(settings, _load_prompted(settings, device), records, load_finder)


def baseline_notes(settings: BaselineSettings, records: Sequence[ImageRecord]) -> Notes:
    """What every table with this method's numbers must say, beside what its weights are."""
    remarks = [_SHOWN[settings.prompts.source]] if isinstance(settings, HintedSettings) else []
    datasets = dict.fromkeys(record.dataset for record in records)
    noted = set_aside_notes(settings.support, datasets) if isinstance(settings, UniverSegSettings) else {}
    if settings.weights in (RANDOM, RANDOM_SMALL):
        return Notes(tuple(remarks), noted)
    if isinstance(settings, UNetSettings) or (isinstance(settings, SamusSettings) and Path(settings.weights).is_dir()):
        return Notes(tuple(remarks))  # trained by scripts of ours, on the data that their folder names
    leaks = leak_notes(_PUBLISHED[settings.name], datasets)
    return Notes((*remarks, *leaks.remarks), {**leaks.of_datasets, **noted})


def baseline_weights(settings: BaselineSettings) -> WeightsKind:
    """What the weights of the method itself are, whatever shows it where the objects lie."""
    by_design = isinstance(settings, UniverSegSettings | UNetSettings)  # small as published, and never published
    kind = weights_kind(str(settings.weights))
    return "full" if by_design and kind == "small" else kind


def baseline_parts(settings: BaselineSettings) -> dict[str, str]:
    """The weights of the method itself, by what they are of: a file, folder, hub id or random weights each."""
    if isinstance(settings, UNetSettings):
        of_datasets = _folders_of_datasets(settings.weights)
        if of_datasets:
            return {f"{settings.name} of {dataset}": str(folder) for dataset, folder in sorted(of_datasets.items())}
    return {settings.name: str(settings.weights)}


def _load_prompted(settings: HintedSettings, device: torch.device) -> HintedSegmenter:
    if isinstance(settings, MedSamSettings):
        return load_medsam(settings.weights, settings.as_in_study).to(device)
    if isinstance(settings, UltraSamSettings):
        return load_ultrasam(settings.weights, settings.shown, settings.masks).to(device)
    return SamusSegmenter(load_samus(settings.weights)).to(device)


def _shown(
    settings: HintedSettings, segmenter: HintedSegmenter, records: Sequence[ImageRecord], load_finder: FinderOf
) -> Segmenter | RecordSegmenter:
    """The method with whoever shows it where the objects are."""
    prompts = settings.prompts
    if prompts.source == "detector":
        in_study = isinstance(settings, MedSamSettings) and settings.as_in_study
        return TextSegmenter(load_finder(FirstLabelFinder if in_study else BoxFinder), segmenter)
    (need,) = segmenter.needs
    if prompts.user_csv is not None:
        return UserHints(segmenter, read_user_hints(prompts.user_csv, records, need))
    return TrueHints(segmenter, _click_rule(prompts) if need == "point" else None, prompts.seed)


def _click_rule(prompts: HintSettings) -> ClickRule:
    rules: dict[str, ClickRule] = {
        "fixed": lambda mask_hw, seed: fixed_click(mask_hw),
        "random": lambda mask_hw, seed: random_click(mask_hw, np.random.RandomState(seed % 2**32)),
        "centroid": lambda mask_hw, seed: centroid_click(mask_hw),
    }
    return rules[prompts.click]


def _unets(folder: Path, records: Sequence[ImageRecord], device: torch.device) -> Segmenter | RecordSegmenter:
    """One U-Net for all images, or where the folder holds one for each dataset, those that the records need.

    Raises InputError where the folder holds none of any dataset of the records.
    """
    chosen = _folders_of_datasets(folder)
    if not chosen:
        return load_unet(folder).to(device)
    tested = datasets_of(records) or tuple(sorted(chosen))
    name_of = {dataset: name for dataset in tested if (name := same_name(dataset, chosen)) is not None}
    if not name_of:
        raise InputError(
            f"{folder}: no U-Net of {', '.join(tested)}, only of {', '.join(sorted(chosen))}; train one of them"
        )
    return ByDataset({dataset: load_unet(chosen[name]).to(device) for dataset, name in name_of.items()}, "U-Net")


def _folders_of_datasets(folder: Path) -> dict[str, Path]:
    """The U-Net of each dataset in a folder of several runs; empty for a folder of one U-Net."""
    of_datasets = sorted(path.parent for path in folder.glob(f"*/*/{DESCRIPTION}")) if folder.is_dir() else []
    # a run without validation images has no best weights, only the last
    return {path.parent.name: path for name in (LAST, BEST) for path in of_datasets if path.name == name}
