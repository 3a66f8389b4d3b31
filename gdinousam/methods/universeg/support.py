"""Which images UniverSeg is shown as examples, and how they are prepared for it.

The comparison study shows it 16 annotated images of each dataset, the unseen ones included, and does not say which, nor
whether one draw or several. Here they are drawn by a rule that depends on the names of the images alone.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field, model_validator

from gdinousam.data.contract.reading import read_records
from gdinousam.data.images import read_image, union_mask
from gdinousam.errors import InputError
from gdinousam.methods.universeg.preprocessing import SIDE, grey_square, label_square
from gdinousam.methods.universeg.support_names import read_support_names, require_known
from gdinousam.records import ImageRecord, Instance, Query
from gdinousam.runtime import derived_seed
from gdinousam.settings import Settings, SettingsPath

logger = logging.getLogger(__name__)

By = Literal["phrase", "dataset"]
Draws = Sequence[Sequence[ImageRecord]]

_SET_ASIDE = "images of the dataset were set aside as UniverSeg's support set, and are not tested."


class SetAside(Settings):
    """Images set aside from datasets without training images (scripts/prepare_dataset.py --support)."""

    ann: SettingsPath = Field(description="CSV of these images, support.CSV.")
    images: SettingsPath = Field(description="Folder of these images.")
    masks: SettingsPath = Field(description="Folder of their masks.")


class SupportSettings(Settings):
    """Where UniverSeg's examples come from."""

    ann: SettingsPath | None = Field(
        None, description="CSV of the images to draw from, usually the training file; required without set_aside."
    )
    images: SettingsPath | None = Field(None, description="Folder of these images.")
    masks: SettingsPath | None = Field(None, description="Folder of their masks.")
    set_aside: SetAside | None = Field(None, description="A dataset that occurs there uses only these images.")
    size: int = Field(
        16, ge=1, description="Examples given at once (the study: 16); memory and time grow with their number."
    )
    draws: int = Field(
        1, ge=1, description="Number of sets of examples; the answer is the mean of the probabilities of all sets."
    )
    seed: int = Field(0, ge=0, description="Seed of the draw, which depends only on it and on the names of the images.")
    names: SettingsPath | None = Field(
        None, description="CSV with the columns dataset,image_name: draw only from these images; null: from all."
    )
    by: By = Field(
        "phrase",
        description="phrase: examples of a dataset that show the phrase, with the masks of the phrase; dataset: "
        "one set for all phrases of a dataset, with the masks of all objects, so that all its phrases get the "
        "same answer.",
    )
    skip_tested: bool = Field(
        False,
        description="true: draw only from images that have no picture, near-duplicate or group in common with "
        "the test; false: draw from all, and refuse to start if an image is drawn that is also tested.",
    )

    @model_validator(mode="after")
    def _there_is_a_source(self) -> SupportSettings:
        given = [self.ann is not None, self.images is not None, self.masks is not None]
        if any(given) != all(given):
            raise ValueError("ann, images and masks belong together; give all of them or none")
        if not any(given) and self.set_aside is None:
            raise ValueError("name the images to draw from: ann, images and masks, or set_aside, or both")
        return self

    @model_validator(mode="after")
    def _named_images_are_not_skipped(self) -> SupportSettings:
        if self.skip_tested and self.names is not None:
            raise ValueError("skip_tested and names exclude each other; take images that are tested out of the list")
        return self


@dataclass(frozen=True, eq=False)
class SupportSet:
    """S examples as the network sees them, S at least 1.

    images: (S, 1, 128, 128) float32 in [0, 1]. labels: of the same shape, 1 on the object and 0 beside it.
    """

    images: torch.Tensor
    labels: torch.Tensor

    def __post_init__(self) -> None:
        expected = (len(self.images), 1, SIDE, SIDE)
        if self.images.shape != expected or self.labels.shape != expected or not len(self.images):
            raise ValueError(
                f"examples of shapes {tuple(self.images.shape)} and {tuple(self.labels.shape)}; give (S, 1, {SIDE}, "
                f"{SIDE}) both, S at least 1"
            )

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device | str) -> SupportSet:
        """The same examples on another device."""
        return SupportSet(self.images.to(device), self.labels.to(device))


def read_support(settings: SupportSettings) -> tuple[ImageRecord, ...]:
    """The images that examples are drawn from: of a dataset with images set aside these, of any other those of ``ann``.

    Raises InputError for a CSV or folder that cannot be read.
    """
    training: tuple[ImageRecord, ...] = ()
    if settings.ann is not None and settings.images is not None:
        training = read_records(settings.ann, settings.images, settings.masks)
    aside = read_set_aside(settings)
    instead = {record.dataset for record in aside}
    return (*(record for record in training if record.dataset not in instead), *aside)


def read_set_aside(settings: SupportSettings) -> tuple[ImageRecord, ...]:
    """The images that were set aside; none without such a setting. Raises InputError as ``read_support`` does."""
    source = settings.set_aside
    return () if source is None else read_records(source.ann, source.images, source.masks)


def set_aside_notes(settings: SupportSettings, datasets: Collection[str]) -> dict[str, str]:
    """The footnotes of the tested datasets of which images were set aside, by dataset."""
    counts = Counter(record.dataset for record in read_set_aside(settings))
    return {dataset: f"{counts[dataset]} {_SET_ASIDE}" for dataset in datasets if counts[dataset]}


def draw_support(
    records: Sequence[ImageRecord], dataset: str, phrase: str, settings: SupportSettings
) -> list[list[ImageRecord]]:
    """Draw the examples of a phrase in a dataset, ``settings.size`` without replacement, ``settings.draws`` times.

    records: all images of ``read_support``, in any order. With ``by: dataset`` the phrase does not matter. Only images
    in which the wanted object has a box are drawn, since others show nothing of it.
    Images are ranked by a number made of seed, dataset, phrase, draw and their own name, so the draw is the same on
    every machine, images of other datasets do not change it, and a smaller size is the beginning of a larger one.
    Two draws may share images. Where no more than ``size`` images can be drawn, all are one draw, as every further one
    would be the same; fewer are warned of. Where there is none, there is no draw. Raises InputError for a list of names
    that does not fit the records.
    """
    candidates = _candidates(records, dataset, phrase, settings)
    if not candidates:
        return []
    if len(candidates) < settings.size:
        logger.warning(
            "only %d images of dataset %r show %s, instead of %d; UniverSeg is shown all of them",
            len(candidates),
            dataset,
            _wanted(phrase, settings.by),
            settings.size,
        )
    num_draws = settings.draws if len(candidates) > settings.size else 1
    part = phrase if settings.by == "phrase" else ""
    return [
        sorted(candidates, key=lambda one: derived_seed(settings.seed, dataset, part, draw, one.path.name))[
            : settings.size
        ]
        for draw in range(num_draws)
    ]


def draws_of_phrases(
    records: Sequence[ImageRecord], dataset: str, phrases: Sequence[str], settings: SupportSettings
) -> dict[str, Draws]:
    """``draw_support`` for several phrases of a dataset, by phrase; with ``by: dataset`` all share one answer.

    A phrase for which there is no draw is left out.
    """
    if settings.by == "phrase":
        draws_of = {phrase: draw_support(records, dataset, phrase, settings) for phrase in phrases}
    else:
        draws_of = dict.fromkeys(phrases, draw_support(records, dataset, phrases[0], settings)) if phrases else {}
    return {phrase: draws for phrase, draws in draws_of.items() if draws}


def load_support(records: Sequence[ImageRecord], phrase: str, by: By = "phrase") -> SupportSet:
    """Read one draw from its files.

    records: S examples, at least 1. by: as in ``SupportSettings``, the label of an image is the union of its masks of
    the phrase, or of all its masks. An object that is lost in the small square is warned of. Raises InputError for
    an image or mask that is missing, unreadable or of another size.
    """
    images, labels = [], []
    for record in records:
        image = read_image(record.path)
        instances = record.instances if by == "dataset" else Query(record, phrase).instances
        _require_masks(record, instances)
        label = label_square(union_mask(instances, image.shape[:2]))
        if not label.any():
            logger.warning("%s: nothing of %s is left at %d x %d pixels", record.path, _wanted(phrase, by), SIDE, SIDE)
        images.append(grey_square(image))
        labels.append(label)
    return SupportSet(torch.stack(images), torch.stack(labels))


def load_draws(draws: Mapping[str, Draws], by: By = "phrase") -> dict[str, tuple[SupportSet, ...]]:
    """``load_support`` for every draw of every phrase; equal examples become one object, read once.

    draws: as from ``draws_of_phrases``. Returns the sets by phrase, in the order of its draws.
    """
    read: dict[tuple[str, tuple[Path, ...]], SupportSet] = {}

    def loaded(phrase: str, records: Sequence[ImageRecord]) -> SupportSet:
        key = (phrase if by == "phrase" else "", tuple(record.path for record in records))
        if key not in read:
            read[key] = load_support(records, phrase, by)
        return read[key]

    return {phrase: tuple(loaded(phrase, records) for records in of_phrase) for phrase, of_phrase in draws.items()}


def _candidates(
    records: Sequence[ImageRecord], dataset: str, phrase: str, settings: SupportSettings
) -> list[ImageRecord]:
    of_dataset = [record for record in records if record.dataset == dataset]
    if settings.names is not None:
        names = read_support_names(settings.names)
        require_known(names, records, settings.names)
        of_dataset = [record for record in of_dataset if record.path.name in names.get(dataset, ())]
    if settings.by == "dataset":
        return [record for record in of_dataset if record.instances]
    return [record for record in of_dataset if Query(record, phrase).instances]


def _wanted(phrase: str, by: By) -> str:
    return repr(phrase) if by == "phrase" else "any object"


def _require_masks(record: ImageRecord, instances: Sequence[Instance]) -> None:
    for instance in instances:
        if instance.mask is None:
            raise InputError(
                f"{record.path}: no mask of {instance.phrase!r} to show UniverSeg; put it into the folder of masks"
            )
