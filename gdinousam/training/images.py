"""The images of a training run: named by settings, read and checked; and what their phrases and datasets are."""

from __future__ import annotations

import hashlib
import logging
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from gdinousam.data.audit.lookalikes import without_lookalikes
from gdinousam.data.augmentation import AugmentationSettings
from gdinousam.data.caption_phrases import AbsentPhraseSettings
from gdinousam.data.contract.check import require_valid
from gdinousam.data.contract.fingerprint import fingerprint
from gdinousam.data.contract.names import of_datasets
from gdinousam.data.contract.plausibility import ALLOW_ODD
from gdinousam.data.contract.reading import find_csv
from gdinousam.data.contract.unchanged import checked_records
from gdinousam.data.sources.phantoms import phrases_of
from gdinousam.data.sources.phantoms.endless import PhantomData
from gdinousam.data.sources.phantoms.writing import dataset_name
from gdinousam.errors import InputError
from gdinousam.identity import spellings
from gdinousam.phrase_book import PHRASE_BOOK, phrase_book_sha256
from gdinousam.processes import ALONE, Processes
from gdinousam.records import ImageRecord
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
    absent_phrases: AbsentPhraseSettings | None = Field(
        None, description="null: none, as in the paper, so every caption holds the phrases of its own image."
    )
    rewording: float = Field(
        0.0,
        ge=0.0,
        le=1.0,
        description="Probability, in [0, 1], that other words from the phrase book stand for a phrase of a caption: "
        "a synonym or a sentence. Validation keeps the phrases.",
    )
    balance: float = Field(
        0.0,
        ge=0.0,
        le=1.0,
        description="How far small datasets are shown more often, in [0, 1]; an epoch keeps its number of images. "
        "0: every training image once an epoch; 1: every dataset equally often; between: n images of a dataset "
        "count as n ** (1 - balance).",
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

    @model_validator(mode="before")
    @classmethod
    def _earlier_key(cls, tree: Any) -> Any:
        """Runs of earlier versions noted ``num_absent_phrases``, as a rule the 0 that still is the default."""
        if not isinstance(tree, dict) or "num_absent_phrases" not in tree:
            return tree
        number = tree["num_absent_phrases"]
        if number != 0:
            raise ValueError(
                f"num_absent_phrases is now a group of settings: write absent_phrases: {{beside: {number}, alone: 0}}"
            )
        return {key: value for key, value in tree.items() if key != "num_absent_phrases"}

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

    def require_plain_captions(self, learner: str, takes_absent_phrases: bool) -> None:
        """Raise ValueError for phrases that something beside the detector cannot learn. learner: what it is."""
        if self.rewording:
            raise ValueError(f"data.rewording is for the detector; set it to 0 for {learner}")
        if self.absent_phrases is None:
            return
        if not takes_absent_phrases:
            raise ValueError(f"{learner} learns from objects alone; set data.absent_phrases to null")
        if self.absent_phrases.whole_book:
            raise ValueError(
                f"{learner} knows the phrases of its data alone; set data.absent_phrases.whole_book to false"
            )


class LearningConfig(Settings, ABC):
    """What every config of a training has in common."""

    data: TrainData
    augmentation: AugmentationSettings | None = Field(AugmentationSettings(), description="null: none.")
    training: LoopSettings
    phrase_book: SettingsPath | None = Field(None, description=PHRASE_BOOK)

    @property
    def uses_phrase_book(self) -> bool:
        """Whether captions hold absent phrases or other words."""
        return self.data.absent_phrases is not None or self.data.rewording > 0.0

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
        require_valid(
            csv_path,
            image_dir,
            mask_dir,
            config.needs_masks,
            data.datasets,
            allow_odd=data.allow_odd,
            phrase_book=config.phrase_book,
        )

    records = checked_records(csv_path, image_dir, mask_dir, lambda: processes.first_alone(check))
    records = of_datasets(records, data.datasets, csv_path)
    records = records[: data.max_images]
    if config.needs_objects:
        records = tuple(record for record in records if record.instances)
    if not records:
        raise InputError(f"{csv_path}: no image with a box to learn from; add rows with a box")
    return records


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
    if config.uses_phrase_book:
        described["phrase_book_sha256"] = phrase_book_sha256(config.phrase_book)
    return described
