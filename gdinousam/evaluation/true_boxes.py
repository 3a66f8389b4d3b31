"""Methods that are prompted with the true boxes: what they reach when finding is not their task.

Only here do boxes of the truth get to a method; what it makes of them is scored like every other answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gdinousam.records import BoxXYXY, Detection, Image, ImageRecord, Need, Query

BoxSegmenter = Callable[[Sequence[Image], Sequence[Mapping[str, Sequence[BoxXYXY]]]], list[list[Detection]]]
"""Images, (H, W, 3) uint8 RGB, and for each its boxes by phrase, in pixels of that image; one detection per box."""


class TrueBoxes:
    """A method that is given the boxes of every phrase's instances; a phrase without instances gets no answer."""

    needs: frozenset[Need] = frozenset({"box"})

    def __init__(self, segment_boxes: BoxSegmenter) -> None:
        self._segment_boxes = segment_boxes

    def segment(self, images: Sequence[Image], records: Sequence[ImageRecord]) -> list[list[Detection]]:
        """What the method makes of the true boxes. records: of these images. Returns a list per image, may be empty."""
        boxes_xyxy = [
            {phrase: [one.box_xyxy for one in Query(record, phrase).instances] for phrase in record.phrases}
            for record in records
        ]
        return self._segment_boxes(images, boxes_xyxy)
