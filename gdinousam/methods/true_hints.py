"""Methods that are shown where the objects are, as published: a box or a click from the true masks.

Only here does the truth get to a method; what it makes of it is scored like every other answer. Whoever is shown the
truth has not found anything, so such numbers are no match for those of a method that was given a phrase.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import PIL.Image

from gdinousam.data.images import read_mask
from gdinousam.errors import InputError
from gdinousam.records import (
    Click,
    Detection,
    Hint,
    HintedSegmenter,
    Image,
    ImageRecord,
    Instance,
    Mask,
    Need,
    Query,
)
from gdinousam.runtime import derived_seed

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


ClickRule = Callable[[Mask, int], Click]
"""From the (H, W) mask of an object to a click in its pixels; the number seeds what is random about it."""


class TrueHints:
    """A method that is shown every instance of every phrase; a phrase without instances gets no answer.

    click: how the true mask of an instance becomes a click, which is then all that is shown of it; ``None``: its box is
    shown. seed: for clicks; what is random about one depends on the seed, the image, the phrase and the place of the
    instance alone.
    """

    def __init__(self, segmenter: HintedSegmenter, click: ClickRule | None = None, seed: int = 0) -> None:
        self.segmenter = segmenter
        self.needs: frozenset[Need] = segmenter.needs
        self._click = click
        self._seed = seed

    def segment_records(self, images: Sequence[Image], records: Sequence[ImageRecord]) -> list[list[Detection]]:
        """See ``RecordSegmenter``; one detection for each instance that is shown."""
        return self.segmenter.segment_hints(images, [self._hints(record) for record in records])

    def _hints(self, record: ImageRecord) -> list[Hint]:
        return [
            self._hint(record, instance, place)
            for phrase in record.phrases
            for place, instance in enumerate(Query(record, phrase).instances)
        ]

    def _hint(self, record: ImageRecord, instance: Instance, place: int) -> Hint:
        if self._click is None:
            return Hint(instance.phrase, instance.box_xyxy)
        seed = derived_seed(self._seed, record.dataset, record.path.name, instance.phrase, place)
        return Hint(instance.phrase, clicks=(self._click(_own_mask(record, instance), seed),))


def _own_mask(record: ImageRecord, instance: Instance) -> Mask:
    """The mask of one instance; where others share its file, what of it lies in the box."""
    if instance.mask is None:
        raise InputError(f"{record.path}: no mask of {instance.phrase!r} to take a click from; give the mask folder")
    mask_hw = read_mask(instance.mask)
    if sum(other.mask == instance.mask for other in record.instances) > 1:
        x0, y0, x1, y1 = (round(edge) for edge in instance.box_xyxy)
        inside = mask_hw.copy()
        inside[:] = False
        inside[y0:y1, x0:x1] = mask_hw[y0:y1, x0:x1]
        mask_hw = inside
    if not mask_hw.any():
        raise InputError(f"{record.path}: the mask of {instance.phrase!r} has no pixel in its box; correct the box")
    return mask_hw
