"""Methods that are shown where the objects are, as published: a box or a click from the true masks.

Only here does the truth get to a method; what it makes of it is scored like every other answer. Whoever is shown the
truth has not found anything, so such numbers are no match for those of a method that was given a phrase.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
from gdinousam.seeding import derived_seed

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
