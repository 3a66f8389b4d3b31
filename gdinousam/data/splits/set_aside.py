"""Images of a dataset that is only tested, set aside to be shown to a method that learns from examples.

UniverSeg is shown 16 annotated images of each dataset in the paper, also of the unseen ones, which have no training
images. What is shown must not be tested, nor anything of the same patient or volume, so whole groups leave the test.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from gdinousam.data.splits.plan import SplitImage, drawn_place, require_distinct_names
from gdinousam.errors import InputError

SEED = 42


def choose_support(images: Sequence[SplitImage], count: int, tag: str, seed: int = SEED) -> frozenset[str]:
    """The names of the images to set aside: those of whole groups that hold ``count`` images with an object.

    images: in any order. count: at least 1. tag: name of the dataset, which with the seed gives it its own order; no
    library or Python version changes it. Every phrase gets its share of the images, and one at least where ``count``
    allows. Of groups that would bring more than ``count`` one is taken only where no other is left, so there may be
    more images with an object than ``count``; images of these groups without an object are set aside with them.
    Raises InputError where there are too few groups to leave one with an object for the test, ValueError for two images
    of one name.
    """
    require_distinct_names(images)
    groups: dict[str, list[SplitImage]] = {}
    for image in images:
        groups.setdefault(image.group, []).append(image)
    sizes = {group: sum(bool(image.phrases) for image in members) for group, members in groups.items()}
    order = sorted((group for group in groups if sizes[group]), key=lambda group: drawn_place(group, _salt(tag, seed)))
    chosen = _choose(order, {group: _phrases(groups[group]) for group in order}, sizes, count)
    if sum(sizes[group] for group in chosen) < count or len(chosen) == len(order):
        num_images = sum(sizes.values())
        raise InputError(
            f"{tag}: {count} images cannot be set aside, as one patient, volume or other group must be left to test; "
            f"there are {num_images} images with an object, of {len(order)} groups; set fewer aside"
        )
    return frozenset(image.name for group in chosen for image in groups[group])


def _choose(
    order: Sequence[str], phrases: Mapping[str, Counter[str]], sizes: Mapping[str, int], count: int
) -> list[str]:
    """Groups in the order of being chosen; the next is of the phrase whose share has been least filled."""
    totals = sum(phrases.values(), Counter[str]())
    filled = Counter[str]()
    chosen: list[str] = []
    while (room := count - sum(sizes[group] for group in chosen)) > 0:
        left = [group for group in order if group not in chosen]
        candidates = [group for group in left if sizes[group] <= room] or sorted(left, key=sizes.__getitem__)[:1]
        if not candidates:
            break
        wanted = sorted(totals, key=lambda phrase: (filled[phrase] / totals[phrase], totals[phrase], phrase))
        chosen.append(next(group for phrase in wanted for group in candidates if phrases[group][phrase]))
        filled += phrases[chosen[-1]]
    return chosen


def _phrases(members: Sequence[SplitImage]) -> Counter[str]:
    """Number of images of a group by phrase."""
    return Counter(phrase for image in members for phrase in image.phrases)


def _salt(tag: str, seed: int) -> str:
    return f"{seed} {tag} support"
