"""Scores of outlines on shapes whose distances can be counted by hand."""

import math
import warnings

import numpy as np
import pytest
import torch

from gdinousam.evaluation.scoring.metrics import MIN_TOLERANCE_PIXELS, surface_scores, tolerance_pixels

SIZE_HW = (100, 100)


def rectangle(x: int, y: int, width: int, height: int, size_hw: tuple[int, int] = SIZE_HW) -> np.ndarray:
    mask_hw = np.zeros(size_hw, bool)
    mask_hw[y : y + height, x : x + width] = True
    return mask_hw


EMPTY = rectangle(0, 0, 0, 0)
SQUARE = rectangle(20, 30, 10, 10)


def test_equal_masks_have_the_best_scores() -> None:
    assert surface_scores(SQUARE, SQUARE) == (1.0, 0.0, 0.0)


def test_a_square_shifted_by_three_pixels() -> None:
    # Outline of 36 pixels each. Shifted to the right by 3, tolerance 1: of the shifted outline's 36 pixels, 7 of the
    # top and 7 of the bottom row lie on the other outline, one more of each a pixel beside it. Of its left column
    # (x = 23) the pixels between the rows are 3 from the left side, but those next to top and bottom rows are 1 away.
    # So 2 * (7 + 1) + 2 = 18 of 36 are near, and by symmetry as many of the other outline.
    scores = surface_scores(rectangle(23, 30, 10, 10), SQUARE)
    assert scores.surface_dice == 18 / 36
    assert scores.hausdorff_95 == 3.0
    # Distances of the shifted outline: 14 pixels at 0; of the top and bottom rows 2 each at 1, 2 and 3; the right
    # column's other 8 at 3; the left column's other 8 to the nearest of row and column: 1, 2, 3, 3, 3, 3, 2, 1.
    assert scores.surface_distance == pytest.approx((2 * (1 + 2 + 3) + 8 * 3 + 18) / 36)


def test_two_single_pixels_are_their_distance_apart() -> None:
    scores = surface_scores(rectangle(10, 10, 1, 1), rectangle(13, 14, 1, 1))
    assert scores == (0.0, 5.0, 5.0)


def test_one_far_speck_moves_the_mean_and_not_the_95_percentile() -> None:
    with_speck = SQUARE | rectangle(90, 34, 1, 1)
    # The speck is one of 37 pixels of its outline: less than 5 %. Its distance to column 29 is 61.
    scores = surface_scores(with_speck, SQUARE)
    assert scores.hausdorff_95 == 0.0
    assert scores.surface_distance == pytest.approx(61 / (37 + 36))
    assert scores.surface_dice == pytest.approx(72 / 73)


def test_every_part_of_a_mask_has_an_outline() -> None:
    two = SQUARE | rectangle(60, 30, 10, 10)
    assert surface_scores(two, two) == (1.0, 0.0, 0.0)
    # The missing square's nearest column is 31 pixels from the found one's last.
    assert surface_scores(SQUARE, two).surface_dice == (36 + 36) / (36 + 72)


def test_the_order_of_the_masks_does_not_matter() -> None:
    other = rectangle(25, 28, 6, 30)
    assert surface_scores(SQUARE, other) == surface_scores(other, SQUARE)


@pytest.mark.parametrize(("prediction", "truth"), [(EMPTY, SQUARE), (SQUARE, EMPTY)])
def test_one_empty_mask_has_surface_dice_0_and_no_distance(prediction: np.ndarray, truth: np.ndarray) -> None:
    scores = surface_scores(prediction, truth)
    assert scores.surface_dice == 0.0
    assert math.isnan(scores.hausdorff_95) and math.isnan(scores.surface_distance)


def test_two_empty_masks_agree_and_have_no_distance() -> None:
    scores = surface_scores(EMPTY, EMPTY)
    assert scores.surface_dice == 1.0
    assert math.isnan(scores.hausdorff_95) and math.isnan(scores.surface_distance)


def test_the_tolerance_is_half_a_percent_of_the_diagonal_and_at_least_a_pixel() -> None:
    assert tolerance_pixels(100, 100) == MIN_TOLERANCE_PIXELS == 1.0
    assert tolerance_pixels(800, 600) == pytest.approx(5.0)


def test_the_tolerance_belongs_to_the_whole_image_although_a_crop_is_looked_at() -> None:
    def shifted_by_three(size_hw: tuple[int, int]) -> float:
        return surface_scores(rectangle(23, 30, 9, 9, size_hw), rectangle(20, 30, 9, 9, size_hw)).surface_dice

    assert shifted_by_three((100, 100)) < 1
    assert shifted_by_three((600, 800)) == 1


def test_masks_at_the_border_of_the_image_have_an_outline_there() -> None:
    # A mask that fills the image: its outline is the frame of 36 pixels, which lie a pixel away from the inner outline
    # of 28, but for its four corners.
    scores = surface_scores(np.ones((10, 10), bool), rectangle(1, 1, 8, 8, (10, 10)))
    assert scores.surface_dice == 60 / 64
    assert scores.hausdorff_95 == pytest.approx(math.sqrt(2))


def test_masks_of_two_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="different size"):
        surface_scores(SQUARE, np.ones((2, 2), bool))


@pytest.mark.parametrize("seed", range(5))
def test_scores_equal_monai_s_own_score_functions(seed: int) -> None:
    from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, compute_surface_dice

    generator = np.random.default_rng(seed)
    masks = [
        rectangle(*generator.integers(0, 40, 2), *generator.integers(1, 60, 2))
        | rectangle(*generator.integers(0, 90, 2), *generator.integers(1, 9, 2))
        for _ in range(2)
    ]
    first, second = (torch.from_numpy(mask_hw)[None, None] for mask_hw in masks)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # monai 1.6 warns about a call of its own
        expected = [
            compute_surface_dice(first, second, [1.0], include_background=True),
            compute_hausdorff_distance(first, second, include_background=True, percentile=95),
            compute_average_surface_distance(first, second, include_background=True, symmetric=True),
        ]
    assert surface_scores(*masks) == pytest.approx([float(one) for one in expected], rel=1e-5)
