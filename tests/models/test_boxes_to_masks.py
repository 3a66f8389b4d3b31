"""Mask heads with the whole image as their box."""

from pathlib import Path

import pytest

from gdinousam.methods.ours.references import WholeImageSegmenter
from gdinousam.models.loading import load_mask_head
from gdinousam.models.mask_heads.sam2 import MaskHead
from gdinousam.records import Image


@pytest.fixture(scope="module")
def mask_head(small_mask_head: Path) -> MaskHead:
    return load_mask_head(str(small_mask_head))


def test_the_whole_image_is_the_box_of_every_phrase(mask_head: MaskHead, phantom_images: list[Image]) -> None:
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
