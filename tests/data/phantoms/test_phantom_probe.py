"""The convex probe: a sector on black, masks that stay exact, grains that widen with depth."""

import cv2
import numpy as np
import pytest

from gdinousam.data.sources.phantoms import FAMILIES, PhantomSettings, make_phantom
from gdinousam.data.sources.phantoms.imaging import Sector, draw_sector, image_scene
from gdinousam.data.sources.phantoms.scene import Scene

SIZE_HW = (200, 240)


@pytest.fixture(params=range(6))
def sector(request: pytest.FixtureRequest) -> Sector:
    return draw_sector(np.random.default_rng(request.param), SIZE_HW)


def test_outside_the_sector_all_is_black_and_inside_is_not(sector: Sector) -> None:
    scene = Scene(np.zeros(sector.beams_hw, np.float32), np.zeros(sector.beams_hw, np.float32))
    grey = image_scene(np.random.default_rng(0), scene, PhantomSettings(), sector, 0.0).image[..., 0]
    assert not grey[~sector.inside].any()
    assert grey[sector.inside].mean() > 100
    assert 0.3 < sector.inside.mean() < 0.95


def test_the_sector_nearly_touches_two_sides_and_is_symmetric(sector: Sector) -> None:
    rows, columns = np.nonzero(sector.inside)
    assert np.ptp(rows) > 0.9 * SIZE_HW[0] or np.ptp(columns) > 0.9 * SIZE_HW[1]
    np.testing.assert_array_equal(sector.inside, sector.inside[:, ::-1])


def test_masks_and_grey_values_are_converted_alike(sector: Sector) -> None:
    height, width = sector.beams_hw
    beams = np.zeros(sector.beams_hw, np.uint8)
    cv2.circle(beams, (width // 2, height // 2), height // 6, 255, -1)
    mask, grey = sector.mask(beams > 0), sector.grey(beams)
    assert not (mask & ~sector.inside).any()
    assert ((grey > 127) != mask).mean() < 0.005
    assert not (grey[~mask] == 255).any() and not (grey[mask] == 0).any()


def test_a_circle_at_half_depth_stays_round(sector: Sector) -> None:
    height, width = sector.beams_hw
    beams = np.zeros(sector.beams_hw, np.uint8)
    cv2.circle(beams, (width // 2, height // 2), height // 8, 1, -1)
    mask = sector.mask(beams > 0)
    assert mask.any(axis=1).sum() == pytest.approx(mask.any(axis=0).sum(), rel=0.12)


def test_grains_widen_with_depth() -> None:
    sector = draw_sector(np.random.default_rng(0), SIZE_HW)
    scene = Scene(np.zeros(sector.beams_hw, np.float32), np.zeros(sector.beams_hw, np.float32))
    grey = image_scene(np.random.default_rng(0), scene, PhantomSettings(), sector, 0.0).image[..., 0].astype(float)
    depth = sector.rows / sector.beams_hw[0]

    def likeness(low: float, high: float) -> float:
        here = sector.inside[:, :-3] & sector.inside[:, 3:] & (depth[:, :-3] > low) & (depth[:, :-3] < high)
        return float(np.corrcoef(grey[:, :-3][here], grey[:, 3:][here])[0, 1])

    assert likeness(0.7, 0.95) > likeness(0.05, 0.3) + 0.1


@pytest.mark.parametrize("family", FAMILIES)
def test_a_convex_probe_is_used_as_often_as_asked(family: str) -> None:
    for convex in (0.0, 1.0):
        for seed in range(3):
            image = make_phantom(np.random.default_rng(seed), PhantomSettings(convex=convex), family).image
            corners = image[[0, 0, -1, -1], [0, -1, 0, -1], 0]
            assert (image[:, 0].mean() < 10) == bool(convex)
            assert not convex or (corners == 0).any()


@pytest.mark.parametrize("family", FAMILIES)
def test_objects_keep_enough_pixels_in_a_sector(family: str) -> None:
    for seed in range(8):
        phantom = make_phantom(np.random.default_rng(seed), PhantomSettings(convex=1.0, empty=0.0), family)
        assert phantom.instances
        assert min(mask.sum() for _, mask in phantom.instances) > 20
