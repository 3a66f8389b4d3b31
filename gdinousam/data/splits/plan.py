"""What a split is made of and what comes out: images as splits see them, and a plan of who goes where."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gdinousam.data.contract.layout import SUPPORT, Part, Split
from gdinousam.data.sources.public.interface import PaperRow


@dataclass(frozen=True)
class SplitImage:
    """One prepared image.

    name: unique within the dataset. group: what must not be in two splits; the image itself where nothing is known.
    phrases: distinct paper phrases of its instances, without an order that matters; empty: an image without target.
    official_split: the split of the release itself, if it has one. paper_rows: as ``RawImage.paper_rows``.
    """

    name: str
    group: str
    phrases: tuple[str, ...]
    official_split: Split | None = None
    paper_rows: tuple[PaperRow, ...] = ()


@dataclass(frozen=True)
class SplitPlan:
    """Where the instances of every image go.

    members: for each of the three splits, image name to the phrases whose instances go there, both in the order in
    which they were given; no phrases: an image without target. An image is in several splits only in a plan of
    ``paper_split``. num_rows: rows of the paper's script in each split, zeros in a plan of ``grouped_split``.
    counted: images in each split; in a plan of ``paper_split`` as table 1 of the paper counts them, so that it can
    differ from the number of members. left_out: what is in no split and why, such as a row of the paper's script that
    names a phrase which the image's annotation does not have. moved: images that are not in the split which the release
    gives them, and why. support: as an entry of members, of the images that were set aside; none of them is in a split.
    """

    members: Mapping[Split, Mapping[str, tuple[str, ...]]]
    num_rows: Mapping[Split, int]
    counted: Mapping[Split, int]
    left_out: tuple[tuple[str, str], ...] = ()
    moved: tuple[tuple[str, str], ...] = ()
    support: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def members_of(self, part: Part) -> Mapping[str, tuple[str, ...]]:
        """Those of a split or of the support set."""
        return self.support if part == SUPPORT else self.members[part]


def drawn_place(group: str, salt: str) -> str:
    """A place in an order that looks random and that no library or Python version can change. salt: which order."""
    return hashlib.sha256(f"{salt} {group}".encode()).hexdigest()


def require_distinct_names(images: Sequence[SplitImage]) -> None:
    """Raise ``ValueError`` where two images share a name; a plan could hold only one of them."""
    seen: set[str] = set()
    for image in images:
        if image.name in seen:
            raise ValueError(f"two images are named {image.name}; a name must be unique within the dataset")
        seen.add(image.name)
