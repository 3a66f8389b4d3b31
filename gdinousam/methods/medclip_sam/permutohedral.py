"""Gaussian filtering of points that lie anywhere in a space of a few dimensions, by the permutohedral lattice.

Adams and others, *Fast high-dimensional filtering using the permutohedral lattice*, 2010: values are splatted onto the
corners of the simplex round each point, blurred along the axes of the lattice, and read back. Time grows with the
number of points, not with its square.

Shapes: N points, D dimensions, C channels of values, M lattice points that touch a simplex of some point.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
_LARGEST_CODE = 2.0**62  # of a lattice point, as one whole number


class Lattice:
    """The lattice round some points, for any number of filterings with a standard deviation of one.

    points: (N, D) floating point, N at least 1; to filter with other deviations divide by them before. Raises
    ValueError where the points lie too far apart to number what is between them.
    """

    def __init__(self, points: Floats) -> None:
        self._num_points, self._num_dimensions = points.shape
        nearest, rank, self._shares = _simplices(points.astype(np.float32))
        codes = self._coded(nearest, rank)  # (N, D + 1)
        self._known, corners = np.unique(codes, return_inverse=True)  # (M,)
        self._corners = corners.reshape(codes.shape)
        self._neighbours = [(self._find(step), self._find(-step)) for step in self._steps]

    def filter(self, values: Floats) -> Floats:
        """Blur (N, C) values; each of the N sums up what is near it, itself included. Up to a factor."""
        return np.stack([self._filter_channel(channel) for channel in values.T], axis=1)

    def _filter_channel(self, values: Floats) -> Floats:
        weighted = (values[:, None] * self._shares).ravel()
        # one place more, which stays zero: the neighbour where there is none
        at_lattice = np.zeros(len(self._known) + 1)
        at_lattice[:-1] = np.bincount(self._corners.ravel(), weighted, len(self._known))
        for before, behind in self._neighbours:
            at_lattice[:-1] += 0.5 * (at_lattice[before] + at_lattice[behind])
        blurred: Floats = (at_lattice[self._corners] * self._shares).sum(axis=1)
        return blurred

    def _coded(self, nearest: npt.NDArray[np.int64], rank: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The corners of all simplices as numbers, (N, D + 1). nearest, rank: of ``_simplices``.

        Sets the steps from a point's number to its neighbours'. There is room round the points, so that the number of
        a neighbour is never that of another point.
        """
        side = self._num_dimensions + 1
        lowest = nearest.min(axis=0) - 2 * side
        sizes = nearest.max(axis=0) + 2 * side - lowest + 1
        if np.prod(sizes.astype(float)) > _LARGEST_CODE:
            raise ValueError(f"points of {self._num_dimensions} dimensions lie {sizes.max()} lattice steps apart")
        places = np.concatenate([[1], np.cumprod(sizes[:-1])])
        # along axis k the k-th coordinate falls by D and all others rise by one; the last of D + 1 is not stored
        self._steps = [int(places.sum() - (places[k] * side if k < side - 1 else 0)) for k in range(side)]
        codes = np.empty((self._num_points, side), np.int64)
        codes[:] = ((nearest - lowest) @ places)[:, None]
        for remainder in range(side):
            # all coordinates of this corner are its remainder beyond a multiple of D + 1
            codes[:, remainder] += np.where(rank < side - remainder, remainder, remainder - side) @ places
        return codes

    def _find(self, step: int) -> npt.NDArray[np.int64]:
        """Where the neighbours lie among the known points, (M,); M where one is not known."""
        wanted = self._known + step
        place = np.searchsorted(self._known, wanted).clip(max=len(self._known) - 1)
        return np.where(self._known[place] == wanted, place, len(self._known))


def _simplices(points: Floats) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats]:
    """The simplex round each point, and how much of each of its corners the point has.

    Returns the simplex's corner whose coordinates are multiples of D + 1; for each coordinate how many offsets from
    there are larger, which tells the other corners; and the barycentric coordinates, (N, D + 1), which add up to one.
    Of corner and ranks the first D coordinates, (N, D), as all D + 1 add up to a known number.
    """
    num_points, num_dimensions = points.shape
    side = num_dimensions + 1
    elevated = _elevated(points)
    nearest = np.rint(elevated / side) * side
    order = np.argsort(nearest - elevated, axis=1, kind="stable")
    rank = np.empty((num_points, side), np.int64)
    np.put_along_axis(rank, order, np.broadcast_to(np.arange(side), order.shape), axis=1)
    # rounding each for itself may leave the plane on which the coordinates add up to zero; go back by the worst ones
    rank += np.rint(nearest.sum(axis=1, keepdims=True) / side).astype(np.int64)
    shift = side * ((rank < 0).astype(np.int64) - (rank >= side))
    rank, nearest = rank + shift, nearest + shift
    by_rank = np.empty_like(elevated)
    np.put_along_axis(by_rank, rank, ((elevated - nearest) / side).astype(elevated.dtype), axis=1)
    # differences of neighbours in rank, from the last to the first, and what is left of one
    shares = np.empty_like(by_rank)
    shares[:, 1:] = by_rank[:, -2::-1] - by_rank[:, :0:-1]
    shares[:, 0] = 1 + by_rank[:, -1] - by_rank[:, 0]
    return nearest[:, :-1].astype(np.int64), rank[:, :-1], shares


def _elevated(points: Floats) -> Floats:
    """(N, D) points to (N, D + 1) on the plane of the lattice, where coordinates add up to zero.

    Scaled so that the blur along the axes, with splatting and reading, has a standard deviation of one.
    """
    num_dimensions = points.shape[1]
    index = np.arange(1, num_dimensions + 1)
    deviation = np.sqrt(2 / 3) * (num_dimensions + 1)
    scaled = points * (deviation / np.sqrt(index * (index + 1))).astype(points.dtype)
    behind = np.cumsum(scaled[:, ::-1], axis=1)[:, ::-1]  # sums from each coordinate to the last
    elevated = np.zeros((len(points), num_dimensions + 1), points.dtype)
    elevated[:, :-1] = behind
    elevated[:, 1:] -= index.astype(points.dtype) * scaled
    return elevated
