"""Families of phantoms: what each organ shows, targets that are exact and differ in size, place and contrast."""

import numpy as np
import pytest
from phantom_regions import around, box_of, inner

from gdinousam.data.sources.phantoms import FAMILIES, VARIED, Phantom, PhantomSettings, make_phantom, phrases_of
from gdinousam.errors import InputError

NUM_PHANTOMS = 24


@pytest.fixture(scope="module")
def drawn() -> dict[str, list[Phantom]]:
    """Phantoms of each family by the default settings."""
    return {
        family: [make_phantom(np.random.default_rng(seed), family=family) for seed in range(NUM_PHANTOMS)]
        for family in FAMILIES
    }


@pytest.fixture(scope="module")
def varied() -> dict[str, list[Phantom]]:
    """Phantoms of each family by the settings of pretraining."""
    return {
        family: [make_phantom(np.random.default_rng(seed), VARIED, family) for seed in range(NUM_PHANTOMS)]
        for family in FAMILIES
    }


def masks_of(phantom: Phantom, phrase: str) -> list[np.ndarray]:
    return [mask for name, mask in phantom.instances if name == phrase]


def targets(phantoms: list[Phantom]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Grey image and mask of every target."""
    return [(phantom.image[..., 0].astype(float), mask) for phantom in phantoms for _, mask in phantom.instances]


def contrasts(phantoms: list[Phantom], phrase: str) -> np.ndarray:
    """How much brighter the inside of each target of a phrase is than its surroundings, in grey values."""
    return np.array([
        phantom.image[..., 0][inner(mask)].mean() - phantom.image[..., 0][around(mask)].mean()
        for phantom in phantoms
        for mask in masks_of(phantom, phrase)
        if inner(mask).any()
    ])  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_targets_lie_inside_the_image_and_have_phrases_of_their_family(
    varied: dict[str, list[Phantom]], family: str
) -> None:
    found = set()
    for phantom in varied[family]:
        height, width, _ = phantom.image.shape
        assert 176 <= height <= 256 and 176 <= width <= 256
        assert phantom.image.dtype == np.uint8 and (phantom.image == phantom.image[..., :1]).all()
        for phrase, mask in phantom.instances:
            found.add(phrase)
            assert mask.shape == (height, width) and mask.dtype == bool
            assert mask.sum() > 25
            assert not (mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())
    assert found == set(phrases_of(family))


@pytest.mark.parametrize("family", FAMILIES)
def test_same_seed_same_phantom_of_a_family(family: str) -> None:
    first, second, other = (make_phantom(np.random.default_rng(seed), VARIED, family) for seed in (7, 7, 8))
    np.testing.assert_array_equal(first.image, second.image)
    for (phrase, mask), (same_phrase, same_mask) in zip(first.instances, second.instances, strict=True):
        assert phrase == same_phrase
        np.testing.assert_array_equal(mask, same_mask)
    assert first.image.shape != other.image.shape or (first.image != other.image).any()


@pytest.mark.parametrize("family", FAMILIES)
def test_an_empty_image_has_no_targets(family: str) -> None:
    settings = PhantomSettings(empty=1.0, calipers=1.0, convex=0.5)
    assert all(make_phantom(np.random.default_rng(seed), settings, family).instances == () for seed in range(4))


@pytest.mark.parametrize("family", ["breast", "thyroid", "liver"])
def test_lesions_vary_in_size_and_place(varied: dict[str, list[Phantom]], family: str) -> None:
    boxes = np.array([np.divide(box_of(mask), [*mask.shape[::-1]] * 2) for _, mask in targets(varied[family])])
    widths, heights = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    assert widths.min() < 0.12 and widths.max() > 0.3 and heights.max() > 0.3
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2
    assert (centers.std(axis=0) > (0.1, 0.05)).all()


@pytest.mark.parametrize("family", ["breast", "thyroid", "liver"])
def test_several_lesions_do_not_touch(family: str) -> None:
    settings = PhantomSettings(two_lesions=1.0)
    phantoms = [make_phantom(np.random.default_rng(seed), settings, family) for seed in range(12)]
    assert any(len(phantom.instances) == 2 for phantom in phantoms)
    for phantom in phantoms:
        assert np.sum([mask for _, mask in phantom.instances], axis=0).max() == 1


def test_thyroid_nodules_are_darker_or_brighter_than_the_lobe_or_alike(drawn: dict[str, list[Phantom]]) -> None:
    difference = contrasts(drawn["thyroid"], "thyroid nodule")
    assert difference.min() < -25 and difference.max() > 5 and (np.abs(difference) < 15).any()


def test_beside_a_thyroid_nodule_lies_a_black_carotid(drawn: dict[str, list[Phantom]]) -> None:
    for phantom in drawn["thyroid"]:
        upper = slice(phantom.image.shape[0] // 8, phantom.image.shape[0] * 2 // 3)
        outside = ~np.logical_or.reduce([mask for _, mask in phantom.instances])
        assert (phantom.image[upper, :, 0][outside[upper]] == 0).sum() > 30


def test_the_kidney_capsule_contains_its_parts_and_these_do_not_overlap(varied: dict[str, list[Phantom]]) -> None:
    for phantom in varied["kidney"]:
        if phantom.instances:
            capsule, central, cortex = (mask for _, mask in phantom.instances)
            assert tuple(phrase for phrase, _ in phantom.instances) == phrases_of("kidney")
            assert not (cortex & central).any()
            assert not ((cortex | central) & ~capsule).any()
            assert cortex.sum() > 0.2 * capsule.sum() and central.sum() > 0.1 * capsule.sum()


def test_of_a_kidney_the_medulla_is_darkest_and_the_central_echo_complex_brightest(
    drawn: dict[str, list[Phantom]],
) -> None:
    for phantom in drawn["kidney"]:
        masks, grey = dict(phantom.instances), phantom.image[..., 0]
        cortex, central = masks["kidney cortex"], masks["kidney central echo complex"]
        medulla = masks["kidney capsule"] & ~cortex & ~central  # drawn, but no object
        assert grey[medulla].mean() < grey[cortex].mean() - 5
        assert grey[cortex].mean() < grey[central].mean() - 15


def test_the_prostate_is_darker_than_its_surroundings_with_a_bright_capsule(drawn: dict[str, list[Phantom]]) -> None:
    darker, capsule = [], []
    for grey, mask in targets(drawn["prostate"]):
        x0, y0, x1, y1 = box_of(mask)
        beside = around(mask)
        beside[: (2 * y0 + y1) // 3] = False  # a bladder lies above
        beside[(y0 + 2 * y1) // 3 :] = False
        darker.append(grey[beside].mean() - grey[inner(mask, 4)].mean())
        capsule.append(grey[mask & ~inner(mask, 2)].mean() - grey[inner(mask, 4)].mean())
        assert x1 - x0 > 0.15 * mask.shape[1]
    assert np.mean(darker) > 15 and np.mean(capsule) > 15
    assert np.mean(np.array(darker) > 0) > 0.85


def test_malignant_liver_lesions_are_dark_and_benign_ones_bright_or_black(drawn: dict[str, list[Phantom]]) -> None:
    malignant = contrasts(drawn["liver"], "malignant liver lesion")
    benign = contrasts(drawn["liver"], "benign liver lesion")
    assert malignant.max() < 5 and malignant.mean() < -20
    assert (np.abs(benign) > 15).all() and benign.min() < -60 and benign.max() > 15


def test_the_multifidus_is_no_more_salient_than_what_lies_beside_it(drawn: dict[str, list[Phantom]]) -> None:
    difference = contrasts(drawn["muscle"], "multifidus muscle")
    assert np.abs(difference).mean() < 20
    for grey, mask in targets(drawn["muscle"]):
        assert grey[~mask].max() >= grey[mask].max() - 10
        assert np.percentile(grey[around(mask, 1, 20)], 98) > np.percentile(grey[mask], 90)


def test_the_fascia_of_the_multifidus_is_brighter_than_the_muscle(drawn: dict[str, list[Phantom]]) -> None:
    edges = [
        grey[mask & ~inner(mask, 2)].mean() - grey[inner(mask, 4)].mean() for grey, mask in targets(drawn["muscle"])
    ]
    assert np.mean(edges) > 12 and np.mean(np.array(edges) > 0) > 0.85


def test_the_multifidus_takes_a_sixth_to_a_third_of_the_image_and_moves(drawn: dict[str, list[Phantom]]) -> None:
    boxes = np.array([np.divide(box_of(mask), [*mask.shape[::-1]] * 2) for _, mask in targets(drawn["muscle"])])
    sizes = boxes[:, 2:] - boxes[:, :2]
    assert sizes.min() > 0.14 and sizes.max() < 0.38
    assert (((boxes[:, :2] + boxes[:, 2:]) / 2).std(axis=0) > (0.1, 0.03)).all()


def test_an_unknown_family_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"'spleen'.*breast, thyroid, kidney, prostate, liver, muscle"):
        make_phantom(np.random.default_rng(0), family="spleen")
    with pytest.raises(InputError, match="spleen"):
        phrases_of("spleen")
