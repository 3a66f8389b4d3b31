"""The split that can be trusted: no patient, volume or other group is in two splits, and official splits stay.

Written out here instead of taken from scikit-learn, because a list that was published with its hash must come out the
same with every version of every library: only a SHA-256 order and plain arithmetic decide.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from gdinousam.data.contract.layout import SPLITS, Split
from gdinousam.data.splits.plan import SplitImage, SplitPlan, drawn_place, require_distinct_names

Groups = Mapping[str, Sequence[SplitImage]]

FRACTIONS = (0.7, 0.2, 0.1)  # as in the paper
SEED = 42
# Whose images decide for a group that the release has in several splits: nobody may train on anything of the test set.
STRICTEST: tuple[Split, ...] = ("test", "val", "train")
# Who gets one when there are fewer groups than splits: a run can do without validation.
NEEDIEST: tuple[Split, ...] = ("train", "test", "val")
# Strata beside the phrases, which are never empty and never hold a line end.
ALL_IMAGES = "\n"
WITHOUT_TARGET = ""


def grouped_split(
    images: Sequence[SplitImage],
    role: Literal["seen", "unseen"],
    tag: str,
    fractions: tuple[float, float, float] = FRACTIONS,
    seed: int = SEED,
) -> SplitPlan:
    """Split so that every group is in one split.

    images: in any order, which only the order of the plan follows. role: everything of an ``unseen`` dataset goes to
    test. tag: name of the dataset, which with the seed gives each dataset its own order. fractions: shares of images
    wanted in train, val and test, overall and for each phrase; large groups may miss them.
    A group with official splits goes where the strictest of them says (test, then val, then train), and ``moved`` tells
    which images this took out of their own. The other groups go to train and to those splits that have no official
    image, in proportion to their fractions: beside an official test set train and val share them 7 to 2. Each of these
    splits gets a group; of fewer groups than splits the first is for train, the second for test. Without images every
    split is empty. Raises ``ValueError`` for two images of one name and for fractions that are not shares of one.
    """
    require_distinct_names(images)
    if min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-9 or fractions[0] == 0:
        raise ValueError(f"fractions {fractions}: three shares of 0 or more that sum to 1 are needed, train's above 0")
    groups: dict[str, list[SplitImage]] = {}
    for image in images:
        groups.setdefault(image.group, []).append(image)
    if role == "unseen":
        split_of_group: dict[str, Split] = dict.fromkeys(groups, "test")
    else:
        split_of_group = _official_splits(groups)
        taken = set(split_of_group.values())
        targets = {
            split: fraction
            for split, fraction in zip(SPLITS, fractions, strict=True)
            if fraction > 0 and (split == "train" or split not in taken)
        }
        free = {group: members for group, members in groups.items() if group not in split_of_group}
        split_of_group |= _share_out(free, targets, f"{seed} {tag}")
    return _plan(images, split_of_group)


def _official_splits(groups: Groups) -> dict[str, Split]:
    """The split of each group that has an official one."""
    splits: dict[str, Split] = {}
    for group, members in groups.items():
        official = {image.official_split for image in members}
        strictest = next((split for split in STRICTEST if split in official), None)
        if strictest is not None:
            splits[group] = strictest
    return splits


def _share_out(groups: Groups, fractions: Mapping[Split, float], salt: str) -> dict[str, Split]:
    """A split for each group: the largest first, each to where it brings counts nearest to what is wanted."""
    sizes = {group: _strata(members) for group, members in groups.items()}
    totals = sum(sizes.values(), Counter[str]())
    open_splits = [split for split in NEEDIEST if split in fractions][: len(groups)]
    share = sum(fractions[split] for split in open_splits)
    wanted = {
        split: {stratum: total * fractions[split] / share for stratum, total in totals.items()} for split in open_splits
    }
    reached = {split: Counter[str]() for split in open_splits}
    splits: dict[str, Split] = {}
    in_order = sorted(groups, key=lambda group: (-sizes[group][ALL_IMAGES], drawn_place(group, salt)))
    for position, group in enumerate(in_order):
        without_any = [split for split in open_splits if not reached[split]]
        candidates = without_any if len(in_order) - position <= len(without_any) else open_splits
        splits[group] = min(candidates, key=lambda split: _misfit(sizes[group], reached[split], wanted[split]))
        reached[splits[group]] += sizes[group]
    return splits


def _strata(members: Sequence[SplitImage]) -> Counter[str]:
    """Number of images of a group by phrase, and in all."""
    counts = Counter[str]()
    for image in members:
        counts.update({ALL_IMAGES, *(image.phrases or (WITHOUT_TARGET,))})
    return counts


def _misfit(sizes: Counter[str], reached: Counter[str], wanted: Mapping[str, float]) -> float:
    """How much the chi-squared distance of a split from its wanted counts grows when the group joins it."""
    return sum(
        sizes[stratum] * (2 * (reached[stratum] - wanted[stratum]) + sizes[stratum]) / wanted[stratum]
        for stratum in sorted(sizes)
    )


def _plan(images: Sequence[SplitImage], split_of_group: Mapping[str, Split]) -> SplitPlan:
    members: dict[Split, dict[str, tuple[str, ...]]] = {split: {} for split in SPLITS}
    moved = []
    for image in images:
        split = split_of_group[image.group]
        members[split][image.name] = image.phrases
        if image.official_split not in (None, split):
            moved.append((image.name, f"from the release's {image.official_split} to {split}, as others of its group"))
    return SplitPlan(
        members=members,
        num_rows=dict.fromkeys(SPLITS, 0),
        counted={split: len(names) for split, names in members.items()},
        moved=tuple(moved),
    )
