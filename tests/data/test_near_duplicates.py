"""Copies of a picture are found however they were changed, other pictures are not, and clusters follow chains."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from gdinousam.data.audit.near_duplicates import clusters, near_pairs
from gdinousam.data.audit.picture_windows import FOUND, Thumbnail, thumbnail
from gdinousam.data.images import read_image
from gdinousam.data.sources.phantoms import FAMILIES, VARIED, make_phantom
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


def cropped(image: Image, top: float = 0.0, bottom: float = 0.0, left: float = 0.0, right: float = 0.0) -> Image:
    height, width = image.shape[:2]
    return image[
        round(top * height) : height - round(bottom * height), round(left * width) : width - round(right * width)
    ]


def cropped_by_10_percent(image: Image) -> Image:
    return cropped(image, 0.1, 0.1, 0.1, 0.1)


def cropped_unevenly(image: Image) -> Image:
    return cropped(image, 0.06, 0.01, 0.0, 0.09)


def bordered(image: Image) -> Image:
    height, width = (round(0.05 * side) for side in image.shape[:2])
    return np.pad(image, ((height, height), (width, width), (0, 0)))


def bordered_below_in_white(image: Image) -> Image:
    return np.pad(image, ((0, round(0.1 * image.shape[0])), (0, 0), (0, 0)), constant_values=255)


def mirrored(image: Image) -> Image:
    return np.ascontiguousarray(image[:, ::-1])


def mirrored_and_cropped(image: Image) -> Image:
    return mirrored(cropped(recompressed(image), 0.03, 0.08, 0.05, 0.02))


CHANGES = (
    *(recompressed, resized, brightened, cropped_by_10_percent, cropped_unevenly, bordered, bordered_below_in_white),
    *(mirrored, mirrored_and_cropped),
)


def thumbnails(*images: Image) -> list[Thumbnail]:
    return [thumbnail(image) for image in images]


def texture(seed: int, side: int = 128) -> Image:
    """Noise of all sizes, the stronger the larger as in pictures, unlike that of any other seed."""
    generator = np.random.default_rng(seed)
    grey = np.zeros((side, side))
    for cells in (2, 4, 8, 16, 32, 64):
        noise = PIL.Image.fromarray(generator.standard_normal((cells, cells)).astype(np.float32))
        grey += np.array(noise.resize((side, side), PIL.Image.Resampling.BICUBIC)) / cells**0.7
    return np.repeat(np.clip(128 + 40 * grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_changed_copies_are_near_duplicates(change: Callable[[Image], Image], phantom_images: list[Image]) -> None:
    for image in phantom_images:
        (pair,) = near_pairs(thumbnails(image, change(image)))
        assert (pair.first, pair.second) == (0, 1)
        assert FOUND <= pair.correlation <= 1
        assert pair.is_mirrored == change.__name__.startswith("mirrored")


@pytest.mark.parametrize("change", [cropped_by_10_percent, mirrored_and_cropped], ids=lambda change: change.__name__)
def test_it_does_not_matter_which_of_two_is_the_copy(
    change: Callable[[Image], Image], phantom_images: list[Image]
) -> None:
    for image in phantom_images:
        assert near_pairs(thumbnails(change(image), image)) == near_pairs(thumbnails(image, change(image)))


@pytest.mark.parametrize("family", FAMILIES)
def test_other_pictures_of_one_family_are_no_near_duplicates(family: str) -> None:
    images = [make_phantom(np.random.default_rng(seed), VARIED, family).image for seed in range(20)]
    assert near_pairs(thumbnails(*images)) == []


def test_pairs_are_sorted_and_do_not_depend_on_the_other_pictures_or_their_order() -> None:
    images = [texture(seed) for seed in range(4)]
    copies = [cropped_unevenly(images[0]), mirrored(images[2]), brightened(images[0])]
    pairs = near_pairs(thumbnails(*images, *copies))
    assert [pair[:2] for pair in pairs] == [(0, 4), (0, 6), (2, 5), (4, 6)]
    backwards = near_pairs(thumbnails(*[*images, *copies][::-1]))
    assert {(6 - pair.second, 6 - pair.first): pair.correlation for pair in backwards} == {
        (pair.first, pair.second): pair.correlation for pair in pairs
    }
    (alone,) = near_pairs(thumbnails(images[2], copies[1]))
    assert alone[2:] == pairs[2][2:]


def test_more_pictures_than_are_compared_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gdinousam.data.audit.picture_windows.CHUNK", 3)
    images = [texture(seed) for seed in range(7)]
    pairs = near_pairs(thumbnails(*images, bordered(images[1])))
    assert [pair[:2] for pair in pairs] == [(1, 7)]


def test_equal_pictures_are_near_duplicates_even_without_texture_and_others_of_one_colour_are_not() -> None:
    black, grey = np.zeros((50, 60, 3), np.uint8), np.full((50, 60, 3), 90, np.uint8)
    assert near_pairs(thumbnails(black, grey, black)) == [(0, 2, 1.0, False)]


def test_no_picture_and_one_picture_give_no_pairs(phantom_images: list[Image]) -> None:
    assert near_pairs([]) == []
    assert near_pairs(thumbnails(phantom_images[0])) == []


def test_a_chain_of_near_duplicates_is_one_cluster_named_after_its_first() -> None:
    image = texture(0, side=256)
    # neither end holds the other, the middle holds both
    chain = [cropped(image, left=0.1), image, cropped(image, right=0.1)]
    assert [pair[:2] for pair in near_pairs(thumbnails(*chain))] == [(0, 1), (1, 2)]
    names = ["scan 10", "scan 2", "scan 9", "alone"]
    assert clusters(names, thumbnails(*chain, texture(1))) == {
        "scan 10": "scan 2",
        "scan 2": "scan 2",
        "scan 9": "scan 2",
        "alone": "alone",
    }


def test_groups_that_share_a_near_duplicate_become_one_cluster() -> None:
    images = [texture(0), texture(1), brightened(texture(1)), texture(2)]
    found = clusters(["a", "b", "c", "d"], thumbnails(*images), groups=["anna", "anna", "berta", "clara"])
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
    raw = [read_image(path) for path in known]
    small = [read_image(copies[name]) for name in known.values()]
    pairs = near_pairs(thumbnails(*raw, *small))
    assert len(known) > 50
    expected = {(position, position + len(known)) for position in range(len(known))}
    assert expected <= {(pair.first, pair.second) for pair in pairs}
    patients = [_patient(name) for name in known.values()] * 2
    assert [pair for pair in pairs if patients[pair.first] != patients[pair.second]] == []


def _pictures(release: str, pattern: str) -> list[Path]:
    return sorted((SHARED_DATA / "raw" / release).rglob(pattern))


def _patient(name: str) -> str:
    """HC18 and BUS-UCLM name the patient first, STU-Hospital has one picture of each."""
    return name if name.startswith("stu") else "_".join(name.split("_")[:2])
