"""The split of the paper: rows, not images, are shuffled with one seed and cut at 70 and 90 percent.

Because a row is one contour in most datasets, an image can be in several splits; that is what the audit shows. The rule
gives the members of the published split only where the script walks a table; elsewhere it gives its counts.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from gdinousam.data.contract.layout import SPLITS, Split
from gdinousam.data.splits.plan import SplitImage, SplitPlan, require_distinct_names

SEED = 42
# as floats on purpose: 0.7 * 90 is a little below 63, so that the script trains on 62 rows
TRAIN_FRACTION = 0.7
VAL_FRACTION = 0.2


class _Row(NamedTuple):
    """One row of the paper's script, or a whole image without target, which has no phrase."""

    image: SplitImage
    phrase: str | None
    counts_as: str | None


def paper_split(images: Sequence[SplitImage], role: Literal["seen", "unseen"], class_order: Sequence[str]) -> SplitPlan:
    """Split as the paper's script does.

    images: in the order of that script, because the shuffle starts from it. role: everything of an ``unseen`` dataset
    goes to test. class_order: phrases whose rows are shuffled and cut one after the other by one generator that runs
    on; empty: all rows together. Images without target come last, as a class of their own of one row each, which
    neither ``num_rows`` nor ``counted`` includes. An image that the script makes no row of is left out. Without images
    every split is empty. Raises ``ValueError`` for two images of one name and for a row whose phrase is not in
    ``class_order``.
    """
    require_distinct_names(images)
    rows = [_Row(image, row.phrase, row.counts_as) for image in images for row in image.paper_rows]
    without_target = [_Row(image, None, None) for image in images if not image.phrases and not image.paper_rows]
    rows_of_split: dict[Split, list[_Row]] = {split: [] for split in SPLITS}
    generator = random.Random(SEED)
    for pool in [*_pools(rows, class_order), without_target]:
        if role == "seen":
            generator.shuffle(pool)
        for split, part in zip(SPLITS, _cut(pool, role), strict=True):
            rows_of_split[split] += part
    return SplitPlan(
        members={split: _members(images, chosen) for split, chosen in rows_of_split.items()},
        num_rows={split: sum(row.phrase is not None for row in chosen) for split, chosen in rows_of_split.items()},
        counted={
            split: len({row.counts_as for row in chosen if row.counts_as is not None})
            for split, chosen in rows_of_split.items()
        },
        left_out=tuple(_left_out(images)),
    )


def _pools(rows: list[_Row], class_order: Sequence[str]) -> list[list[_Row]]:
    if not class_order:
        return [rows]
    for row in rows:
        if row.phrase not in class_order:
            raise ValueError(f"{row.image.name}: a row of {row.phrase!r}, which the order {class_order} does not list")
    return [[row for row in rows if row.phrase == phrase] for phrase in class_order]


def _cut(pool: list[_Row], role: str) -> tuple[list[_Row], list[_Row], list[_Row]]:
    if role == "unseen":
        return [], [], pool
    num_train, num_val = int(TRAIN_FRACTION * len(pool)), int(VAL_FRACTION * len(pool))
    return pool[:num_train], pool[num_train : num_train + num_val], pool[num_train + num_val :]


def _members(images: Sequence[SplitImage], chosen: Iterable[_Row]) -> dict[str, tuple[str, ...]]:
    """The images that the rows lead to; a row whose phrase the annotation does not have leads to none."""
    phrases_of_image: dict[str, set[str]] = {}
    for row in chosen:
        if row.phrase is None:
            phrases_of_image[row.image.name] = set()
        elif row.phrase in row.image.phrases:
            phrases_of_image.setdefault(row.image.name, set()).add(row.phrase)
    return {
        image.name: tuple(phrase for phrase in image.phrases if phrase in phrases_of_image[image.name])
        for image in images
        if image.name in phrases_of_image
    }


def _left_out(images: Sequence[SplitImage]) -> Iterable[tuple[str, str]]:
    for image in images:
        if image.phrases and not image.paper_rows:
            yield image.name, "the paper's script makes no row of it"
            continue
        named = list(dict.fromkeys(row.phrase for row in image.paper_rows))
        for phrase in named:
            if phrase not in image.phrases:
                yield f"{image.name}: rows of {phrase!r}", "its annotation has no such object"
        for phrase in image.phrases:
            if phrase not in named:
                yield f"{image.name}: objects of {phrase!r}", "the paper's script makes no row of them"
