"""Which pictures may show the same thing, and where: as a whole, cut at the sides, or mirrored.

A picture is described by the low frequencies of its cosine transform, and so are windows of it, whose four margins lie
on a grid. A picture then meets its cropped copy in one of its windows, and a copy with a border meets the picture in
one of its own. Mirroring left and right only changes the sign of every odd frequency across, so that the mirror image
costs nothing more. A few windows of few frequencies leave one pair in a hundred, many windows of more frequencies
decide about those.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch

from gdinousam.records import Image

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


Thumbnail = npt.NDArray[np.uint8]  # (SIDE, SIDE), grey

SIDE = 128  # pixels; the picture is stretched to a square
CHUNK = 256  # pictures held against all others at once
DIGITS = 3  # of a similarity


class Grid(NamedTuple):
    """What windows are described by. margins: of each side, as fractions. num_frequencies: down, and across."""

    margins: tuple[float, ...]
    num_frequencies: int

    @property
    def spans(self) -> list[tuple[float, float]]:
        """Start and end of every window along one side, as fractions of it."""
        return [(start, 1.0 - end) for start in self.margins for end in self.margins]


# Low frequencies bear a shift of 5 %, and more of them one of 1 %: 16 and 625 windows. Least similarities that copies
# must have, measured by ``scripts/benchmark.py lookalikes`` (docs/datasets.md).
ROUGH, ROUGH_SIMILARITY = Grid((0.02, 0.09), 6), 0.80
FINE, FINE_SIMILARITY = Grid((0.0, 0.025, 0.05, 0.075, 0.1), 10), 0.90


class Window(NamedTuple):
    """A part of a picture: top, bottom, left and right as fractions of it."""

    top: float
    bottom: float
    left: float
    right: float


class Match(NamedTuple):
    """A window of one picture that resembles all of another.

    windowed, whole: positions of the pictures. is_mirrored: it resembles the mirror image. similarity: at most 1.
    """

    windowed: int
    whole: int
    window: Window
    is_mirrored: bool
    similarity: float


def thumbnail(image: Image) -> Thumbnail:
    """What a picture is compared by. image: (H, W, 3) uint8 RGB in [0, 255], of any size."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def resembling(thumbnails: Sequence[Thumbnail]) -> list[Match]:
    """The pairs of pictures of which one resembles a window of the other; twice where it holds both ways.

    A picture of a single colour resembles none. Whether two pictures resemble each other does not depend on others.
    """
    return _fine_matches(thumbnails, _rough_pairs(thumbnails))


def cut_out(picture: Thumbnail, window: Window) -> Thumbnail:
    """The window of a thumbnail, enlarged to the size of a thumbnail again."""
    rows, columns = window.bottom - window.top, window.right - window.left
    # of pixel centres: from those of the enlarged window to those of the picture
    down, across = window.top * SIDE + rows / 2 - 0.5, window.left * SIDE + columns / 2 - 0.5
    matrix = np.array([[columns, 0, across], [0, rows, down]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    cut = cv2.warpAffine(picture, matrix, (SIDE, SIDE), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cut, dtype=np.uint8)


def _rough_pairs(thumbnails: Sequence[Thumbnail]) -> list[torch.Tensor]:
    """For every picture the positions, (C,) int64, of those that may resemble one of its windows."""
    even, odd = _whole(thumbnails, ROUGH)
    windows_even, windows_odd = _by_parity(_features(thumbnails, _matrices(ROUGH)))
    found = []
    for start in range(0, len(thumbnails), CHUNK):
        chunk = slice(start, start + CHUNK)
        best = torch.full((len(even[chunk]), len(even)), -1.0)
        for place in range(windows_even.shape[1]):
            similarity = (windows_odd[chunk, place] @ odd.T).abs_()
            similarity += windows_even[chunk, place] @ even.T
            torch.maximum(best, similarity, out=best)
        best.diagonal(start).fill_(-1.0)  # a picture and itself
        found += [row.nonzero()[:, 0] for row in best >= ROUGH_SIMILARITY]
    return found


def _fine_matches(thumbnails: Sequence[Thumbnail], others: Sequence[torch.Tensor]) -> list[Match]:
    """The best window of every picture for each of the others that were found for it, where it is good enough."""
    whole_even, whole_odd = _whole(thumbnails, FINE)
    windows = [Window(*down, *across) for down in FINE.spans for across in FINE.spans]
    matrices = _matrices(FINE)
    matches = []
    for first, seconds in enumerate(others):
        if not len(seconds):
            continue
        even, odd = (part[0] for part in _by_parity(_features(thumbnails[first : first + 1], matrices)))
        mirrored = odd @ whole_odd[seconds].T  # negative where the mirror image is nearer
        # Rounded, and the first of equals taken: the last digits, which differ between machines, decide nothing.
        similarity, places = (even @ whole_even[seconds].T + mirrored.abs()).round(decimals=DIGITS).max(dim=0)
        for column in (similarity >= FINE_SIMILARITY).nonzero()[:, 0].tolist():
            place = int(places[column])
            is_mirrored = bool(mirrored[place, column] < 0)
            matches.append(Match(first, int(seconds[column]), windows[place], is_mirrored, float(similarity[column])))
    return matches


def _whole(thumbnails: Sequence[Thumbnail], grid: Grid) -> tuple[torch.Tensor, torch.Tensor]:
    """Features of whole pictures, those of even and of odd frequencies across: (N, F) each."""
    even, odd = _by_parity(_features(thumbnails, _matrices(Grid((0.0,), grid.num_frequencies))))
    return even[:, 0], odd[:, 0]


def _features(thumbnails: Sequence[Thumbnail], matrices: torch.Tensor) -> torch.Tensor:
    """Frequencies of all windows of N pictures, as vectors of length one: (N, windows, down, across) float32."""
    num_spans, num, _ = matrices.shape
    rows = matrices.flatten(0, 1)
    frequencies = torch.arange(num, dtype=torch.float32)
    # Pictures hold the less of a frequency the higher it is; weighted, all count alike. The mean counts nothing.
    weights = torch.hypot(frequencies[:, None], frequencies)
    features = torch.empty(len(thumbnails), num_spans**2, num, num)
    for start in range(0, len(thumbnails), CHUNK):
        pictures = torch.from_numpy(np.stack(thumbnails[start : start + CHUNK])).float()
        spectra = (rows @ pictures @ rows.T).unflatten(1, (num_spans, num)).unflatten(3, (num_spans, num))
        spectra = spectra.transpose(2, 3).flatten(1, 2) * weights
        lengths = spectra.square().sum(dim=(2, 3), keepdim=True).sqrt()
        # in grey values: pictures of a single colour stay near zero
        features[start : start + CHUNK] = spectra / lengths.clamp(min=1e-3)
    return features


def _matrices(grid: Grid) -> torch.Tensor:
    """For every span of the grid the means of the cosines over it: (spans, frequencies, SIDE) float32."""
    edges = np.arange(SIDE + 1) / SIDE
    matrices = np.empty((len(grid.spans), grid.num_frequencies, SIDE), dtype=np.float32)
    for matrix, (start, stop) in zip(matrices, grid.spans, strict=True):
        # exact over each pixel, of which the span may hold a part
        places = (np.clip(edges, start, stop) - start) / (stop - start)
        matrix[0] = np.diff(places)
        for frequency in range(1, grid.num_frequencies):
            matrix[frequency] = np.diff(np.sin(np.pi * frequency * places)) / (np.pi * frequency)
    return torch.from_numpy(matrices)


def _by_parity(features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Features of even and of odd frequencies across, (N, windows, F) each; mirroring changes the sign of the odd."""
    return features[..., 0::2].flatten(2), features[..., 1::2].flatten(2)
