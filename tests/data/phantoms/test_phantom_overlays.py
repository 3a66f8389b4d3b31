"""Overlays: calipers lie at the ends of a target, letters change the image only where they are written."""

from dataclasses import replace

import numpy as np
import pytest

from gdinousam.data.sources.phantoms import FAMILIES, VARIED, PhantomSettings, make_phantom
from gdinousam.data.sources.phantoms.imaging import caliper_ends, draw_calipers, draw_text


def ellipse(size_hw: tuple[int, int], center_xy: tuple[float, float], half_xy: tuple[float, float]) -> np.ndarray:
    rows, columns = np.indices(size_hw)
    return ((columns - center_xy[0]) / half_xy[0]) ** 2 + ((rows - center_xy[1]) / half_xy[1]) ** 2 <= 1.0


def test_calipers_mark_the_longest_diameter() -> None:
    assert caliper_ends(ellipse((100, 120), (60, 50), (40, 20))) == ((20, 50), (100, 50))
    assert caliper_ends(ellipse((100, 120), (60, 50), (10, 30)))[0][0] == pytest.approx(60, abs=1)
    single = np.zeros((9, 9), bool)
    single[4, 5] = True
    assert caliper_ends(single) == ((5, 4), (5, 4))


@pytest.mark.parametrize("seed", range(5))
def test_crosses_lie_at_the_edge_of_the_target_and_dots_between_them(seed: int) -> None:
    mask, grey = ellipse((100, 120), (60, 50), (40, 20)), np.zeros((100, 120), np.uint8)
    draw_calipers(np.random.default_rng(seed), grey, mask)
    rows, columns = np.nonzero(grey)
    near_ends = np.minimum(abs(columns - 20), abs(columns - 100)) <= 5
    assert (abs(rows[near_ends] - 50) <= 5).all() and near_ends.sum() >= 10
    assert (rows[~near_ends] == 50).all() and mask[rows[~near_ends], columns[~near_ends]].all()


@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "muscle"])
def test_calipers_change_nothing_but_the_line_between_two_edges_of_a_target(family: str) -> None:
    with_calipers = make_phantom(np.random.default_rng(1), PhantomSettings(calipers=1.0), family)
    # a probability that never happens takes one number from the generator too, but draws nothing
    without = make_phantom(np.random.default_rng(1), PhantomSettings(calipers=1e-12), family)
    changed = (with_calipers.image != without.image)[..., 0]
    (x0, y0), (x1, y1) = caliper_ends(max((mask for _, mask in with_calipers.instances), key=np.count_nonzero))
    rows, columns = np.nonzero(changed)
    assert changed.sum() >= 10
    along, across = np.array([x1 - x0, y1 - y0]) / np.hypot(x1 - x0, y1 - y0), np.stack([columns - x0, rows - y0], 1)
    distance = np.abs(across[:, 0] * along[1] - across[:, 1] * along[0])
    assert distance.max() < 7
    at_ends = [np.hypot(columns - x, rows - y).min() <= 1 for x, y in ((x0, y0), (x1, y1))]
    assert all(at_ends)


def test_the_multifidus_is_never_measured() -> None:
    never, always = (
        make_phantom(np.random.default_rng(2), PhantomSettings(calipers=chance), "muscle") for chance in (0.0, 1.0)
    )
    np.testing.assert_array_equal(never.image, always.image)


def test_letters_stand_in_corners_and_at_the_sides() -> None:
    for seed in range(10):
        grey = np.zeros((200, 240), np.uint8)
        draw_text(np.random.default_rng(seed), grey)
        assert grey.any() and grey.max() >= 140
        assert not grey[25:-25, 10:-10].any()


def test_text_leaves_masks_alone() -> None:
    for family in FAMILIES:
        phantoms = [make_phantom(np.random.default_rng(3), replace(VARIED, text=text), family) for text in (1e-12, 1.0)]
        for (_, mask), (_, same) in zip(*(phantom.instances for phantom in phantoms), strict=True):
            np.testing.assert_array_equal(mask, same)
        assert (phantoms[0].image != phantoms[1].image).any()
