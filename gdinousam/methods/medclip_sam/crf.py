"""A dense conditional random field of two labels: pixels that are near and alike agree on what they are.

Krähenbühl and Koltun, *Efficient inference in fully connected CRFs with Gaussian edge potentials*, 2011. This is our
own mean field inference on our own permutohedral lattice, not pydensecrf, which the published code uses and which no
longer builds. Recorded masks of pydensecrf2 come out the same to the pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit, softmax

from gdinousam.methods.medclip_sam.permutohedral import Floats, Lattice
from gdinousam.records import Image, Mask

_TINY = 1e-8  # below which a probability counts as zero
_TAU = 1.05  # of the published code, which divides what a pixel costs by it and by the sigmoid of its probability


@dataclass(frozen=True)
class Crf:
    """How strongly pixels agree. near: standard deviation in pixels; near_weight: how much nearness alone counts.
    alike: standard deviation in pixels, and alike_grey in grey values, of pixels that are near and of one colour;
    alike_weight: how much these count. num_steps: of the mean field.
    """

    near: float
    near_weight: float
    alike: float
    alike_grey: float
    alike_weight: float
    num_steps: int = 1

    def of(self, image: Image) -> ImageCrf:
        """The field of an (H, W, 3) uint8 RGB image, for any number of maps."""
        height, width = image.shape[:2]
        y, x = np.mgrid[:height, :width].reshape(2, -1)
        place = np.stack([x, y], axis=1)
        # blue first as the published code reads images: the lattice, an approximation, depends a little on the order
        grey = image.reshape(-1, 3)[:, ::-1]
        kernels = (
            _Kernel(place / self.near, self.near_weight),
            _Kernel(np.concatenate([place / self.alike, grey / self.alike_grey], axis=1), self.alike_weight),
        )
        return ImageCrf(kernels, self.num_steps)


class ImageCrf:
    """The field of one image; ``Crf.of`` makes it."""

    def __init__(self, kernels: Sequence[_Kernel], num_steps: int) -> None:
        self._kernels, self._num_steps = kernels, num_steps

    def foreground(self, probability_hw: Floats) -> Mask:
        """The pixels that are more probably foreground, (H, W) bool, possibly none.

        probability_hw: (H, W) floating point in [0, 1], of being foreground by itself.
        """
        foreground = probability_hw.astype(float).ravel()
        probability = np.stack([1 - foreground, foreground], axis=1)  # (N, 2)
        cost = -np.log(probability + _TINY) / (_TAU * expit(probability))
        belief: Floats = softmax(-cost, axis=1)
        for _ in range(self._num_steps):
            belief = softmax(-cost + sum(kernel.agreement(belief) for kernel in self._kernels), axis=1)
        return np.asarray(belief[:, 1] > belief[:, 0]).reshape(probability_hw.shape)


class _Kernel:
    """A Gaussian kernel between all pixels, normalised so that it stays symmetric."""

    def __init__(self, points: npt.NDArray[np.float64], weight: float) -> None:
        self._lattice, self._weight = Lattice(points), weight
        self._norm = 1 / np.sqrt(self._lattice.filter(np.ones((len(points), 1))))

    def agreement(self, belief: Floats) -> Floats:
        """How much the pixels round each one speak for each label, (N, 2)."""
        weighted: Floats = self._weight * self._norm * self._lattice.filter(belief * self._norm)
        return weighted


# as published; the first is of MedCLIP-SAM, the second of MedCLIP-SAMv2
CRF_V1 = Crf(near=3, near_weight=3, alike=60, alike_grey=5, alike_weight=5)
CRF_V2 = Crf(near=5, near_weight=3, alike=5, alike_grey=3, alike_weight=5)
