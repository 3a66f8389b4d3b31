"""From the true mask of an object to a click on it, by the rules of the methods that are shown clicks.

SAMUS clicks on pixels of a 256 x 256 frame to which the mask is stretched; such a click comes back in pixels of the
original image as the centre of the frame's pixel, and ``gdinousam.methods.samus.segmenter`` finds that pixel again.
A click at the centre of a box is ``gdinousam.records.Click.centre_of``.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import PIL.Image

from gdinousam.errors import InputError
from gdinousam.records import Click, Mask

SAMUS_FRAME = 256  # side in pixels of the images that SAMUS sees


def fixed_click(mask_hw: Mask, frame: int = SAMUS_FRAME) -> Click:
    """The click of SAMUS's test code: the middle one of the mask's pixels in the frame, counted row by row.

    mask_hw: (H, W) bool. frame: side of the frame in pixels. Of an even number of pixels it is the later middle one.
    A mask that vanishes in the frame, as objects thinner than a pixel of it can, is clicked on at the middle one of its
    own pixels; the official code would click on the background as if there were no object. An empty mask gives a
    background click on the middle one of all pixels in the frame, as in the official code.
    """
    centres_xy, is_foreground = _clickable(mask_hw, frame)
    x, y = centres_xy[len(centres_xy) // 2]
    return Click(float(x), float(y), is_foreground)


def random_click(mask_hw: Mask, generator: np.random.RandomState, frame: int = SAMUS_FRAME) -> Click:
    """The click of SAMUS's training: any of the mask's pixels in the frame, all equally likely.

    generator: NumPy's legacy one, which the official code draws from; one number is drawn. Masks that vanish in the
    frame or are empty are treated as by ``fixed_click``, with any of the pixels in place of the middle one.
    """
    centres_xy, is_foreground = _clickable(mask_hw, frame)
    x, y = centres_xy[generator.randint(len(centres_xy))]
    return Click(float(x), float(y), is_foreground)


def centroid_click(mask_hw: Mask) -> Click:
    """The click of UltraSam's test configuration: the mean of the mask's pixels; it may lie outside of the object.

    mask_hw: (H, W) bool, not empty. UltraSam counts from the centre of the first pixel, a ``Click`` from its outer
    corner, so half a pixel is added here and taken off again where UltraSam is shown the click. Raises InputError for
    an empty mask.
    """
    if not mask_hw.any():
        raise InputError("an empty mask has no centroid to click on; leave out objects without a pixel")
    ys, xs = np.nonzero(mask_hw)
    return Click(float(xs.mean()) + 0.5, float(ys.mean()) + 0.5)


def _clickable(mask_hw: Mask, frame: int) -> tuple[npt.NDArray[np.float64], bool]:
    """(N, 2) x, y of the pixel centres to choose from, row by row, in original pixels, and whether they lie on the
    object; N is at least 1.
    """
    stretched = PIL.Image.fromarray(mask_hw.astype(np.uint8)).resize((frame, frame), PIL.Image.Resampling.NEAREST)
    in_frame = np.asarray(stretched) > 0
    if in_frame.any():
        pixels, is_foreground = in_frame, True
    elif mask_hw.any():
        pixels, is_foreground = mask_hw, True
    else:
        pixels, is_foreground = ~in_frame, False
    ys, xs = np.nonzero(pixels)
    height, width = pixels.shape
    scale_xy = np.array([mask_hw.shape[1] / width, mask_hw.shape[0] / height])
    return (np.stack([xs, ys], axis=1) + 0.5) * scale_xy, is_foreground
