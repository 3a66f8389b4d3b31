"""Both MedCLIP-SAMs as segmenters: what their answers depend on, and what is kept of them."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from gdinousam.errors import InputError
from gdinousam.methods.medclip_sam.bottleneck import BottleneckSettings
from gdinousam.methods.medclip_sam.kept_maps import KeptMaps
from gdinousam.methods.medclip_sam.segmenter import (
    TEMPLATE,
    SegmenterParts,
    SentenceReader,
    SentenceSegmenter,
    load_parts,
)
from gdinousam.methods.medclip_sam.v1 import MedClipSam
from gdinousam.methods.medclip_sam.v2 import MedClipSamV2
from gdinousam.methods.sentences import Sentences
from gdinousam.models.mask_heads.sam import SamMaskHead
from gdinousam.records import Detection, Image
from gdinousam.runtime import torch_seed

Parts = tuple[SentenceReader, SamMaskHead]
NOT_KEPT = KeptMaps(None, {})
PHRASES = ["cyst", "kidney", "absent thing"]


@pytest.fixture(scope="module")
def parts() -> Parts:
    with torch_seed(0):
        return load_parts("random-small", "random-small", torch.device("cpu"))


Build = Callable[[Parts, KeptMaps], SentenceSegmenter]


def first(parts: Parts, maps: KeptMaps = NOT_KEPT, num_channels: int = 8) -> MedClipSam:
    return MedClipSam(SegmenterParts(*parts, maps, Sentences(TEMPLATE)), num_channels=num_channels)


def second(parts: Parts, maps: KeptMaps = NOT_KEPT) -> MedClipSamV2:
    return MedClipSamV2(
        SegmenterParts(*parts, maps, Sentences(TEMPLATE)), of_organs={"kidney": BottleneckSettings(9, 1.0, 12)}
    )


both = pytest.mark.parametrize("build", [first, second])


def same(one: list[list[Detection]], other: list[list[Detection]]) -> bool:
    """Whether two answers are equal, every number and pixel."""
    flat, flat_other = ([detection for row in answer for detection in row] for answer in (one, other))
    return [len(row) for row in one] == [len(row) for row in other] and all(
        (a.phrase, a.box_xyxy, a.score) == (b.phrase, b.box_xyxy, b.score)
        and a.mask_hw is not None
        and np.array_equal(a.mask_hw, b.mask_hw)
        for a, b in zip(flat, flat_other, strict=True)
    )


@both
def test_neither_order_nor_company_changes_an_answer(parts: Parts, phantom_images: list[Image], build: Build) -> None:
    segmenter = build(parts, NOT_KEPT)
    together = segmenter.segment(phantom_images, [PHRASES] * 3)
    assert all(row for row in together) and segmenter.needs == {"text"}
    for place in (2, 0, 1):
        with torch_seed(place):  # nothing is drawn from the generator of whoever asks
            assert same(segmenter.segment([phantom_images[place]], [PHRASES]), [together[place]])
    by_phrase = {detection.phrase: detection for detection in together[0]}
    alone = segmenter.segment([phantom_images[0]], [["kidney"]])[0]
    assert same([alone], [[by_phrase["kidney"]]])
    turned = segmenter.segment([phantom_images[0]], [PHRASES[::-1]])[0]
    assert same([turned[::-1]], [together[0]])


@both
def test_detections_are_as_the_interface_says(parts: Parts, phantom_images: list[Image], build: Build) -> None:
    found = build(parts, NOT_KEPT).segment(phantom_images, [["cyst"], [], ["Kidney ", "kidney"]])
    assert not found[1] and [one.phrase for one in found[2]] == ["Kidney ", "kidney"]
    assert np.array_equal(found[2][0].mask_hw, found[2][1].mask_hw)
    for image, row in zip(phantom_images, found, strict=True):
        for one in row:
            assert one.mask_hw is not None and one.mask_hw.shape == image.shape[:2] and one.mask_hw.any()
            assert 0 < one.score <= 1
            x0, y0, x1, y1 = map(int, one.box_xyxy)
            outside = one.mask_hw.copy()
            outside[y0:y1, x0:x1] = False
            assert not outside.any()


@both
def test_it_runs_where_the_caller_switched_gradients_off(
    parts: Parts, phantom_images: list[Image], build: Build
) -> None:
    segmenter = build(parts, NOT_KEPT)
    plain = segmenter.segment(phantom_images[:1], [["cyst"]])
    with torch.inference_mode():
        inside = build(parts, NOT_KEPT).segment(phantom_images[:1], [["cyst"]])
    assert same(plain, inside)


def test_words_and_organs_change_the_map(parts: Parts, phantom_images: list[Image]) -> None:
    segmenter = second(parts)
    assert segmenter.bottleneck_of("Right KIDNEY, cortex.") == BottleneckSettings(9, 1.0, 12)
    assert segmenter.bottleneck_of("kidneys") == segmenter.bottleneck_of("cyst") == BottleneckSettings(7, 0.1, 42)
    plain = MedClipSamV2(SegmenterParts(*parts, NOT_KEPT, Sentences(TEMPLATE)))
    image = phantom_images[0]
    assert not np.array_equal(segmenter.levels(image, "kidney"), plain.levels(image, "kidney"))
    assert np.array_equal(segmenter.levels(image, "cyst"), plain.levels(image, "cyst"))
    assert not np.array_equal(segmenter.levels(image, "cyst"), segmenter.levels(image, "nodule"))


@pytest.mark.parametrize("rule", ["kmeans", "threshold", "crf"])
def test_every_rule_gives_a_part_of_what_stands_out(parts: Parts, rule: str, phantom_images: list[Image]) -> None:
    segmenter = MedClipSamV2(SegmenterParts(*parts, NOT_KEPT, Sentences(TEMPLATE)), region_rule=rule, threshold=0.4)
    levels = np.zeros((90, 120), np.uint8)
    levels[20:50, 30:70] = 220
    levels[70:75, 100:106] = 200
    image = np.repeat((levels > 0)[..., None].astype(np.uint8) * 90, 3, axis=2)
    expected = np.zeros((90, 120), bool)
    expected[20:50, 30:70] = True
    found = segmenter.regions_in(image)(levels)
    assert (found != expected).mean() < 0.02 and not found[60:].any()


def test_an_empty_region_is_the_whole_image_for_the_first_and_nothing_for_the_second(
    parts: Parts, phantom_images: list[Image]
) -> None:
    nothing = np.zeros(phantom_images[0].shape[:2], bool)
    height, width = nothing.shape
    assert first(parts).box_of(nothing) == (0, 0, width, height)
    assert second(parts).box_of(nothing) is None


def test_colours_are_another_map(parts: Parts, phantom_images: list[Image]) -> None:
    colours = MedClipSam(SegmenterParts(*parts, NOT_KEPT, Sentences(TEMPLATE)), map_form="colours", num_channels=8)
    image = phantom_images[0]
    assert not np.array_equal(colours.levels(image, "cyst"), first(parts).levels(image, "cyst"))


def test_a_sentence_that_is_too_long_is_named(parts: Parts, phantom_images: list[Image]) -> None:
    with pytest.raises(InputError, match=r"the sentence 'An ultrasound .* takes 3\d\d tokens, BiomedCLIP reads 256"):
        first(parts).segment(phantom_images[:1], [["cyst " * 300]])


@both
def test_kept_maps_give_the_same_and_are_not_computed_again(
    parts: Parts, phantom_images: list[Image], build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps = KeptMaps(tmp_path / "maps", {"weights": "one"})
    computed = build(parts, maps).segment(phantom_images[:2], [PHRASES] * 2)
    assert len(list((tmp_path / "maps").iterdir())) == 6
    again = build(parts, maps)
    monkeypatch.setattr(again, "map_of", None)  # calling it would fail
    assert same(again.segment(phantom_images[:2], [PHRASES] * 2), computed)
    with pytest.raises(TypeError):
        again.segment(phantom_images[2:], [PHRASES])


def test_what_a_map_depends_on_keeps_it_apart(parts: Parts, phantom_images: list[Image], tmp_path: Path) -> None:
    image = phantom_images[0]

    def count() -> int:
        return len(list(tmp_path.iterdir()))

    first(parts, KeptMaps(tmp_path, {"weights": "one"})).levels(image, "cyst")
    first(parts, KeptMaps(tmp_path, {"weights": "one"})).levels(image, "Cyst.")  # the same sentence
    assert count() == 1
    first(parts, KeptMaps(tmp_path, {"weights": "other"})).levels(image, "cyst")
    first(parts, KeptMaps(tmp_path, {"weights": "one"}), num_channels=9).levels(image, "cyst")
    second(parts, KeptMaps(tmp_path, {"weights": "one"})).levels(image, "cyst")
    changed = image.copy()
    changed[0, 0, 0] ^= 1
    first(parts, KeptMaps(tmp_path, {"weights": "one"})).levels(changed, "cyst")
    assert count() == 5


def test_a_damaged_map_is_computed_again_and_replaced(tmp_path: Path, phantom_images: list[Image]) -> None:
    maps = KeptMaps(tmp_path, {})
    right = maps.get(phantom_images[0], "a", lambda: torch.eye(4))
    (path,) = tmp_path.iterdir()
    for damaged in (b"", b"no map", path.read_bytes()[:40]):
        path.write_bytes(damaged)
        assert torch.equal(maps.get(phantom_images[0], "a", lambda: torch.eye(4)), right)
        assert torch.equal(maps.get(phantom_images[0], "a", lambda: torch.zeros(4, 4)), right)


def test_a_folder_that_cannot_be_written_is_said_and_costs_nothing_else(
    tmp_path: Path, phantom_images: list[Image], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    with caplog.at_level(logging.WARNING):
        found = KeptMaps(tmp_path / "file", {}).get(phantom_images[0], "a", lambda: torch.eye(4))
    assert torch.equal(found, torch.eye(4)) and "the map could not be kept" in caplog.text
