"""How BiomedCLIP is shown images, and how its maps come back to them."""

import numpy as np
import pytest
import torch
from medclip_files import needs_goldens, recorded

from gdinousam.methods.medclip_sam.frame import (
    CLIP_MEAN,
    CLIP_STD,
    pixel_values,
    seen_in_colours,
    stretched,
    stretched_from_square,
)


@needs_goldens
def test_the_colours_are_the_recorded_ones() -> None:
    arrays = recorded("gscorecam_tiny")
    levels = (255 * arrays["top40_cam_43x57"]).astype(np.uint8)  # cut off where the recording did
    found = seen_in_colours(levels, arrays["overlay_image_u8"])
    assert np.array_equal(found, arrays["overlay_gray_read"])


def test_colours_are_not_in_the_order_of_the_map() -> None:
    levels = np.arange(256, dtype=np.uint8)[None]
    grey = seen_in_colours(levels, np.zeros((1, 256, 3), np.uint8))[0].astype(int)
    assert grey[255] < grey[200] and grey[:2].max() < grey[255]


@pytest.mark.parametrize("size_hw", [(80, 120), (120, 80), (64, 64), (33, 500), (1, 1)])
def test_the_middle_or_all_of_an_image_is_shown(size_hw: tuple[int, int]) -> None:
    height, width = size_hw
    image = np.full((height, width, 3), 128, np.uint8)
    for view in ("cropped", "whole"):
        values = pixel_values(image, 64, view)
        assert values.shape == (3, 64, 64) and values.dtype == torch.float32
        expected = (128 / 255 - torch.tensor(CLIP_MEAN)) / torch.tensor(CLIP_STD)
        assert torch.allclose(values.mean(dim=(1, 2)), expected, atol=1e-5)


def test_what_lies_beside_the_middle_is_seen_in_the_whole_alone() -> None:
    image = np.zeros((64, 192, 3), np.uint8)
    image[:, :48] = 255
    cropped, whole = (pixel_values(image, 64, view) for view in ("cropped", "whole"))
    assert torch.equal(cropped, pixel_values(np.zeros((64, 64, 3), np.uint8), 64, "cropped"))
    assert whole[0, 32, 8] > 1 and whole[0, 32, 24] < 0


@pytest.mark.parametrize("size_hw", [(30, 50), (7, 5), (1, 1), (500, 300)])
def test_maps_fill_the_image_and_span_all_levels(size_hw: tuple[int, int]) -> None:
    found = torch.zeros(4, 4)
    found[3, 0] = 0.3
    for levels in (stretched(found, size_hw), stretched_from_square(found, 64, size_hw)):
        assert levels.shape == size_hw and levels.dtype == np.uint8
        if size_hw != (1, 1):
            assert levels.min() == 0 and levels[-1, 0] == levels.max() >= 230


def test_a_map_of_one_value_is_dark() -> None:
    flat = torch.full((4, 4), 0.7)
    assert not stretched(flat, (9, 8)).any() and not stretched_from_square(flat, 64, (9, 8)).any()
