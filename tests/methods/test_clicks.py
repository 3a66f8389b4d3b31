"""Clicks from true masks: on the object where the rule says so, and at the pixels that the rule names."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gdinousam.errors import InputError
from gdinousam.methods.true_hints import centroid_click, fixed_click, random_click
from gdinousam.records import Click, Mask

ULTRASAM = Path(__file__).parents[2] / ".." / "shared" / "goldens" / "ultrasam"
FRAME = 16
masks = arrays.arrays(bool, st.tuples(st.integers(1, 40), st.integers(1, 40)))


def mask_of(rows: list[str]) -> Mask:
    return np.array([[character == "#" for character in row] for row in rows])


def is_on(mask_hw: Mask, click: Click) -> bool:
    """Whether the pixel that a click lies in belongs to the mask."""
    return bool(mask_hw[int(click.y), int(click.x)])


@given(mask_hw=masks, seed=st.integers(0, 2**32 - 1))
def test_clicks_lie_on_the_object_or_beside_an_object_that_is_not_there(mask_hw: Mask, seed: int) -> None:
    for click in (fixed_click(mask_hw, FRAME), random_click(mask_hw, np.random.RandomState(seed), FRAME)):
        assert is_on(mask_hw, click) == click.is_foreground == mask_hw.any()


def test_the_fixed_click_is_the_middle_pixel_row_by_row() -> None:
    mask_hw = mask_of(["....", ".##.", ".###", "...."])
    assert fixed_click(mask_hw, frame=4) == Click(1.5, 2.5)


def test_of_two_middle_pixels_the_later_one_is_clicked() -> None:
    assert fixed_click(mask_of([".##.", ".##."] * 2), frame=4) == Click(1.5, 2.5)


def test_clicks_come_back_in_pixels_of_the_original_image() -> None:
    mask_hw = np.zeros((60, 30), dtype=bool)
    mask_hw[20:40, 10:20] = True
    # of the frame's pixels, which are 5 wide and 10 high, columns 2 and 3 of rows 2 and 3: the third is row 3, column 2
    assert fixed_click(mask_hw, frame=6) == Click(12.5, 35)
    assert fixed_click(mask_hw, frame=3) == Click(15, 30)


def test_an_empty_mask_gives_a_background_click_in_the_middle_of_all_pixels() -> None:
    assert fixed_click(np.zeros((8, 16), dtype=bool), frame=4) == Click(2, 5, is_foreground=False)


def test_an_object_that_vanishes_in_the_frame_is_clicked_on_all_the_same() -> None:
    mask_hw = np.zeros((64, 64), dtype=bool)
    mask_hw[10, 20:23] = True
    assert fixed_click(mask_hw, frame=8) == Click(21.5, 10.5)
    clicks = {random_click(mask_hw, np.random.RandomState(seed), frame=8) for seed in range(40)}
    assert clicks == {Click(20.5, 10.5), Click(21.5, 10.5), Click(22.5, 10.5)}


def test_random_clicks_reach_every_pixel_alike_and_follow_the_seed() -> None:
    mask_hw = mask_of([".##.", "...#", "...."])
    generator = np.random.RandomState(0)
    clicks = [random_click(mask_hw, generator, frame=4) for _ in range(3000)]
    # the frame has four rows, the mask three: its rows are those of the frame's pixel centres
    counts = [clicks.count(click) for click in set(clicks)]
    assert len(counts) == 4 and min(counts) > 650
    assert random_click(mask_hw, np.random.RandomState(7), 4) == random_click(mask_hw, np.random.RandomState(7), 4)


@given(mask_hw=masks)
def test_the_centroid_turns_with_the_mask(mask_hw: Mask) -> None:
    assume(mask_hw.any())
    height, width = mask_hw.shape
    click, turned = centroid_click(mask_hw), centroid_click(mask_hw[::-1, ::-1])
    assert (turned.x, turned.y) == pytest.approx((width - click.x, height - click.y))
    assert click.is_foreground


def test_the_centroid_is_the_mean_of_pixel_centres_and_may_lie_outside() -> None:
    assert centroid_click(mask_of(["#.", ".."])) == Click(0.5, 0.5)
    ring = mask_of(["###", "#.#", "###"])
    assert centroid_click(ring) == Click(1.5, 1.5) and not is_on(ring, centroid_click(ring))


def test_an_empty_mask_has_no_centroid() -> None:
    with pytest.raises(InputError, match="an empty mask has no centroid to click on"):
        centroid_click(np.zeros((3, 4), dtype=bool))


@pytest.mark.skipif(not ULTRASAM.is_dir(), reason="needs the recorded outputs that developers have")
def test_the_centroid_is_ultrasams() -> None:
    with np.load(ULTRASAM / "predict.npz", allow_pickle=False) as recorded:
        click = centroid_click(recorded["gt_mask"] > 0)
        # UltraSam scales the index of a pixel, and its network adds half a pixel of the square
        shown = (np.array([click.x, click.y]) - 0.5) * recorded["scale_factor"] + 0.5
        assert shown == pytest.approx(recorded["point_xy_1024"].reshape(2), abs=1e-9)
