"""Whether two pictures are the same down to their texture: patches of one are looked for in the other.

Strangers taken with one machine share outlines, such as the sector of the probe or a skull, but not the fine grain of
the tissue, and a copy has it nearly everywhere. So it counts what three quarters of the patches reach.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from gdinousam.data.audit.picture_windows import SIDE, Match, Thumbnail, cut_out

PATCH, STEP = 24, 18  # pixels of a thumbnail: side of a patch, and from one patch to the next
REACH = 6  # pixels that a patch may lie off its place: windows are known to 1 % of the side, frames of a scan move
BLUR = 2.5  # pixels; what is coarser is taken off, because strangers share it
MIN_CONTRAST = 2.0  # grey values; standard deviation of what is left in a patch that can be told from others
MIN_PATCHES = 4
SHARE = 0.75
# Measured by ``scripts/benchmark.py lookalikes`` (docs/datasets.md): copies have more, pictures of other patients less
# (0.43 at most, in 8 million pairs). Where two pictures are nearly equal as a whole, which strangers are not (0.961 at
# most), less will do: a JPEG file of 64 pixels has hardly any grain left.
FOUND = 0.45
NEARLY_EQUAL, FOUND_IN_NEARLY_EQUAL = 0.985, 0.3


def patch_correlation(thumbnails: list[Thumbnail], match: Match) -> float | None:
    """The correlation that three quarters of the patches of a match reach, at most 1; ``None`` for strangers.

    thumbnails: what the positions of the match refer to. Pictures with hardly any patches with contrast are strangers
    too.
    """
    least = FOUND if match.similarity < NEARLY_EQUAL else FOUND_IN_NEARLY_EQUAL
    whole = thumbnails[match.whole]
    first = _grain(cut_out(thumbnails[match.windowed], match.window))
    second = _grain(whole[:, ::-1] if match.is_mirrored else whole)
    places = range(REACH, SIDE - PATCH - REACH + 1, STEP)
    corners = [(y, x) for y in places for x in places if _has_contrast(first, y, x) and _has_contrast(second, y, x)]
    if len(corners) < MIN_PATCHES:
        return None
    num_needed = int(np.ceil(SHARE * len(corners)))
    correlations: list[float] = []
    num_lost = 0
    for y, x in corners:
        around = second[y - REACH : y + PATCH + REACH, x - REACH : x + PATCH + REACH]
        correlation = float(cv2.matchTemplate(around, _patch(first, y, x), cv2.TM_CCOEFF_NORMED).max())
        num_lost += correlation < least
        if num_lost > len(corners) - num_needed:
            return None
        correlations.append(correlation)
    return sorted(correlations, reverse=True)[num_needed - 1]


def _grain(picture: Thumbnail) -> npt.NDArray[np.float32]:
    grey = np.asarray(picture, dtype=np.float32)
    return np.asarray(grey - cv2.GaussianBlur(grey, (0, 0), BLUR), dtype=np.float32)


def _patch(grain: npt.NDArray[np.float32], y: int, x: int) -> npt.NDArray[np.float32]:
    return grain[y : y + PATCH, x : x + PATCH]


def _has_contrast(grain: npt.NDArray[np.float32], y: int, x: int) -> bool:
    return float(_patch(grain, y, x).std()) >= MIN_CONTRAST
