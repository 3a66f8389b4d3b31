"""Where the tests of phantoms measure: the box of a mask, and the tissue beside, behind and round it."""

import numpy as np
from scipy import ndimage


def box_of(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero(mask)
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def beside(mask: np.ndarray) -> np.ndarray:
    """The pixels in the rows of the lesion, at least 8 columns away from it."""
    x0, y0, x1, y1 = box_of(mask)
    region = np.zeros_like(mask)
    region[y0:y1] = True
    region[:, max(x0 - 8, 0) : x1 + 8] = False
    return region


def behind(mask: np.ndarray) -> np.ndarray:
    """The pixels below the lesion, in the middle half of its columns."""
    x0, _, x1, y1 = box_of(mask)
    region = np.zeros_like(mask)
    region[y1 + 4 : y1 + 30, (3 * x0 + x1) // 4 : (x0 + 3 * x1) // 4] = True
    return region


def behind_and_beside(mask: np.ndarray) -> np.ndarray:
    """The pixels of the rows of ``behind``, away from the lesion's columns."""
    x0, _, x1, _ = box_of(mask)
    region = np.zeros_like(mask)
    region[behind(mask).any(axis=1)] = True
    region[:, max(x0 - 8, 0) : x1 + 8] = False
    return region


def inner(mask: np.ndarray, depth: int = 3) -> np.ndarray:
    """The pixels of a mask that lie deeper in it than the beam's width."""
    return ndimage.binary_erosion(mask, iterations=depth)


def around(mask: np.ndarray, distance: int = 3, width: int = 6) -> np.ndarray:
    """A band round a mask that starts at a distance from it."""
    near = ndimage.binary_dilation(mask, iterations=distance)
    return ndimage.binary_dilation(near, iterations=width) & ~near
