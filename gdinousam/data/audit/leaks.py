"""What two splits have in common: names, pixels, near-duplicates, groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from itertools import product
from typing import NamedTuple, TypeVar

import numpy as np

from gdinousam.data.audit.near_duplicates import near_pairs
from gdinousam.data.audit.pictures import Picture
from gdinousam.data.audit.report import (
    AREA_PERCENTS,
    Content,
    NearPair,
    Place,
    SharedGroup,
    SharedName,
    SharedPixels,
    UntrainedPhrase,
)
from gdinousam.data.contract.layout import PARTS, Part
from gdinousam.identity import identity
from gdinousam.records import ImageRecord, Instance


class AuditedImage(NamedTuple):
    """An image of a split with what its CSV says and what its file holds."""

    split: Part
    record: ImageRecord
    picture: Picture


def contents_of(images: Sequence[AuditedImage], splits: Sequence[Part]) -> tuple[Content, ...]:
    """One entry for each dataset, then one for each of its phrases, in alphabetical order; without images none."""
    contents = []
    for dataset in sorted({image.record.dataset for image in images}):
        of_dataset = [image for image in images if image.record.dataset == dataset]
        phrases = sorted({phrase for image in of_dataset for phrase in image.record.phrases})
        contents += [_content(of_dataset, dataset, phrase, splits) for phrase in [None, *phrases]]
    return tuple(contents)


def untrained_phrases(records: Mapping[Part, Sequence[ImageRecord]]) -> tuple[UntrainedPhrase, ...]:
    """The phrases of val and test that no row of the training images has; none without training images.

    Letter case and spaces make no difference, as for a model.
    """
    if not records.get("train"):
        return ()
    trained = {_plain(phrase) for record in records["train"] for phrase in record.phrases}
    untrained = []
    for split in ("val", "test"):
        counts = Counter(phrase for record in records.get(split, ()) for phrase in record.phrases)
        untrained += [
            UntrainedPhrase(phrase, split, num)
            for phrase, num in sorted(counts.items())
            if _plain(phrase) not in trained
        ]
    return tuple(untrained)


def _plain(phrase: str) -> str:
    return " ".join(phrase.lower().split())


def _content(images: Iterable[AuditedImage], dataset: str, phrase: str | None, splits: Sequence[Part]) -> Content:
    num_images, num_boxes = dict.fromkeys(splits, 0), dict.fromkeys(splits, 0)
    num_absent, areas = 0, []
    for image in images:
        boxes = [box for box in image.record.instances if phrase is None or box.phrase == phrase]
        num_images[image.split] += phrase is None or bool(boxes)
        num_boxes[image.split] += len(boxes)
        num_absent += sum(phrase is None or absent == phrase for absent in image.record.absent_phrases)
        areas += [_area(box, image.picture) for box in boxes]
    quantiles = np.percentile(areas, AREA_PERCENTS).tolist() if areas else []
    box_areas = dict(zip(AREA_PERCENTS, quantiles, strict=True)) if areas else {}
    return Content(dataset, phrase, num_images, num_boxes, num_absent, box_areas)


def _area(instance: Instance, picture: Picture) -> float:
    _, _, width, height = instance.box_xywh
    return width * height / picture.num_pixels


Key = TypeVar("Key", bound=Hashable)


class NearDuplicates(NamedTuple):
    """between: pairs of two splits, the most alike first. within: number of pairs inside each split."""

    between: tuple[NearPair, ...]
    within: dict[Part, int]


def shared_names(images: Iterable[AuditedImage]) -> tuple[SharedName, ...]:
    """The names that a dataset has in several splits."""
    shared = []

    def name(image: AuditedImage) -> tuple[str, str]:
        return identity(image.record.dataset), image.record.path.name

    for same in _grouped(images, name).values():
        if len(splits := _splits(same)) > 1:
            same_pixels = len({image.picture.pixel_hash for image in same}) == 1
            shared.append(SharedName(same[0].record.dataset, same[0].record.path.name, splits, same_pixels))
    return tuple(shared)


def shared_pixels(images: Iterable[AuditedImage]) -> tuple[SharedPixels, ...]:
    """The pictures that are in several splits pixel for pixel, across datasets too."""
    alike = _grouped(images, lambda image: image.picture.pixel_hash).values()
    return tuple(SharedPixels(tuple(map(_place, same))) for same in alike if len(_splits(same)) > 1)


def repeats_within(images: Iterable[AuditedImage]) -> dict[Part, int]:
    """How many pictures of each split repeat an earlier one of it, pixel for pixel."""
    alike = _grouped(images, lambda image: (image.split, image.picture.pixel_hash))
    repeats: Counter[Part] = Counter()
    for (split, _), same in alike.items():
        repeats[split] += len(same) - 1
    return dict(repeats)


def near_duplicates(images: Iterable[AuditedImage]) -> NearDuplicates:
    """The pairs of pictures that are nearly, but not exactly, the same, across datasets too."""
    # of each picture one copy is compared, so that a split full of copies does not square its own number of pairs
    alike = list(_grouped(images, lambda image: image.picture.pixel_hash).values())
    thumbnails = [same[0].picture.thumbnail for same in alike]
    between: list[NearPair] = []
    within: Counter[Part] = Counter()
    for pair in near_pairs(thumbnails):
        for one, other in product(alike[pair.first], alike[pair.second]):
            if one.split == other.split:
                within[one.split] += 1
            else:
                one, other = sorted((one, other), key=lambda image: PARTS.index(image.split))
                between.append(NearPair(_place(one), _place(other), pair.correlation, pair.is_mirrored))
    between.sort(key=lambda pair: (-pair.correlation, str(pair)))
    return NearDuplicates(tuple(between), dict(within))


def shared_groups(images: Iterable[AuditedImage]) -> tuple[SharedGroup, ...]:
    """The groups that a dataset has in several splits; images without a group share none."""
    known = [image for image in images if image.record.group is not None]

    def name(image: AuditedImage) -> tuple[str, str]:
        return identity(image.record.dataset), identity(image.record.group or "")

    shared = []
    for same in _grouped(known, name).values():
        if len(splits := _splits(same)) > 1:
            counts = Counter(image.split for image in same)
            first = same[0].record
            shared.append(SharedGroup(first.dataset, str(first.group), {split: counts[split] for split in splits}))
    return tuple(shared)


def case_twins(images: Iterable[AuditedImage]) -> tuple[tuple[str, ...], ...]:
    """The sets of names that are one name to a person, such as ``A.png`` and ``a.png``; so they are to some disks."""
    names = {image.record.path.name for image in images}
    twins: dict[str, list[str]] = {}
    for name in sorted(names):
        twins.setdefault(identity(name), []).append(name)
    return tuple(tuple(spellings) for spellings in twins.values() if len(spellings) > 1)


def _grouped(images: Iterable[AuditedImage], key: Callable[[AuditedImage], Key]) -> dict[Key, list[AuditedImage]]:
    groups: dict[Key, list[AuditedImage]] = {}
    for image in images:
        groups.setdefault(key(image), []).append(image)
    return groups


def _splits(images: Sequence[AuditedImage]) -> tuple[Part, ...]:
    present = {image.split for image in images}
    return tuple(split for split in PARTS if split in present)


def _place(image: AuditedImage) -> Place:
    return Place(image.split, image.record.dataset, image.record.path.name)
