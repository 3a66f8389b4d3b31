"""Phantoms of the breast, the default: kinds that differ, exact masks, the same image for the same seed."""

import cv2
import numpy as np
import pytest
from phantom_regions import behind, behind_and_beside, beside, box_of

from gdinousam.data.sources.phantoms import LESION_KINDS, Phantom, PhantomSettings, make_phantom

NUM_PHANTOMS = 60


@pytest.fixture(scope="module")
def phantoms() -> list[Phantom]:
    return [make_phantom(np.random.default_rng(seed)) for seed in range(NUM_PHANTOMS)]


def of_kind(phantoms: list[Phantom], phrase: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Grey image and mask of every lesion of the kind that is alone in its image."""
    return [
        (phantom.image[..., 0].astype(float), phantom.instances[0][1])
        for phantom in phantoms
        if len(phantom.instances) == 1 and phantom.instances[0][0] == phrase
    ]


def test_tissue_gets_darker_with_depth() -> None:
    settings = PhantomSettings(attenuation_db=(20.0, 20.0))
    for seed in range(5):
        phantom = make_phantom(np.random.default_rng(seed), settings)
        (_, mask), *others = phantom.instances
        free = ~np.logical_or.reduce([mask, *(other for _, other in others)]).any(axis=0)
        grey = phantom.image[:, free, 0].astype(float)
        height = len(grey)
        # 20 dB over the height, 60 dB = 255: half the height costs about 42 grey values.
        assert grey[height * 4 // 10 : height // 2].mean() - grey[height * 9 // 10 :].mean() == pytest.approx(
            40, abs=20
        )


def test_phantoms_are_grey_images_within_the_size_range_with_one_or_two_separate_lesions(
    phantoms: list[Phantom],
) -> None:
    for phantom in phantoms:
        height, width, channels = phantom.image.shape
        assert phantom.image.dtype == np.uint8 and channels == 3
        assert 160 <= height <= 192 and 160 <= width <= 192
        assert (phantom.image == phantom.image[..., :1]).all()
        assert len(phantom.instances) in (1, 2)
        for _, mask in phantom.instances:
            assert mask.shape == (height, width) and mask.dtype == bool
            assert mask.sum() > 150
            assert not (mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())
        assert sum(mask.astype(int) for _, mask in phantom.instances).max() == 1
    counts = [len(phantom.instances) for phantom in phantoms]
    assert 0 < counts.count(2) < counts.count(1)
    assert {phrase for phantom in phantoms for phrase, _ in phantom.instances} == {kind.phrase for kind in LESION_KINDS}


def test_same_seed_same_phantom() -> None:
    first, second, other = (make_phantom(np.random.default_rng(seed)) for seed in (7, 7, 8))
    np.testing.assert_array_equal(first.image, second.image)
    for (phrase, mask), (same_phrase, same_mask) in zip(first.instances, second.instances, strict=True):
        assert phrase == same_phrase
        np.testing.assert_array_equal(mask, same_mask)
    assert first.image.shape != other.image.shape or (first.image != other.image).any()


def test_phantoms_do_not_touch_the_global_generator() -> None:
    before = np.random.get_state()[1].copy()
    make_phantom(np.random.default_rng(0))
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_cysts_are_black_with_enhancement_behind(phantoms: list[Phantom]) -> None:
    cysts = of_kind(phantoms, "cyst")
    assert cysts
    for grey, mask in cysts:
        inside = cv2.erode(mask.astype(np.uint8), np.ones((7, 7))) > 0  # tissue echoes reach in by the beam's width
        assert grey[inside].mean() < 5
    assert np.mean([grey[behind(mask)].mean() - grey[behind_and_beside(mask)].mean() for grey, mask in cysts]) > 15


def test_benign_lesions_are_darker_than_tissue_not_black_and_wider_than_tall(phantoms: list[Phantom]) -> None:
    lesions = of_kind(phantoms, "benign lesion")
    assert lesions
    for grey, mask in lesions:
        x0, y0, x1, y1 = box_of(mask)
        assert x1 - x0 > 1.2 * (y1 - y0)
        assert 25 < grey[mask].mean() < grey[beside(mask)].mean() - 25
        # An ellipse fills pi / 4 of its box; the outline is drawn half a pixel wide.
        assert mask.sum() / ((x1 - x0) * (y1 - y0)) == pytest.approx(np.pi / 4, abs=0.04)


def test_malignant_lesions_are_dark_taller_than_wide_and_throw_a_shadow(phantoms: list[Phantom]) -> None:
    lesions = of_kind(phantoms, "malignant lesion")
    assert lesions
    for grey, mask in lesions:
        x0, y0, x1, y1 = box_of(mask)
        assert y1 - y0 > x1 - x0
        assert grey[mask].mean() < grey[beside(mask)].mean() - 40
        assert grey[behind(mask)].mean() < grey[behind_and_beside(mask)].mean() - 10


def test_bright_lesions_are_brighter_than_tissue(phantoms: list[Phantom]) -> None:
    lesions = of_kind(phantoms, "bright lesion")
    assert lesions
    for grey, mask in lesions:
        assert grey[mask].mean() > grey[beside(mask)].mean() + 25
