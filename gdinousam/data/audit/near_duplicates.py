"""Finding pictures that show the same thing: recompressed, resized, brightened, cropped, bordered or mirrored copies.

``picture_windows`` finds the pairs that may be, ``picture_patches`` decides. Frames of one scan that lie close together
are found too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from gdinousam.data.audit.picture_windows import Thumbnail, patch_correlation, resembling
from gdinousam.data.contract.names import natural_key

MAX_THREADS = 8


class NearPair(NamedTuple):
    """Two pictures that are near-duplicates.

    first, second: their positions, the smaller one first. correlation: what three quarters of the patches of one reach
    in the other, at most 1. is_mirrored: left and right are swapped.
    """

    first: int
    second: int
    correlation: float
    is_mirrored: bool


def near_pairs(thumbnails: Sequence[Thumbnail]) -> list[NearPair]:
    """All pairs of pictures that are near-duplicates, sorted; none where no two are.

    thumbnails: of the pictures, as from ``picture_windows.thumbnail``. Time grows with the square of their number: 3
    seconds of one core for 3,400. Whether a pair is one does not depend on the other pictures.
    """
    thumbnails = list(thumbnails)
    matches = resembling(thumbnails)
    with ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1)) as pool:
        correlations = list(pool.map(partial(patch_correlation, thumbnails), matches))
    best = {(pair.first, pair.second): pair for pair in _equal_pairs(thumbnails)}
    for match, correlation in zip(matches, correlations, strict=True):
        if correlation is None:
            continue
        ends = min(match.windowed, match.whole), max(match.windowed, match.whole)
        if ends not in best or correlation > best[ends].correlation:
            best[ends] = NearPair(*ends, correlation, match.is_mirrored)
    return sorted(best.values())


def _equal_pairs(thumbnails: Sequence[Thumbnail]) -> Iterator[NearPair]:
    """Pairs that need no second look, whether or not there is any texture in them."""
    positions: dict[bytes, list[int]] = {}
    for position, one in enumerate(thumbnails):
        positions.setdefault(one.tobytes(), []).append(position)
    for equal in positions.values():
        for first, second in combinations(equal, 2):
            yield NearPair(first, second, 1.0, False)


def clusters(
    names: Sequence[str], thumbnails: Sequence[Thumbnail], groups: Sequence[str] | None = None
) -> dict[str, str]:
    """The cluster of every picture: near-duplicates, and near-duplicates of those, share one.

    names: N distinct names. thumbnails: N of them. groups: for each picture a group that must stay whole, so that
    pictures of one group share a cluster too. Returns by name, in the order given, the name of the first picture of its
    cluster in natural order; a picture like no other is its own cluster. No names give an empty dictionary.
    """
    if not names:
        return {}
    links = [(pair.first, pair.second) for pair in near_pairs(thumbnails)]
    if groups is not None:
        first_of_group: dict[str, int] = {}
        links += [(first_of_group.setdefault(group, position), position) for position, group in enumerate(groups)]
    ends = np.array(links, dtype=np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends), dtype=bool), (ends[:, 0], ends[:, 1])), shape=(len(names), len(names)))
    _, labels = connected_components(graph, directed=False)
    first_name: dict[int, str] = {}
    for position in sorted(range(len(names)), key=lambda position: (natural_key(names[position]), names[position])):
        first_name.setdefault(int(labels[position]), names[position])
    return {name: first_name[int(label)] for name, label in zip(names, labels, strict=True)}
