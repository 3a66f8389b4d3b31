"""Masks in COCO's forms mean the same here as in pycocotools, and damaged ones are noticed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask
from scipy.ndimage import binary_fill_holes, gaussian_filter

from gdinousam.data.sources.coco.segmentation import decode_segmentation, encode_rle, has_holes, outline_polygons
from gdinousam.records import Mask


def random_mask(seed: int) -> Mask:
    """Blobs with holes, specks and parts that touch by a corner, reaching the borders; sometimes empty or full."""
    generator = np.random.default_rng(seed)
    height, width = generator.integers(1, 60, size=2)
    noise = gaussian_filter(generator.random((height, width)), generator.uniform(0, 3))
    return np.asarray(noise > np.quantile(noise, generator.choice([0.0, 0.2, 0.5, 0.9, 1.0])))


masks = st.integers(0, 10**6).map(random_mask)


@given(masks)
def test_run_lengths_come_back_pixel_by_pixel_in_every_spelling(mask: Mask) -> None:
    rle = encode_rle(mask)
    flat = mask.T.ravel()
    changes = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff([0, *changes, flat.size]).tolist()
    numbers = [0, *runs] if flat[0] else runs
    for counts in (rle["counts"], rle["counts"].encode(), str(rle["counts"].encode()), numbers):
        decoded = decode_segmentation(rle | {"counts": counts}, mask.shape)
        np.testing.assert_array_equal(decoded, mask)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools 2.0.11, NumPy 2
@given(masks)
def test_run_lengths_mean_what_pycocotools_means(mask: Mask) -> None:
    np.testing.assert_array_equal(coco_mask.decode(encode_rle(mask)).astype(bool), mask)


@settings(max_examples=200)
@given(masks)
def test_polygons_lose_nothing_but_holes(mask: Mask) -> None:
    filled = binary_fill_holes(mask)
    assert has_holes(mask) == (filled != mask).any()
    rings = outline_polygons(mask)
    if not mask.any():
        assert rings == []
        return
    np.testing.assert_array_equal(decode_segmentation(rings, mask.shape), filled)


def test_several_rings_are_united_and_a_ring_without_area_adds_nothing() -> None:
    square, other = [0, 0, 4, 0, 4, 4, 0, 4], [6.0, 6.0, 9.0, 6.0, 9.0, 9.0, 6.0, 9.0]
    expected = np.zeros((10, 12), dtype=bool)
    expected[:4, :4] = expected[6:9, 6:9] = True
    np.testing.assert_array_equal(decode_segmentation([square, other, [1, 1, 5, 5], []], (10, 12)), expected)
    assert not decode_segmentation([[1, 1, 5, 5]], (10, 12)).any()


def test_a_hole_survives_as_run_lengths() -> None:
    ring = np.ones((5, 6), dtype=bool)
    ring[2, 3] = False
    np.testing.assert_array_equal(decode_segmentation(encode_rle(ring), (5, 6)), ring)


@pytest.mark.parametrize("nothing", [None, [], {}])
def test_an_annotation_may_have_no_segmentation(nothing: object) -> None:
    assert decode_segmentation(nothing, (5, 6)) is None


GOOD = encode_rle(np.eye(5, 6, dtype=bool))


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        (GOOD | {"counts": GOOD["counts"][:-2]}, "cut off"),
        (GOOD | {"counts": "zzz"}, "cut off"),
        (GOOD | {"counts": "ä"}, "cut off"),
        (GOOD | {"counts": "b'\\x"}, "cut off"),
        (GOOD | {"counts": ""}, "cut off"),
        (GOOD | {"counts": [5, 10]}, "cut off"),
        (GOOD | {"counts": [-5, 35]}, "cut off"),
        (GOOD | {"counts": [1.5, 28.5]}, "not whole numbers"),
        (GOOD | {"counts": None}, "missing"),
        (GOOD | {"size": [6, 5]}, r"size \[6, 5\], the image \[5, 6\]"),
        ({"counts": GOOD["counts"]}, "size None"),
        ("text", "neither run lengths nor a list of polygons"),
        ([1, 2, 3, 4, 5], "5 numbers"),
        ([1, [2, 3, 4, 5, 6, 7]], "neither run lengths nor a list of polygons"),
        ([[1, 1, 3, 1, 3]], "5 numbers"),
        ([[1, 1, 3, 1, 3, "a"]], "not a number"),
        ([[1, 1, 3, 1, 3, float("nan")]], "not a number"),
        ([[1, 1, 3, 1, 3, 10**9]], "far outside the image"),
    ],
)
def test_a_damaged_segmentation_is_an_error(segmentation: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode_segmentation(segmentation, (5, 6))


def test_a_polygon_without_the_list_round_it_is_one_polygon() -> None:
    ring = [1, 1, 4, 1, 4, 3, 1, 3]  # x, y of four corners: 3 x 2 pixels
    mask = decode_segmentation(ring, (5, 6))
    assert mask is not None and mask.sum() == 6 and mask[1:3, 1:4].all()
    np.testing.assert_array_equal(mask, decode_segmentation([ring], (5, 6)))
