"""Mask heads without a detector: boxes that are given become masks, or the whole image is the box.

Both are references for the pipeline. With the true boxes the mask head shows what a perfect detector would reach; with
the whole image as box it shows what it reaches when told nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from gdinousam.models.mask_head import BoxPrompted
from gdinousam.records import BoxXYXY, Detection, Image, Need

# What a config names as its detector to get them.
TRUE_BOX = "true-box"
WHOLE_IMAGE = "whole-image"
GIVEN = 1.0  # score of a box that nobody had to find


def segment_boxes(
    mask_head: BoxPrompted, images: Sequence[Image], boxes_xyxy: Sequence[Mapping[str, Sequence[BoxXYXY]]]
) -> list[list[Detection]]:
    """Segment the object in each given box.

    images: (H, W, 3) uint8 RGB. boxes_xyxy: for each image its boxes by phrase, (x0, y0, x1, y1) in pixels of that
    image; a phrase may have none. Returns for each image one detection per box, in the order given, score 1.
    Raises ValueError where the lists differ in length.
    """
    if len(images) != len(boxes_xyxy):
        raise ValueError(f"{len(images)} images but boxes of {len(boxes_xyxy)}; give the boxes of every image")
    pairs = [[(phrase, box) for phrase, boxes in of_image.items() for box in boxes] for of_image in boxes_xyxy]
    masks = mask_head.masks_in_boxes(images, [torch.tensor([box for _, box in row]) for row in pairs])
    return [
        [Detection(phrase, box, GIVEN, mask_hw) for (phrase, box), mask_hw in zip(row, masks_of_image, strict=True)]
        for row, masks_of_image in zip(pairs, masks, strict=True)
    ]


class WholeImageSegmenter:
    """A mask head with the whole image as its box, whatever the phrase; it finds every phrase everywhere."""

    needs: frozenset[Need] = frozenset()

    def __init__(self, mask_head: BoxPrompted) -> None:
        self.mask_head = mask_head

    def segment(self, images: Sequence[Image], phrases: Sequence[Sequence[str]]) -> list[list[Detection]]:
        """Give every phrase the mask of the whole image's box; see ``gdinousam.records.Segmenter``."""
        boxes_xyxy = [
            {phrase: [(0.0, 0.0, float(image.shape[1]), float(image.shape[0]))] for phrase in asked}
            for image, asked in zip(images, phrases, strict=True)
        ]
        return segment_boxes(self.mask_head, images, boxes_xyxy)
