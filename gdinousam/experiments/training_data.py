"""The images of a training run: read, checked, and joined with phantoms where the config asks for them."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gdinousam.data.audit.lookalikes import without_lookalikes
from gdinousam.data.augmentation import AugmentationSettings, build_augmentation, phrases_never_flipped
from gdinousam.data.contract.check import require_valid
from gdinousam.data.contract.fingerprint import fingerprint
from gdinousam.data.contract.named_datasets import of_datasets
from gdinousam.data.contract.reading import find_csv
from gdinousam.data.contract.unchanged import checked_records
from gdinousam.data.dataset import Examples, JoinedExamples, TrainingDataset
from gdinousam.data.sources.phantoms import phrases_of
from gdinousam.data.sources.phantoms.endless import EndlessPhantoms
from gdinousam.errors import InputError
from gdinousam.experiments.config import AnyTrainConfig
from gdinousam.geometry import ResizeSettings
from gdinousam.identity import spellings
from gdinousam.processes import ALONE, Processes
from gdinousam.records import ImageRecord
from gdinousam.seeding import derived_seed

logger = logging.getLogger(__name__)

Records = tuple[ImageRecord, ...]


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


def read_training_images(config: AnyTrainConfig, processes: Processes = ALONE) -> TrainingImages:
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
    config: AnyTrainConfig,
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


def training_examples(config: AnyTrainConfig, images: TrainingImages, resize: ResizeSettings) -> JoinedExamples:
    """The training images and, after them, the phantoms of an epoch, both augmented."""
    num_phantoms = config.data.phantoms.num_train if config.data.phantoms else 0
    if config.augmentation is not None and config.augmentation.horizontal_flip:
        _tell_what_is_not_flipped(config.augmentation, training_phrases(config, images))
    return JoinedExamples(_parts(config, images.train, num_phantoms, resize, config.training.seed, is_training=True))


def validation_examples(
    config: AnyTrainConfig, images: TrainingImages, resize: ResizeSettings
) -> JoinedExamples | None:
    """The validation images and phantoms, neither augmented; ``None`` without any. Its phantoms never train."""
    num_phantoms = config.data.phantoms.num_val if config.data.phantoms else 0
    seed = derived_seed("validation", config.training.seed)
    parts = _parts(config, images.val, num_phantoms, resize, seed, is_training=False)
    return JoinedExamples(parts) if parts else None


def _parts(
    config: AnyTrainConfig, records: Records, num_phantoms: int, resize: ResizeSettings, seed: int, is_training: bool
) -> Sequence[Examples]:
    data, with_masks = config.data, config.needs_masks
    augmentation = None
    if is_training and config.augmentation:
        augmentation = build_augmentation(config.augmentation, training_phrases(config, TrainingImages(records, ())))
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


def training_phrases(config: AnyTrainConfig, images: TrainingImages) -> tuple[str, ...]:
    """The distinct phrases that training images and phantoms may have, in order of first appearance."""
    phrases = [phrase for record in images.train for phrase in record.phrases]
    if config.data.phantoms is not None:
        phrases += [phrase for family in config.data.phantoms.families for phrase in phrases_of(family)]
    return tuple(dict.fromkeys(spellings(phrases, of_phrases=True).values()))


def describe_images(config: AnyTrainConfig, images: TrainingImages) -> dict[str, Any]:
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
