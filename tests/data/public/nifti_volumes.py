"""Miniature NIfTI volumes with labels, written by the tests of the volume datasets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import nibabel
import numpy as np
import numpy.typing as npt

SHAPE = (40, 30, 5)  # x, y, z
Block = tuple[slice, slice]  # along x and y


def write_volume(path: Path, values: npt.NDArray[np.generic]) -> Path:
    """Write an array with a header whose orientation is wrong, as that of the releases is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, np.diag([-1.0, -1.0, 1.0, 1.0])[[2, 0, 1, 3]]), path)
    return path


def noise(seed: int = 0) -> npt.NDArray[np.uint8]:
    """A volume of noise in [0, 255), another one for every seed."""
    return np.random.default_rng(seed).integers(0, 255, SHAPE, dtype=np.uint8)


def labels(blocks: Mapping[int, Block | list[Block]]) -> npt.NDArray[np.uint8]:
    """Labels that are 1 in the blocks of each slice, 0 elsewhere."""
    values = np.zeros(SHAPE, dtype=np.uint8)
    for index, found in blocks.items():
        for block in found if isinstance(found, list) else [found]:
            values[(*block, index)] = 1
    return values


LARGE: Block = (slice(5, 25), slice(4, 14))  # 20 x 10
SECOND: Block = (slice(28, 34), slice(18, 24))  # 6 x 6, apart from LARGE
SPECK: Block = (slice(38, 40), slice(0, 2))  # 2 x 2
