"""Samples: images with boxes and masks for the transforms."""

import numpy as np
import pytest
import torch

from gdinousam.data.samples import to_sample
from gdinousam.errors import InputError
from gdinousam.preprocessing import ResizeSettings, build_resize


def painted(height: int, width: int, box_xywh: tuple[int, int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A black image with a white rectangle, and the mask of that."""
    x, y, box_width, box_height = box_xywh
    mask = np.zeros((height, width), dtype=bool)
    mask[y : y + box_height, x : x + box_width] = True
    return np.repeat(mask[..., None] * np.uint8(255), 3, axis=2), mask


def test_to_sample_keeps_pixels_boxes_and_masks() -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    _, mask = painted(20, 30, (4, 5, 6, 7))
    sample = to_sample(image, [(4, 5, 6, 7)], [mask])
    assert sample.image.dtype == torch.uint8
    np.testing.assert_array_equal(sample.image.permute(1, 2, 0).numpy(), image)
    assert sample.boxes_xyxy.tolist() == [[4, 5, 10, 12]]
    assert sample.boxes_xyxy.canvas_size == (20, 30)
    np.testing.assert_array_equal(sample.masks_nhw[0].numpy(), mask)


def test_to_sample_does_not_share_memory_with_the_image() -> None:
    image, mask = painted(8, 9, (1, 2, 3, 4))
    sample = to_sample(image, [(1, 2, 3, 4)], [mask])
    image[:] = 7
    mask[:] = False
    assert sample.image.max() == 255 and sample.masks_nhw.sum() == 12


def test_an_image_without_objects_is_a_sample() -> None:
    sample = to_sample(np.zeros((5, 7, 3), np.uint8), [], [])
    resized = build_resize(ResizeSettings(size=10))(sample)
    assert resized.boxes_xyxy.shape == (0, 4) and resized.masks_nhw.shape == (0, 10, 10)


def test_objects_that_share_a_mask_get_their_own_part_of_it() -> None:
    _, left = painted(20, 40, (2, 3, 10, 10))
    _, right = painted(20, 40, (22, 5, 10, 10))
    both = left | right
    sample = to_sample(np.zeros((20, 40, 3), np.uint8), [(2, 3, 10, 10), (22, 5, 10, 10)], [both, both])
    np.testing.assert_array_equal(sample.masks_nhw.numpy(), [left, right])


def test_a_box_over_the_border_is_cut_there() -> None:
    sample = to_sample(np.zeros((20, 30, 3), np.uint8), [(-3.5, 10, 8, 40)])
    assert sample.boxes_xyxy.tolist() == [[0, 10, 4.5, 20]]


@pytest.mark.parametrize(
    ("boxes_xywh", "masks", "message"),
    [
        ([(4, 5, 0, 7)], None, "no area"),
        ([(1, 1, 2, 2), (31, 5, 6, 7)], None, r"31.* no area .* 30 x 20"),
        ([(4, 5, 6, 7)], [], "0 masks for 1 boxes"),
        ([(4, 5, 6, 7)], [np.zeros((20, 30), bool)], "no pixel inside"),
        ([(4, 5, 6, 7)], [np.ones((30, 20), bool)], "must be equal"),
    ],
)
def test_objects_that_cannot_be_are_refused(boxes_xywh: list, masks: list | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        to_sample(np.zeros((20, 30, 3), np.uint8), boxes_xywh, masks)
