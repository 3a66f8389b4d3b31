"""Settings of phantoms: impossible ones are refused, and what is varied shows in the images."""

from dataclasses import replace

import numpy as np
import pytest

from gdinousam.data.sources.phantoms import PhantomSettings, make_phantom
from gdinousam.errors import InputError

EVEN = PhantomSettings(attenuation_db=(0.0, 0.0), empty=1.0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("width_range", (200, 100)),
        ("height_range", (32, 100)),
        ("radius", (0.0, 0.1)),
        ("grain", (2.0, 1.0)),
        ("contrast", (-1.0, 1.0)),
        ("convex", 1.5),
        ("calipers", -0.1),
        ("text", 2.0),
        ("empty", -1.0),
        ("two_lesions", 1.1),
        ("gain_spread_db", -1.0),
        ("dynamic_range_spread_db", 40.0),
    ],
)
def test_impossible_settings_are_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(InputError, match=name):
        PhantomSettings(**{name: value})  # type: ignore[arg-type]


def mean_greys(settings: PhantomSettings) -> np.ndarray:
    """Mean grey value of each of some empty images."""
    return np.array([make_phantom(np.random.default_rng(seed), settings).image.mean() for seed in range(12)])


def test_the_gain_varies_between_images() -> None:
    assert mean_greys(replace(EVEN, gain_spread_db=8.0)).std() > 2.0 * mean_greys(EVEN).std()


def test_the_gain_curve_varies_over_depth() -> None:
    def depth_spread(settings: PhantomSettings) -> float:
        images = [make_phantom(np.random.default_rng(seed), settings).image for seed in range(8)]
        return float(np.mean([image[len(image) // 3 :].mean(axis=(1, 2)).std() for image in images]))

    assert depth_spread(replace(EVEN, gain_curve_db=4.0)) > 1.3 * depth_spread(EVEN)


def test_a_larger_grain_makes_neighbours_more_alike() -> None:
    def likeness(grain: float) -> float:
        settings = replace(EVEN, grain=(grain, grain * 1.001))
        grey = make_phantom(np.random.default_rng(0), settings).image[80:, :, 0].astype(float)
        return float(np.corrcoef(grey[:-2].ravel(), grey[2:].ravel())[0, 1])

    assert likeness(1.6) > likeness(0.7) + 0.1


def test_a_smaller_contrast_brings_lesions_closer_to_the_tissue() -> None:
    def contrast(factor: float) -> float:
        settings = PhantomSettings(contrast=(factor, factor * 1.001), two_lesions=0.0)
        phantoms = [make_phantom(np.random.default_rng(seed), settings) for seed in range(16)]
        greys = [(phantom.image[..., 0], phantom.instances[0][1]) for phantom in phantoms]
        return float(np.mean([abs(grey[mask].mean() - grey[~mask].mean()) for grey, mask in greys]))

    assert contrast(0.5) < contrast(1.0) - 10
