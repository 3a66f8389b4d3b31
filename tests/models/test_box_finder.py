"""Boxes for phrases: what counts as found, in which order, and independently of what else is asked."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mask_checks import count_rows
from torchvision.ops import box_iou

from gdinousam.errors import InputError
from gdinousam.models.detector.box_finder import BoxFinder
from gdinousam.models.detector.detector import Detector
from gdinousam.models.detector.operating_point import PredictionSettings
from gdinousam.models.loading import load_detector
from gdinousam.preprocessing import ResizeSettings, boxes_xyxy_pixels, build_resize, image_to_tensor, normalize_image
from gdinousam.prompts import build_caption, tokenize_captions
from gdinousam.records import Detection, Image

PHRASES = ("cyst", "benign lesion", "left kidney")
ONE_BOX = {"max_detections": 1, "further_threshold": 0.0}  # unless a test says otherwise
MANY = {"box_threshold": 0.0, "nms_threshold": 1.0, "max_detections": 1000}
SQUARE = ResizeSettings(size=96)


@pytest.fixture(scope="module")
def detector(small_detector: Path) -> Detector:
    return load_detector(str(small_detector))


def finder(detector: Detector, resize: ResizeSettings = SQUARE, **settings: Any) -> BoxFinder:
    return BoxFinder(detector, resize, PredictionSettings.model_validate(ONE_BOX | settings))


def assert_same(first: Sequence[Detection], second: Sequence[Detection], pixels: float = 0.01) -> None:
    assert [one.phrase for one in first] == [one.phrase for one in second]
    np.testing.assert_allclose([one.box_xyxy for one in first], [one.box_xyxy for one in second], atol=pixels)
    np.testing.assert_allclose([one.score for one in first], [one.score for one in second], atol=1e-5)


def of_phrase(found: Sequence[Detection], phrase: str) -> list[Detection]:
    return [one for one in found if one.phrase == phrase]


def boxes_of(found: Sequence[Detection]) -> torch.Tensor:
    return torch.tensor([one.box_xyxy for one in found]).reshape(-1, 4)


def raw_answer(detector: Detector, image: Image, phrase: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Token probabilities (Q, tokens of the phrase) and boxes x0, y0, x1, y1 in pixels (Q, 4), straight from it."""
    tokens = tokenize_captions([build_caption([phrase])], detector.tokenizer, detector.max_tokens)
    pixel_values = normalize_image(build_resize(SQUARE)(image_to_tensor(image)))[None]
    with torch.no_grad():
        last = detector(pixel_values, tokens).last
    boxes_xyxy = boxes_xyxy_pixels(last.boxes_cxcywh_norm[0], image.shape[:2])
    return last.logits[0].sigmoid()[:, tokens.phrase_tokens[0][0]], boxes_xyxy


def test_the_best_box_is_the_query_with_the_best_mean_probability(
    detector: Detector, phantom_images: list[Image]
) -> None:
    image = phantom_images[0]
    found = finder(detector).find([image], [["benign lesion"]])[0]
    probabilities, boxes_xyxy = raw_answer(detector, image, "benign lesion")
    best = int(probabilities.mean(dim=1).argmax())
    assert len(found) == 1 and found[0].mask_hw is None
    assert found[0].score == pytest.approx(float(probabilities[best].mean()), abs=1e-5)
    height, width = image.shape[:2]
    cut = boxes_xyxy[best].clamp(min=0).minimum(torch.tensor([width, height] * 2))
    np.testing.assert_allclose(found[0].box_xyxy, cut, atol=0.01)


def test_a_box_counts_where_one_token_reaches_the_threshold(detector: Detector, phantom_images: list[Image]) -> None:
    image = phantom_images[0]
    probabilities, _ = raw_answer(detector, image, "benign lesion")
    strongest = probabilities.amax(dim=1)
    threshold = float(strongest.median())
    found = finder(detector, **{**MANY, "box_threshold": threshold}).find([image], [["benign lesion"]])[0]
    expected = probabilities.mean(dim=1)[strongest >= threshold].sort(descending=True).values
    assert 0 < len(found) < len(probabilities)
    # by the strongest token, although the score is the mean of the tokens, which lies below the threshold for some
    np.testing.assert_allclose([one.score for one in found], expected, atol=1e-5)


def test_nothing_above_the_threshold_gives_empty_lists(detector: Detector, phantom_images: list[Image]) -> None:
    assert finder(detector, box_threshold=1.0).find(phantom_images, [PHRASES] * 3) == [[], [], []]


def test_no_phrases_or_no_images_give_nothing(detector: Detector, phantom_images: list[Image]) -> None:
    assert finder(detector).find([], []) == []
    found = finder(detector).find(phantom_images[:2], [(), ("cyst",)])
    assert found[0] == [] and len(found[1]) == 1


def test_boxes_that_overlap_more_than_allowed_are_one(detector: Detector, phantom_images: list[Image]) -> None:
    everything = finder(detector, **MANY).find(phantom_images[:1], [["cyst"]])[0]
    overlaps = box_iou(boxes_of(everything), boxes_of(everything)).fill_diagonal_(0)
    allowed = float(overlaps[overlaps > 0].median())
    found = finder(detector, **{**MANY, "nms_threshold": allowed}).find(phantom_images[:1], [["cyst"]])[0]
    assert 1 < len(found) < len(everything)
    kept = {one.box_xyxy for one in found}
    for row, one in enumerate(everything):  # by falling score
        better = [overlaps[row, other] for other in range(row) if everything[other].box_xyxy in kept]
        assert (one.box_xyxy in kept) == (max(better, default=0.0) <= allowed)


@pytest.mark.parametrize("joint_caption", [False, True])
def test_boxes_of_different_phrases_do_not_suppress_each_other(
    detector: Detector, phantom_images: list[Image], joint_caption: bool
) -> None:
    # text_threshold 0: every box belongs to every phrase
    settings = {**MANY, "nms_threshold": 0.0, "text_threshold": 0.0, "joint_caption": joint_caption}
    found = finder(detector, **settings).find(phantom_images[:1], [PHRASES])[0]
    assert {one.phrase for one in found} == set(PHRASES)


def test_only_the_best_boxes_are_kept(detector: Detector, phantom_images: list[Image]) -> None:
    many = finder(detector, **MANY).find(phantom_images[:1], [PHRASES])[0]
    for max_detections in (1, 3):
        settings = {**MANY, "max_detections": max_detections}
        few = finder(detector, **settings).find(phantom_images[:1], [PHRASES])[0]
        for phrase in PHRASES:
            assert_same(of_phrase(few, phrase), of_phrase(many, phrase)[:max_detections])


@pytest.mark.parametrize("joint_caption", [False, True])
def test_detections_come_by_phrase_as_asked_then_by_falling_score(
    detector: Detector, phantom_images: list[Image], joint_caption: bool
) -> None:
    settings = {**MANY, "text_threshold": 0.0, "joint_caption": joint_caption}
    found = finder(detector, **settings).find(phantom_images[:1], [PHRASES])[0]
    keys = [(PHRASES.index(one.phrase), -one.score) for one in found]
    assert keys == sorted(keys) and len(keys) > len(PHRASES)
    assert all(0 <= one.score <= 1 for one in found)


def test_every_box_lies_on_its_image(detector: Detector, phantom_images: list[Image]) -> None:
    found = finder(detector, **MANY).find(phantom_images, [PHRASES] * 3)
    for image, row in zip(phantom_images, found, strict=True):
        height, width = image.shape[:2]
        assert row
        for one in row:
            x0, y0, x1, y1 = one.box_xyxy
            assert 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height


def test_a_phrase_asked_twice_counts_once(detector: Detector, phantom_images: list[Image]) -> None:
    once = finder(detector, max_detections=3).find(phantom_images[:1], [["cyst", "liver"]])[0]
    twice = finder(detector, max_detections=3).find(phantom_images[:1], [["cyst", "liver", "cyst"]])[0]
    assert_same(twice, once)


@pytest.mark.parametrize("joint_caption", [False, True])
def test_phrases_that_read_alike_get_the_same_boxes_under_their_own_names(
    detector: Detector, phantom_images: list[Image], joint_caption: bool
) -> None:
    found = finder(detector, joint_caption=joint_caption).find(phantom_images[:1], [["Cyst", "cyst."]])[0]
    assert [one.phrase for one in found] == ["Cyst", "cyst."]
    assert found[0].box_xyxy == pytest.approx(found[1].box_xyxy, abs=0.01)


def test_permuting_phrases_permutes_answers(detector: Detector, phantom_images: list[Image]) -> None:
    found = finder(detector, max_detections=2).find(phantom_images[:1], [PHRASES])[0]
    permuted = finder(detector, max_detections=2).find(phantom_images[:1], [PHRASES[::-1]])[0]
    for phrase in PHRASES:
        assert_same(of_phrase(permuted, phrase), of_phrase(found, phrase))


def test_with_separate_captions_an_unrelated_phrase_moves_no_box(
    detector: Detector, phantom_images: list[Image]
) -> None:
    alone = finder(detector, max_detections=5).find(phantom_images[:1], [["cyst"]])[0]
    beside = finder(detector, max_detections=5).find(phantom_images[:1], [["cyst", "fetal head"]])[0]
    assert len(alone) > 1
    assert_same(of_phrase(beside, "cyst"), alone)


def test_in_a_joint_caption_a_box_goes_to_its_best_phrase(detector: Detector, phantom_images: list[Image]) -> None:
    settings = {**MANY, "joint_caption": True}
    shared = finder(detector, **settings, text_threshold=0.0).find(phantom_images[:1], [PHRASES])[0]
    claimed = finder(detector, **settings, text_threshold=1.0).find(phantom_images[:1], [PHRASES])[0]
    best: dict[tuple[float, ...], float] = {}
    for one in shared:
        best[one.box_xyxy] = max(one.score, best.get(one.box_xyxy, 0.0))
    assert len(claimed) < len(shared)
    assert {one.box_xyxy for one in claimed} == best.keys()
    assert all(one.score == best[one.box_xyxy] for one in claimed)


def test_too_many_phrases_for_one_caption_take_several(detector: Detector, phantom_images: list[Image]) -> None:
    phrases = [f"{side} {organ}" for side in ("left", "right") for organ in ("kidney", "ovary", "testis", "lung")]
    phrases += [f"zone {letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    assert len(detector.tokenizer(build_caption(phrases).text)["input_ids"]) > detector.max_tokens
    settings = {"box_threshold": 0.0, "text_threshold": 0.0, "joint_caption": True}
    found = finder(detector, **settings).find(phantom_images[:1], [phrases])[0]
    assert [one.phrase for one in found] == phrases


@pytest.mark.parametrize("joint_caption", [False, True])
def test_a_phrase_that_is_too_long_is_refused(
    detector: Detector, phantom_images: list[Image], joint_caption: bool
) -> None:
    with pytest.raises(InputError, match="shorten it"):
        finder(detector, joint_caption=joint_caption).find(phantom_images[:1], [["cyst " * 200]])


def test_lists_of_unequal_length_are_refused(detector: Detector, phantom_images: list[Image]) -> None:
    with pytest.raises(ValueError, match="3 images but phrases of 1"):
        finder(detector).find(phantom_images, [["cyst"]])


@pytest.mark.parametrize("mode", ["square", "shortest_edge"])
@pytest.mark.parametrize("joint_caption", [False, True])
def test_batch_size_does_not_matter(
    detector: Detector, phantom_images: list[Image], mode: str, joint_caption: bool
) -> None:
    resize = ResizeSettings(mode=mode, size=96, longest_edge=110)
    phrases = [PHRASES, ("liver",), ("malignant lesion", "cyst")]
    settings = {"max_detections": 3, "joint_caption": joint_caption}
    batch = finder(detector, resize, **settings, batch_size=8).find(phantom_images, phrases)
    single = finder(detector, resize, **settings, batch_size=1)
    for image, asked, found in zip(phantom_images, phrases, batch, strict=True):
        assert found
        assert_same(found, single.find([image], [asked])[0])


@pytest.mark.parametrize("phrases", [PHRASES[:1], PHRASES])
def test_the_image_backbone_runs_once_per_image(
    detector: Detector, phantom_images: list[Image], phrases: tuple[str, ...]
) -> None:
    with count_rows(detector.grounding_dino.model.backbone.conv_encoder.model) as rows:
        finder(detector, batch_size=2).find(phantom_images[:2], [phrases, phrases])
        assert rows == [2]
        finder(detector, batch_size=2).find(phantom_images[:2], [phrases, ()])
    assert rows == [2, 1], "an image that is asked for nothing need not be seen"
