"""The few frozen records that every part of the package passes around, and the interface of a method.

Boxes are ``(x, y, width, height)`` in CSV records, because that is the data contract, and ``(x0, y0, x1, y1)``
everywhere else. Both are in pixels of the stored image, the origin at the outer corner of the top-left pixel, so a box
round the whole image is ``(0, 0, width, height)``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]  # (H, W, 3) RGB in [0, 255]
Mask = npt.NDArray[np.bool_]  # (H, W), true where the object is
BoxXYWH = tuple[float, float, float, float]
BoxXYXY = tuple[float, float, float, float]
Need = Literal["text", "box", "point", "support set"]
# What the numbers of a method can be held against. random: never trained; small: of a model far below the published
# sizes; full: of a published size, tuned or not; unknown: made by another program or an earlier version.
WeightsKind = Literal["random", "small", "full", "unknown"]


@dataclass(frozen=True)
class FileState:
    """By what a file is known to be the same: its size in bytes and the time of its last change in nanoseconds."""

    num_bytes: int
    changed_ns: int


@dataclass(frozen=True)
class MaskReference:
    """Where the mask of an instance lies.

    path: mask image of the same size as the picture.
    value: pixels equal to this grey value belong to the instance; ``None``: every non-zero pixel does.
    resized_to: (width, height) of the picture where a mask of another size is to be resized; ``None``: it is refused.
    state: what the file was when it was checked, ``None`` where it was not.
    """

    path: Path
    value: int | None = None
    resized_to: tuple[int, int] | None = None
    state: FileState | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Instance:
    """One object of an image.

    phrase: the text that names it, as written in the CSV, there first if it is spelt in several ways.
    box_xywh: (x, y, width, height) in pixels of the stored image, x and y the top-left corner.
    mask: where its mask lies, or ``None`` where the data has no masks. Several instances may share one mask.
    """

    phrase: str
    box_xywh: BoxXYWH
    mask: MaskReference | None = None

    @property
    def box_xyxy(self) -> BoxXYXY:
        """The box as (x0, y0, x1, y1) in pixels of the stored image."""
        x, y, width, height = self.box_xywh
        return x, y, x + width, y + height


@dataclass(frozen=True)
class ImageRecord:
    """One image of a dataset with everything known about it.

    path: image file. width, height: its size in pixels. dataset: name of the dataset it comes from.
    group: patient, volume or exam, or ``None`` where unknown.
    instances: its objects, in the order of the CSV; may be empty.
    absent_phrases: phrases known to name nothing in this image (CSV rows without a box).
    phrases: the distinct phrases of the CSV rows, present and absent, in order of first appearance.
    last_phrase: the phrase of the image's last CSV row, the only one that the public test scripts keep.
    state: what the image file was when it was checked, ``None`` where it was not.
    """

    path: Path
    width: int
    height: int
    dataset: str
    group: str | None = None
    instances: tuple[Instance, ...] = ()
    absent_phrases: tuple[str, ...] = ()
    phrases: tuple[str, ...] = field(default=())
    last_phrase: str = ""
    state: FileState | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Query:
    """One image and one phrase: the unit that is segmented and scored."""

    image: ImageRecord
    phrase: str

    @property
    def instances(self) -> tuple[Instance, ...]:
        """The instances of the image that the phrase names; empty where the phrase is absent."""
        return tuple(instance for instance in self.image.instances if instance.phrase == self.phrase)


@dataclass(frozen=True, eq=False)
class Detection:
    """One object found by a method.

    phrase: exactly the phrase that was asked for. box_xyxy: (x0, y0, x1, y1) in pixels of the original image.
    score: confidence in [0, 1]. mask_hw: (H, W) bool of the original image, or ``None`` from a method without masks.
    quality: the overlap (IoU) of its mask with the object that the method expects, in [0, 1], or ``None``. map_hw:
    see ``Hint``, where whoever found it has such a map.
    """

    phrase: str
    box_xyxy: BoxXYXY
    score: float
    mask_hw: Mask | None = field(default=None, repr=False)
    quality: float | None = None
    map_hw: npt.NDArray[np.float32] | None = field(default=None, repr=False)


@dataclass(frozen=True, eq=False)
class Answer:
    """What a method says of one image.

    detections: of every phrase that was asked, as ``PhraseSegmenter.segment`` returns them. public_choices: what the
    paper's public test scripts keep, best first, only the first with a mask, by the phrases that were asked by their
    rule; none from a method that knows no such rule.
    """

    detections: list[Detection]
    public_choices: Mapping[str, list[Detection]] = field(default_factory=dict)


@dataclass(frozen=True)
class Click:
    """A point that somebody shows a method: (x, y) in pixels of the original image, the centre of its first pixel being
    (0.5, 0.5). is_foreground: on the object, or beside it.
    """

    x: float
    y: float
    is_foreground: bool = True

    @classmethod
    def centre_of(cls, box_xyxy: BoxXYXY) -> Click:
        """The click of somebody who knows only the box."""
        x0, y0, x1, y1 = box_xyxy
        return cls((x0 + x1) / 2, (y0 + y1) / 2)


@dataclass(frozen=True)
class Hint:
    """What a method is shown of one object of an image.

    phrase: what the object is called; methods that cannot read pass it on. box_xyxy: (x0, y0, x1, y1) in pixels of the
    original image, ``None`` where none is shown. clicks: may be empty. score: confidence of whoever found the object,
    in [0, 1]; 1 where it was given. map_hw: (h, w) logits over the whole image, on a grid of any size, that are added
    to those of its mask, above 0 inside; only our pipeline's SAM2 does so, others draw by what else they are shown.
    """

    phrase: str
    box_xyxy: BoxXYXY | None = None
    clicks: tuple[Click, ...] = ()
    score: float = 1.0
    map_hw: npt.NDArray[np.float32] | None = field(default=None, repr=False, compare=False)


class HintedSegmenter(Protocol):
    """A method that is shown where an object lies and gives its mask.

    needs: what a hint must hold, ``box`` or ``point``.
    """

    @property
    def needs(self) -> frozenset[Need]: ...

    def segment_hints(self, images: Sequence[Image], hints: Sequence[Sequence[Hint]]) -> list[list[Detection]]:
        """Segment the object of each hint.

        images: (H, W, 3) uint8 RGB in [0, 255], sizes may differ, or what ``gdinousam.inputs.as_images`` takes.
        hints: for each image its hints, may be none.
        Returns one list per image, in the order of its hints, a detection for each with the hint's phrase and
        score; its box is the hint's, or where that has none the one round the mask, and then an empty mask gives no
        detection. Batch and single give the same answer. Raises InputError where the lists differ in length, and for
        what is not a hint or lacks what the method needs.
        """
        ...


class PhraseSegmenter(Protocol):
    """A method that turns images and phrases into detections: ours and every compared one.

    needs: what the method must be given beside the image at test time, so that a table can say so.
    """

    @property
    def needs(self) -> frozenset[Need]: ...

    def segment(self, images: Sequence[Image], phrases: Sequence[Sequence[str]]) -> list[list[Detection]]:
        """Segment every phrase in its image.

        images: (H, W, 3) uint8 RGB in [0, 255], sizes may differ, or what ``gdinousam.inputs.as_images`` takes.
        phrases: for each image the phrases to look for.
        Returns one list per image, ordered by phrase as asked, then by falling score; a phrase that is not found has
        no entry, so the list may be empty. Batch and single give the same answer. Raises InputError for what cannot be
        taken, such as a text in place of a list of phrases.
        """
        ...


@runtime_checkable
class PublicChooser(PhraseSegmenter, Protocol):
    """A segmenter that can also choose its answer by the rule of the paper's public test scripts."""

    def segment_and_choose(
        self, images: Sequence[Image], phrases: Sequence[Sequence[str]], public_phrases: Sequence[Sequence[str]]
    ) -> list[Answer]:
        """Segment every phrase in its image, and choose for some phrases as the public scripts do.

        images, phrases: as in ``segment``. public_phrases: for each image the phrases to ask by that rule; may be none.
        Returns one answer per image; batch and single give the same.
        """
        ...
