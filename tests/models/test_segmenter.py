"""The pipeline: from images and phrases to masks."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mask_checks import small_sam

from gdinousam.data.images import read_image
from gdinousam.errors import InputError
from gdinousam.models.detector.operating_point import PredictionSettings
from gdinousam.models.loading import save_resize
from gdinousam.models.mask_heads.sam import OriginalFrame, SamMaskHead
from gdinousam.models.segmenter import TextSegmenter, load_box_finder, load_segmenter
from gdinousam.preprocessing import ResizeSettings
from gdinousam.records import Detection, Image, PhraseSegmenter

PHRASES = [["cyst", "left kidney"], ["malignant lesion"], ["liver", "cyst", "benign lesion"]]


@pytest.fixture
def load(small_detector: Path, small_mask_head: Path) -> Any:
    def load_with(**prediction: Any) -> TextSegmenter:
        return load_segmenter(
            str(small_detector),
            str(small_mask_head),
            resize=ResizeSettings(size=96),
            prediction=PredictionSettings.model_validate({"max_detections": 1, "further_threshold": 0.0} | prediction),
            device="cpu",
        )

    return load_with


def assert_same(first: Sequence[Detection], second: Sequence[Detection]) -> None:
    assert [one.phrase for one in first] == [one.phrase for one in second]
    for left, right in zip(first, second, strict=True):
        np.testing.assert_allclose(left.box_xyxy, right.box_xyxy, atol=0.01)
        assert left.score == pytest.approx(right.score, abs=1e-5)
        # a box that moves by a rounding error may turn a few border pixels
        assert (left.mask_hw == right.mask_hw).mean() > 0.999


def test_five_lines_give_a_mask(small_detector: Path, small_mask_head: Path, phantom_data: Path) -> None:
    segmenter = load_segmenter(str(small_detector), str(small_mask_head), resize=ResizeSettings(size=96), device="cpu")
    image = read_image(phantom_data / "test_image" / "test_00000.png")
    (found,) = segmenter.segment([image], [["cyst"]])
    mask_hw = found[0].mask_hw
    assert mask_hw is not None and mask_hw.shape == image.shape[:2] and mask_hw.dtype == np.bool_


def test_it_is_a_segmenter_that_needs_text_alone(load: Any) -> None:
    segmenter: PhraseSegmenter = load()
    assert segmenter.needs == {"text"}


def test_answers_carry_exactly_the_phrases_asked_for(load: Any, phantom_images: list[Image]) -> None:
    asked = [["Cyst ", "left  Kidney."], [], ["BENIGN lesion"]]
    found = load().segment(phantom_images, asked)
    assert [[one.phrase for one in row] for row in found] == asked
    for image, row in zip(phantom_images, found, strict=True):
        assert all(one.mask_hw is not None and one.mask_hw.shape == image.shape[:2] for one in row)


def test_masks_belong_to_their_boxes(load: Any, phantom_images: list[Image]) -> None:
    segmenter = load(max_detections=3)
    found = segmenter.segment(phantom_images[:1], PHRASES[2:])[0]
    boxes = segmenter.box_finder.find(phantom_images[:1], PHRASES[2:])[0]
    assert [(one.phrase, one.box_xyxy, one.score) for one in found] == [
        (one.phrase, one.box_xyxy, one.score) for one in boxes
    ]
    for one in found[:2]:
        (masks,) = segmenter.mask_head.masks_in_boxes(phantom_images[:1], [torch.tensor([one.box_xyxy])])
        assert (masks[0] == one.mask_hw).mean() > 0.999


@pytest.mark.parametrize("joint_caption", [False, True])
def test_a_batch_gives_the_answers_of_single_images(
    load: Any, phantom_images: list[Image], joint_caption: bool
) -> None:
    segmenter = load(max_detections=2, joint_caption=joint_caption)
    batch = segmenter.segment(phantom_images, PHRASES)
    for image, asked, found in zip(phantom_images, PHRASES, batch, strict=True):
        assert found
        assert_same(found, segmenter.segment([image], [asked])[0])


def test_where_nothing_is_found_the_mask_encoder_does_not_run(load: Any, phantom_images: list[Image]) -> None:
    segmenter = load(box_threshold=1.0)
    calls: list[int] = []
    segmenter.mask_head.model.vision_encoder.register_forward_pre_hook(lambda *_: calls.append(1))
    assert segmenter.segment(phantom_images, PHRASES) == [[], [], []]
    assert segmenter.segment([], []) == []
    assert calls == []


def test_the_resize_noted_beside_the_weights_is_used(
    small_detector: Path, small_mask_head: Path, tmp_path: Path, phantom_images: list[Image]
) -> None:
    folder = Path(shutil.copytree(small_detector, tmp_path / "detector"))
    save_resize(folder, ResizeSettings(size=64))
    noted = load_segmenter(str(folder), str(small_mask_head), device="cpu")
    told = load_segmenter(str(folder), str(small_mask_head), resize=ResizeSettings(size=64), device="cpu")
    other = load_segmenter(str(folder), str(small_mask_head), resize=ResizeSettings(size=96), device="cpu")
    found, expected, different = (one.segment(phantom_images[:1], [["cyst"]])[0] for one in (noted, told, other))
    assert found[0].box_xyxy == expected[0].box_xyxy != different[0].box_xyxy


def test_the_mask_head_has_a_say_in_which_box_counts(load: Any, phantom_images: list[Image]) -> None:
    everything = {"box_threshold": 0.0, "nms_threshold": 0.9}
    (proposed,) = load(**everything, max_detections=4).segment(phantom_images[:1], [["cyst"]])
    (judged,) = load(**everything, max_detections=4, candidates=4).segment(phantom_images[:1], [["cyst"]])
    worth = {one.box_xyxy: one.score * one.quality for one in proposed if one.quality is not None}
    assert len(worth) == 4
    assert {one.box_xyxy: one.score for one in judged} == pytest.approx(worth)
    assert [one.score for one in judged] == sorted(worth.values(), reverse=True)
    (best,) = load(**everything, candidates=4).segment(phantom_images[:1], [["cyst"]])
    assert_same(best, judged[:1])


def test_a_mask_head_that_cannot_judge_is_refused(small_detector: Path, phantom_images: list[Image]) -> None:
    head = SamMaskHead(small_sam(), OriginalFrame).eval()
    finder = load_box_finder(str(small_detector), resize=ResizeSettings(size=96), device="cpu")
    finder.prediction = finder.prediction.model_copy(update={"candidates": 2, "box_threshold": 0.0})
    with pytest.raises(InputError, match=r"prediction\.candidates"):
        TextSegmenter(finder, head).segment(phantom_images[:1], [["cyst"]])


def test_the_public_choice_has_the_mask_of_its_best_box_alone(load: Any, phantom_images: list[Image]) -> None:
    segmenter = load(nms_threshold=0.9)
    answers = segmenter.segment_and_choose(phantom_images[:2], PHRASES[:2], [["cyst"], []])
    assert_same(answers[0].detections, segmenter.segment(phantom_images[:1], PHRASES[:1])[0])
    assert answers[1].public_choices == {}
    first, *others = answers[0].public_choices["cyst"]
    assert first.mask_hw is not None and others and all(one.mask_hw is None for one in others)
    (masks,) = segmenter.mask_head.masks_in_boxes(phantom_images[:1], [torch.tensor([first.box_xyxy])])
    assert (masks[0] == first.mask_hw).mean() > 0.999
