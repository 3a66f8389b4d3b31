"""Objects of one image in label files: nothing is lost, phrases never share a file, names are stable."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdinousam.data.sources.mask_layers import MAX_INSTANCES, layer_masks, phrase_slugs
from gdinousam.records import Mask

SIZE_HW = (12, 30)


def rectangle(x: int, y: int, width: int, height: int, size_hw: tuple[int, int] = SIZE_HW) -> Mask:
    mask = np.zeros(size_hw, dtype=bool)
    mask[y : y + height, x : x + width] = True
    return mask


rectangles = st.builds(rectangle, st.integers(0, 25), st.integers(0, 8), st.integers(1, 9), st.integers(1, 6))
objects = st.lists(
    st.tuples(st.sampled_from(["cyst", "benign lesion", "Benign-lesion", "胎儿"]), rectangles), max_size=9
)


@given(objects)
def test_every_object_comes_back_pixel_by_pixel(instances: list[tuple[str, Mask]]) -> None:
    files, names = layer_masks(instances, "a")
    phrases_of_file: dict[str, set[str]] = {}
    for (phrase, mask), name in zip(instances, names, strict=True):
        file, _, value = name.partition("#")
        np.testing.assert_array_equal(files[file] == int(value), mask)
        phrases_of_file.setdefault(file, set()).add(phrase)
    assert all(len(phrases) == 1 for phrases in phrases_of_file.values())
    assert phrases_of_file.keys() == files.keys()
    assert len(set(names)) == len(names)


def test_objects_of_one_phrase_share_the_file_of_the_image_with_values_from_255() -> None:
    files, names = layer_masks([("cyst", rectangle(0, 0, 3, 3)), ("cyst", rectangle(3, 0, 3, 3))], "busi_1")
    assert names == ["busi_1.png#255", "busi_1.png#254"]
    assert list(files) == ["busi_1.png"] and files["busi_1.png"].dtype == np.uint8


def test_objects_of_two_phrases_never_share_a_file() -> None:
    _, names = layer_masks([("Left kidney", rectangle(0, 0, 3, 3)), ("cyst", rectangle(9, 0, 3, 3))], "a")
    assert names == ["a.left-kidney.png#255", "a.cyst.png#255"]


def test_overlapping_objects_go_to_another_file_and_later_ones_fill_the_first() -> None:
    overlapping = [rectangle(0, 0, 5, 5), rectangle(4, 4, 5, 5), rectangle(4, 4, 1, 1), rectangle(20, 0, 5, 5)]
    files, names = layer_masks([("cyst", mask) for mask in overlapping], "a")
    assert names == ["a.png#255", "a.2.png#255", "a.3.png#255", "a.png#254"]
    assert list(files) == ["a.png", "a.2.png", "a.3.png"]


def test_overlap_in_an_image_of_two_phrases_keeps_the_phrase_in_the_name() -> None:
    pairs = [("a", rectangle(0, 0, 5, 5)), ("b", rectangle(0, 0, 5, 5)), ("b", rectangle(1, 1, 5, 5))]
    assert layer_masks(pairs, "x").mask_names == ["x.a.png#255", "x.b.png#255", "x.b.2.png#255"]


def test_more_objects_than_values_go_to_another_file() -> None:
    size_hw = (20, 20)
    pixels = [rectangle(index % 20, index // 20, 1, 1, size_hw) for index in range(MAX_INSTANCES + 2)]
    files, names = layer_masks([("speckle", mask) for mask in pixels], "a")
    assert names[MAX_INSTANCES - 1 :] == ["a.png#2", "a.2.png#255", "a.2.png#254"]
    assert files["a.png"].astype(bool).sum() == MAX_INSTANCES


def test_no_objects_give_no_files() -> None:
    assert layer_masks([], "a") == ({}, [])


def test_an_empty_mask_is_an_error_that_names_the_image() -> None:
    with pytest.raises(ValueError, match=r"busi_1: mask 1 \('cyst'\) holds no pixel"):
        layer_masks([("cyst", rectangle(0, 0, 2, 2)), ("cyst", np.zeros(SIZE_HW, dtype=bool))], "busi_1")


def test_masks_of_two_sizes_are_an_error() -> None:
    with pytest.raises(ValueError, match="masks of sizes"):
        layer_masks([("a", rectangle(0, 0, 2, 2)), ("b", rectangle(0, 0, 2, 2, (5, 5)))], "x")


def test_slugs_are_plain_and_distinct() -> None:
    slugs = phrase_slugs(["Fœtal tête", "a b", "A-B", "a-b-2", "胎儿", "---", "x" * 300])
    assert list(slugs.values()) == ["ftal-tete", "a-b", "a-b-2", "a-b-2-2", "phrase", "phrase-2", "x" * 60]
