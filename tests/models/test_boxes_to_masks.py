"""Mask heads that are given their boxes."""

from pathlib import Path

import numpy as np
import pytest
import torch

from gdinousam.models.boxes_to_masks import WholeImageSegmenter, segment_boxes
from gdinousam.models.loading import load_mask_head
from gdinousam.models.mask_head import BoxPrompted
from gdinousam.records import Image

LEFT, RIGHT = (20.0, 30.0, 70.0, 100.0), (60.5, 10.0, 120.0, 80.0)


@pytest.fixture(scope="module")
def mask_head(small_mask_head: Path) -> BoxPrompted:
    return load_mask_head(str(small_mask_head))


def test_every_box_becomes_a_detection_with_the_mask_head_s_mask(
    mask_head: BoxPrompted, phantom_images: list[Image]
) -> None:
    boxes_xyxy = [{"cyst": [LEFT, RIGHT], "stone": []}, {}, {"stone": [RIGHT], "cyst": [LEFT]}]
    found = segment_boxes(mask_head, phantom_images, boxes_xyxy)
    assert [[(one.phrase, one.box_xyxy, one.score) for one in row] for row in found] == [
        [("cyst", LEFT, 1.0), ("cyst", RIGHT, 1.0)],
        [],
        [("stone", RIGHT, 1.0), ("cyst", LEFT, 1.0)],
    ]
    masks = mask_head.masks_in_boxes(phantom_images[:1], [torch.tensor([LEFT, RIGHT])])[0]
    assert all(np.array_equal(one.mask_hw, mask_hw) for one, mask_hw in zip(found[0], masks, strict=True))


def test_the_whole_image_is_the_box_of_every_phrase(mask_head: BoxPrompted, phantom_images: list[Image]) -> None:
    phrases = [["cyst"], [], ["stone", "cyst"]]
    method = WholeImageSegmenter(mask_head)
    found = method.segment(phantom_images, phrases)
    assert method.needs == frozenset()
    assert [[one.phrase for one in row] for row in found] == phrases
    for image, row in zip(phantom_images, found, strict=True):
        height, width = image.shape[:2]
        for one in row:
            assert one.box_xyxy == (0, 0, width, height)
            assert one.mask_hw is not None and one.mask_hw.shape == (height, width)


def test_boxes_of_another_number_of_images_are_refused(mask_head: BoxPrompted, phantom_images: list[Image]) -> None:
    with pytest.raises(ValueError, match="3 images but boxes of 1"):
        segment_boxes(mask_head, phantom_images, [{}])
