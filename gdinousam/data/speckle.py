"""The physics of a generated B-mode image: fully developed speckle, loss along the beam and log compression.

Depth runs down the rows (axial), the transducer moves along the columns (lateral).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

FloatMap = npt.NDArray[np.float32]  # (H, W)


@dataclass(frozen=True)
class PointSpread:
    """Gaussian point spread function of the scanner.

    axial_sigma, lateral_sigma: standard deviations in pixels along the rows' and the columns' direction; a real beam
    is wider laterally than axially.
    """

    axial_sigma: float = 0.8
    lateral_sigma: float = 1.7


def speckle_envelope(generator: np.random.Generator, strength_db: FloatMap, point_spread: PointSpread) -> FloatMap:
    """Return the echo envelope of randomly placed scatterers.

    strength_db: (H, W), echo strength of the tissue in decibels; 0 dB gives an envelope of mean square 1.
    Returns (H, W) float32, not negative. Where the strength is constant the envelope is Rayleigh distributed, because
    it is the magnitude of a complex Gaussian field (Wagner and others, 1983): mean / standard deviation = 1.91.
    """
    field = speckle_field(generator, strength_db, point_spread)
    return np.hypot(field[..., 0], field[..., 1])


def speckle_field(
    generator: np.random.Generator, strength_db: FloatMap, point_spread: PointSpread
) -> npt.NDArray[np.float32]:
    """The complex echo field whose magnitude is ``speckle_envelope``, as (H, W, 2) float32, real and imaginary part."""
    axial, lateral = _unit_power_kernel(point_spread.axial_sigma), _unit_power_kernel(point_spread.lateral_sigma)
    # Scatterers beyond the border too: mirrored ones would be correlated and make the border brighter.
    rows, columns = len(axial) // 2, len(lateral) // 2
    amplitude = np.power(10.0, np.pad(strength_db, ((rows, rows), (columns, columns)), mode="edge") / 20.0)
    scatterers = generator.standard_normal((*amplitude.shape, 2), dtype=np.float32) * np.float32(np.sqrt(0.5))
    scatterers *= amplitude[..., None].astype(np.float32)
    field = cv2.sepFilter2D(scatterers, cv2.CV_32F, lateral, axial)
    height, width = strength_db.shape
    return np.asarray(field[rows : rows + height, columns : columns + width], dtype=np.float32)


def depth_loss_db(loss_db: FloatMap) -> FloatMap:
    """Add up the loss along each beam, from the transducer (row 0) down.

    loss_db: (H, W), loss of each pixel in decibels per image height of path; negative where the machine's depth gain
    makes up for more than the tissue takes, as in a cyst. Returns (H, W) float32: the loss of the echo of each pixel;
    a region that loses more than its neighbours throws a shadow, one that loses less has a bright band behind it.
    """
    return np.cumsum(loss_db, axis=0, dtype=np.float32) / np.float32(loss_db.shape[0])


def log_compress(envelope: FloatMap, dynamic_range_db: float, white_db: float) -> npt.NDArray[np.uint8]:
    """Turn an envelope into grey values as the scanner's display does.

    envelope: (H, W), not negative. white_db: level that is shown as 255; ``white_db - dynamic_range_db`` and all
    below, zero included, is shown as 0. Returns (H, W) uint8, linear in decibels between the two.
    """
    level_db = 20.0 * np.log10(np.maximum(envelope, np.finfo(np.float32).tiny))
    grey = 255.0 * (1.0 + (level_db - white_db) / dynamic_range_db)
    return np.rint(np.clip(grey, 0.0, 255.0)).astype(np.uint8)


def _unit_power_kernel(sigma: float) -> npt.NDArray[np.float64]:
    """Return a Gaussian kernel of odd length, scaled so that filtered white noise keeps its variance."""
    kernel = cv2.getGaussianKernel(2 * int(np.ceil(3.0 * sigma)) + 1, sigma)
    return kernel / np.sqrt(np.sum(kernel**2))
