"""Copies of a picture are found, other pictures are not, and clusters follow chains of pairs."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from gdinousam.data.images import read_image
from gdinousam.data.near_duplicates import (
    CHUNK,
    MAX_DISTANCE,
    NUM_BITS,
    PerceptualHash,
    clusters,
    near_pairs,
    perceptual_hash,
)
from gdinousam.data.phantoms import make_phantom
from gdinousam.records import Image

SHARED_DATA = Path(__file__).parents[2].parent / "shared" / "data"


def recompressed(image: Image) -> Image:
    file = io.BytesIO()
    PIL.Image.fromarray(image).save(file, "JPEG", quality=40)
    return np.array(PIL.Image.open(file))


def resized(image: Image) -> Image:
    height, width = image.shape[:2]
    return np.array(PIL.Image.fromarray(image).resize((round(0.6 * width), round(0.6 * height))))


def brightened(image: Image) -> Image:
    return np.rint(255 * (image / 255) ** 0.75).astype(np.uint8)


def cropped(image: Image) -> Image:
    height, width = (max(1, round(0.01 * side)) for side in image.shape[:2])
    return image[height:-height, width:-width]


def hash_of_bits(*positions: int) -> PerceptualHash:
    """A hash in which only these bits are set."""
    bits = np.zeros(NUM_BITS, dtype=bool)
    bits[list(positions)] = True
    return np.packbits(bits).view(np.uint64)


def test_a_hash_is_eight_words_of_64_bits(phantom_images: list[Image]) -> None:
    for image in phantom_images:
        assert perceptual_hash(image).shape == (8,)
        assert perceptual_hash(image).dtype == np.uint64


@pytest.mark.parametrize("change", [recompressed, resized, brightened, cropped])
def test_changed_copies_are_near_duplicates(change: Callable[[Image], Image], phantom_images: list[Image]) -> None:
    for image in phantom_images:
        pairs = near_pairs([perceptual_hash(image), perceptual_hash(change(image))])
        assert pairs[:, :2].tolist() == [[0, 1]]


def test_other_pictures_are_no_near_duplicates() -> None:
    images = [make_phantom(np.random.default_rng(seed)).image for seed in range(30)]
    assert near_pairs([perceptual_hash(image) for image in images]).shape == (0, 3)


def test_a_mirrored_picture_is_no_near_duplicate(phantom_images: list[Image]) -> None:
    for image in phantom_images:
        mirrored = np.ascontiguousarray(image[:, ::-1])
        assert len(near_pairs([perceptual_hash(image), perceptual_hash(mirrored)])) == 0


def test_pairs_are_those_of_a_plain_count_of_bits_across_chunks() -> None:
    generator = np.random.default_rng(0)
    bits = generator.random((CHUNK + 200, NUM_BITS)) < 0.5
    for copy in range(0, CHUNK + 200, 7):  # every seventh is another with some bits flipped
        flipped = generator.choice(NUM_BITS, size=int(generator.integers(0, 2 * MAX_DISTANCE)), replace=False)
        bits[copy] = bits[(copy * 31 + 5) % len(bits)]
        bits[copy, flipped] ^= True
    expected = [
        [first, first + 1 + int(offset), int(distances[offset])]
        for first in range(len(bits))
        for distances in [(bits[first + 1 :] != bits[first]).sum(axis=1)]
        for offset in np.flatnonzero(distances <= MAX_DISTANCE)
    ]
    assert len(expected) > 50
    assert near_pairs(np.packbits(bits, axis=1).view(np.uint64)).tolist() == expected


def test_the_greatest_distance_is_part_of_the_range() -> None:
    hashes = [
        hash_of_bits(),
        hash_of_bits(*range(MAX_DISTANCE)),
        hash_of_bits(*range(NUM_BITS - MAX_DISTANCE - 1, NUM_BITS)),
    ]
    assert near_pairs(hashes).tolist() == [[0, 1, MAX_DISTANCE]]
    assert len(near_pairs(hashes, max_distance=0)) == 0


def test_no_picture_and_one_picture_give_no_pairs(phantom_images: list[Image]) -> None:
    assert near_pairs([]).shape == (0, 3)
    assert near_pairs([perceptual_hash(phantom_images[0])]).shape == (0, 3)


def test_a_chain_of_near_duplicates_is_one_cluster_named_after_its_first() -> None:
    far = hash_of_bits(*range(200, 500))
    chain = [hash_of_bits(*range(60 * step)) for step in range(3)]  # the ends are 120 bits apart
    names = ["scan 10", "scan 2", "scan 9", "alone"]
    assert clusters(names, [*chain, far]) == {
        "scan 10": "scan 2",
        "scan 2": "scan 2",
        "scan 9": "scan 2",
        "alone": "alone",
    }


def test_groups_that_share_a_near_duplicate_become_one_cluster() -> None:
    hashes = [hash_of_bits(*range(start, start + 150)) for start in (0, 300, 300, 100)]
    found = clusters(["a", "b", "c", "d"], hashes, groups=["anna", "anna", "berta", "clara"])
    assert found == {"a": "a", "b": "a", "c": "a", "d": "d"}


def test_no_names_have_no_clusters() -> None:
    assert clusters([], []) == {}


@pytest.mark.real_data
@pytest.mark.skipif(not (SHARED_DATA / "raw").is_dir(), reason="the folder of real images is not here")
def test_releases_are_recognised_in_their_small_jpeg_copies_and_in_no_others() -> None:
    raw_names = {
        path: re.sub(r"^Test", "stu_test", path.stem).lower() for path in _pictures("STU-Hospital", "Test_Image_*")
    }
    raw_names |= {path: f"hc18_{path.stem}".lower() for path in _pictures("HC18", "*HC.png")}
    raw_names |= {path: f"busuclm_{path.stem}".lower() for path in _pictures("BUS-UCLM/images", "*.png")}
    copies = {path.stem: path for path in (SHARED_DATA / "multimodal-data").glob("*/*.jpg")}
    known = {path: name for path, name in raw_names.items() if name in copies}
    raw = [perceptual_hash(read_image(path)) for path in known]
    small = [perceptual_hash(read_image(copies[name])) for name in known.values()]
    pairs = near_pairs(raw + small)
    assert len(known) > 50
    expected = {(position, position + len(known)) for position in range(len(known))}
    assert expected <= {(first, second) for first, second, _ in pairs.tolist()}
    strangers = [
        (first, second)
        for first, second, _ in pairs.tolist()
        if _patient(list(known.values())[first % len(known)]) != _patient(list(known.values())[second % len(known)])
    ]
    assert strangers == []


def _pictures(release: str, pattern: str) -> list[Path]:
    return sorted((SHARED_DATA / "raw" / release).rglob(pattern))


def _patient(name: str) -> str:
    """HC18 and BUS-UCLM name the patient first, STU-Hospital has one picture of each."""
    return name if name.startswith("stu") else "_".join(name.split("_")[:2])
