"""The images of a training run: named by settings, read, checked, and joined with phantoms where those ask for them."""

from __future__ import annotations

import hashlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from gdinousam.data.audit.lookalikes import without_lookalikes
from gdinousam.data.augmentation import AugmentationSettings, build_augmentation, phrases_never_flipped
from gdinousam.data.contract.check import require_valid
from gdinousam.data.contract.fingerprint import fingerprint
from gdinousam.data.contract.names import of_datasets
from gdinousam.data.contract.plausibility import ALLOW_ODD
from gdinousam.data.contract.reading import find_csv
from gdinousam.data.contract.unchanged import checked_records
from gdinousam.data.dataset import Examples, JoinedExamples, TrainingDataset
from gdinousam.data.sources.phantoms import phrases_of
from gdinousam.data.sources.phantoms.endless import EndlessPhantoms, PhantomData
from gdinousam.data.sources.phantoms.writing import dataset_name
from gdinousam.errors import InputError
from gdinousam.identity import spellings
from gdinousam.preprocessing import ResizeSettings
from gdinousam.processes import ALONE, Processes
from gdinousam.records import ImageRecord
from gdinousam.runtime import derived_seed
from gdinousam.settings import Settings, SettingsPath
from gdinousam.training.settings import LoopSettings

logger = logging.getLogger(__name__)

Records = tuple[ImageRecord, ...]


class TrainData(Settings):
    """The training and validation data and its batches."""

    train_dir: SettingsPath | None = Field(None, description="Folder of the training images; null: only phantoms.")
    train_ann: SettingsPath | None = Field(None, description="CSV of the training boxes and phrases.")
    train_masks: SettingsPath | None = Field(
        None, description="Folder of the training masks; not used for the detector."
    )
    val_dir: SettingsPath | None = Field(None, description="Folder of the validation images; null: no validation.")
    val_ann: SettingsPath | None = Field(None, description="CSV of the validation boxes and phrases.")
    val_masks: SettingsPath | None = Field(None, description="Folder of the validation masks.")
    unlike_dir: SettingsPath | None = Field(
        None, description="Folder of test images; training images that are near-duplicates of one are left out."
    )
    phantoms: PhantomData | None = Field(None, description="null: none.")
    batch_size: int = Field(4, ge=1, description="Images per batch in each process.")
    num_workers: int = Field(4, ge=0, description="Processes that read images; 0: the main process reads them.")
    num_absent_phrases: int = Field(
        0,
        ge=0,
        description="Number of phrases of other images added to each caption as negatives (the public code: none).",
    )
    captions: Literal["distinct_phrases", "phrase_per_box"] = Field(
        "distinct_phrases",
        description="Contents of a training caption. distinct_phrases: each phrase of the image once; "
        "phrase_per_box: the phrase of every box in turn, and of a phrase with slashes one part at random "
        "(public code).",
    )
    datasets: tuple[str, ...] | None = Field(
        None, min_length=1, description="Use only the images of these datasets, in both files."
    )
    max_images: int | None = Field(
        None, ge=1, description="Use only this many images of each file, the first ones of the datasets used."
    )
    allow_odd: bool = Field(False, description=ALLOW_ODD)

    @model_validator(mode="after")
    def _splits_are_whole(self) -> TrainData:
        if (self.val_dir is None) != (self.val_ann is None):
            raise ValueError("give both val_dir and val_ann, or neither")
        if self.train_dir is None and (self.train_ann is not None or self.phantoms is None):
            raise ValueError("data.train_dir is missing; add it, or leave out train_ann too and give phantoms")
        if self.train_ann is None and self.train_dir is not None:
            raise ValueError("data.train_ann is missing; add it")
        return self

    def require_masks(self, learner: str) -> None:
        """Raise ValueError where images are named without their masks. learner: who needs them."""
        for split in ("train", "val"):
            if getattr(self, f"{split}_dir") is not None and getattr(self, f"{split}_masks") is None:
                raise ValueError(f"{learner} learns from masks; name their folder in data.{split}_masks")


class LearningConfig(Settings, ABC):
    """What every config of a training has in common."""

    data: TrainData
    augmentation: AugmentationSettings | None = Field(AugmentationSettings(), description="null: none.")
    training: LoopSettings

    @property
    @abstractmethod
    def needs_masks(self) -> bool:
        """Whether what is trained learns from masks."""

    @property
    @abstractmethod
    def needs_objects(self) -> bool:
        """Whether an image without objects teaches nothing: there is nothing to show the learner."""


@dataclass(frozen=True)
class TrainingImages:
    """The images with rows in a CSV, checked; either may be empty. num_lookalikes: training images left out because
    they look like one in ``data.unlike_dir``."""

    train: Records
    val: Records
    num_lookalikes: int = 0

    @property
    def by_part(self) -> dict[str, Records]:
        """The images by what they are for."""
        return {"train": self.train, "val": self.val}


def read_training_images(config: LearningConfig, processes: Processes = ALONE) -> TrainingImages:
    """Read and check what the config names; InputError where there are problems or nothing is left to train on.

    processes: the first of them looks through the files while the others wait.
    """
    data = config.data
    train = _read(config, data.train_ann, data.train_dir, data.train_masks, processes)
    val = _read(config, data.val_ann, data.val_dir, data.val_masks, processes)
    if data.unlike_dir is None or not train:
        return TrainingImages(train, val)
    unlike_dir = data.unlike_dir
    kept = processes.first_alone(lambda: without_lookalikes(train, unlike_dir))
    if not kept:
        raise InputError(f"{data.train_ann}: every image looks like one in data.unlike_dir = {data.unlike_dir}")
    logger.info("left out %d training images that look like one in %s", len(train) - len(kept), data.unlike_dir)
    return TrainingImages(kept, val, len(train) - len(kept))


def _read(
    config: LearningConfig,
    csv_path: Path | None,
    image_dir: Path | None,
    mask_dir: Path | None,
    processes: Processes,
) -> Records:
    if csv_path is None or image_dir is None:
        return ()
    mask_dir = mask_dir if config.needs_masks else None
    data = config.data

    def check() -> None:
        require_valid(csv_path, image_dir, mask_dir, config.needs_masks, data.datasets, allow_odd=data.allow_odd)

    records = checked_records(csv_path, image_dir, mask_dir, lambda: processes.first_alone(check))
    records = of_datasets(records, data.datasets, csv_path)
    records = records[: data.max_images]
    if config.needs_objects:
        records = tuple(record for record in records if record.instances)
    if not records:
        raise InputError(f"{csv_path}: no image with a box to learn from; add rows with a box")
    return records


def training_examples(config: LearningConfig, images: TrainingImages, resize: ResizeSettings) -> JoinedExamples:
    """The training images and, after them, the phantoms of an epoch, both augmented."""
    num_phantoms = config.data.phantoms.num_train if config.data.phantoms else 0
    if config.augmentation is not None and config.augmentation.horizontal_flip:
        _tell_what_is_not_flipped(config.augmentation, training_phrases(config.data, images))
    return JoinedExamples(_parts(config, images.train, num_phantoms, resize, config.training.seed, is_training=True))


def validation_examples(
    config: LearningConfig, images: TrainingImages, resize: ResizeSettings
) -> JoinedExamples | None:
    """The validation images and phantoms, neither augmented; ``None`` without any. Its phantoms never train."""
    num_phantoms = config.data.phantoms.num_val if config.data.phantoms else 0
    seed = derived_seed("validation", config.training.seed)
    parts = _parts(config, images.val, num_phantoms, resize, seed, is_training=False)
    return JoinedExamples(parts) if parts else None


def _parts(
    config: LearningConfig, records: Records, num_phantoms: int, resize: ResizeSettings, seed: int, is_training: bool
) -> Sequence[Examples]:
    data, with_masks = config.data, config.needs_masks
    augmentation = None
    if is_training and config.augmentation:
        augmentation = build_augmentation(config.augmentation, training_phrases(data, TrainingImages(records, ())))
    captions = data.num_absent_phrases, data.captions == "phrase_per_box"
    parts: list[Examples] = []
    if records:
        parts.append(TrainingDataset(records, resize, augmentation, seed, with_masks, *captions))
    if num_phantoms and data.phantoms:
        families = data.phantoms.families
        parts.append(EndlessPhantoms(families, num_phantoms, resize, augmentation, seed, with_masks, *captions))
    return parts


def _tell_what_is_not_flipped(settings: AugmentationSettings, phrases: Sequence[str]) -> None:
    kept = phrases_never_flipped(settings, phrases)
    if kept:
        logger.info("images are not flipped where they name a side that has no counterpart here: %s", ", ".join(kept))


def training_phrases(data: TrainData, images: TrainingImages) -> tuple[str, ...]:
    """The distinct phrases that training images and phantoms may have, in order of first appearance."""
    phrases = [phrase for record in images.train for phrase in record.phrases]
    if data.phantoms is not None:
        phrases += [phrase for family in data.phantoms.families for phrase in phrases_of(family)]
    return tuple(dict.fromkeys(spellings(phrases, of_phrases=True).values()))


def training_datasets(data: TrainData, images: TrainingImages) -> tuple[str, ...]:
    """The distinct names of the datasets that training images and phantoms are of, sorted."""
    families = () if data.phantoms is None else data.phantoms.families
    return tuple(sorted({*(record.dataset for record in images.train), *map(dataset_name, families)}))


def describe_images(config: LearningConfig, images: TrainingImages) -> dict[str, Any]:
    """What the run notes about its training data; see ``gdinousam.data.contract.fingerprint``."""
    described: dict[str, Any] = {}
    if config.data.train_ann is not None:
        described |= fingerprint(images.train, config.data.train_ann)
    if config.data.val_ann is not None:
        described["val_csv_sha256"] = hashlib.sha256(find_csv(config.data.val_ann).read_bytes()).hexdigest()
    if images.num_lookalikes:
        described["num_lookalikes_left_out"] = images.num_lookalikes
    if config.data.phantoms is not None:
        described["phantoms_per_epoch"] = config.data.phantoms.model_dump(mode="json")
    return described
