"""What two splits have in common: names, pixels, near-duplicates, groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import product
from typing import NamedTuple, TypeVar

from gdinousam.data.audit.contents import AuditedImage
from gdinousam.data.audit.near_duplicates import near_pairs
from gdinousam.data.audit.report import NearPair, Place, SharedGroup, SharedName, SharedPixels
from gdinousam.data.contract.layout import PARTS, Part
from gdinousam.identity import identity

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
