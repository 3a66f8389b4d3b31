"""Objects that somebody shows: drawn as the pipeline draws its own, within the view where they lie."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_files import region, write_dicom

from gdinousam import Segmenter
from gdinousam.data.sources.phantoms import make_phantom
from gdinousam.errors import InputError
from gdinousam.models.mask_heads.random_sam import random_sam
from gdinousam.models.mask_heads.sam import OriginalFrame, SamMaskHead
from gdinousam.models.segmenter import TextSegmenter, load_segmenter
from gdinousam.records import Click, Hint, Image

PHRASE = "thyroid nodule"


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter.load("small", device="cpu")


@pytest.fixture(scope="module")
def image() -> Image:
    return make_phantom(np.random.default_rng(0), family="thyroid").image


def test_a_box_gives_the_mask_that_the_pipeline_drew_in_it(segmenter: Segmenter, image: Image) -> None:
    (found,) = segmenter.predict(image, PHRASE, max_detections=1).detections
    (drawn,) = segmenter.correct(image, [Hint(PHRASE, found.box_xyxy, (), found.score)]).detections
    assert (drawn.phrase, drawn.score, drawn.box_xyxy) == (found.phrase, found.score, found.box_xyxy)
    assert drawn.quality == pytest.approx(found.quality)
    np.testing.assert_array_equal(drawn.mask_hw, found.mask_hw)


def test_hints_of_every_kind_keep_their_order(segmenter: Segmenter, image: Image) -> None:
    click, beside = Click(60, 70), Click(10, 10, False)
    hints = [
        Hint("a", None, (click,)),
        Hint("b", (30, 40, 90, 100)),
        Hint("c", (30, 40, 90, 100), (click, beside)),
        Hint("d", (0, 0, 40, 40), (Click(20, 20),)),
        Hint("b", None, (click, beside)),
    ]
    together = segmenter.correct(image, hints)
    assert together.phrases == ("a", "b", "c", "d") and [one.phrase for one in together.detections] == list("abcdb")
    for hint, one in zip(hints, together.detections, strict=True):
        (alone,) = segmenter.correct(image, [hint]).detections
        np.testing.assert_array_equal(one.mask_hw, alone.mask_hw)
        assert hint.box_xyxy in (None, one.box_xyxy)
    assert segmenter.correct(image, []).detections == ()


def test_a_hint_in_a_view_is_drawn_on_its_crop(segmenter: Segmenter, image: Image, tmp_path: Path) -> None:
    height, width = image.shape[:2]
    grey = np.concatenate([image[..., 0], np.zeros((height, 7), np.uint8), image[::-1, :, 0]], axis=1)
    regions = [region(0, 0, width - 1, height - 1), region(width + 7, 0, 2 * width + 6, height - 1)]
    path = write_dicom(tmp_path / "two.dcm", grey, SequenceOfUltrasoundRegions=regions)
    hint = Hint(PHRASE, (30.0, 40.0, 90.0, 100.0), (Click(60, 70),))
    shift = width + 7
    right = replace(hint, box_xyxy=(30.0 + shift, 40.0, 90.0 + shift, 100.0), clicks=(Click(60 + shift, 70),))
    across = replace(hint, clicks=(*hint.clicks, Click(60 + shift, 70, False)))
    on_left, on_right, on_both = segmenter.correct(path, [hint, right, across]).detections
    for one, view, start, box in ((on_left, image, 0, hint), (on_right, image[::-1], shift, right)):
        (alone,) = segmenter.correct(view, [hint]).detections
        expected = np.zeros(grey.shape, bool)
        assert alone.mask_hw is not None
        expected[:, start : start + width] = alone.mask_hw
        np.testing.assert_array_equal(one.mask_hw, expected)
        assert one.box_xyxy == box.box_xyxy
    (whole,) = segmenter.correct(grey, [across]).detections
    np.testing.assert_array_equal(on_both.mask_hw, whole.mask_hw)


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (Hint("cyst"), "hint 1 .'cyst'. has neither box nor click"),
        (Hint("cyst", None, (Click(500, 3),)), "a click outside the image of 181 x 188 pixels"),
        (Hint("cyst", (500, 3, 600, 9)), "a box without area in the image"),
        (Hint("cyst", (5, 3, 5, 9)), "a box without area in the image"),
        ("cyst", "give gdinousam.records.Hint"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(segmenter: Segmenter, image: Image, hint: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        segmenter.correct(image, [hint])


def test_sam_is_shown_boxes_only(segmenter: Segmenter, image: Image) -> None:
    finder = load_segmenter("small", "small", device="cpu").box_finder
    boxes_only = Segmenter.of(
        TextSegmenter(finder, SamMaskHead(random_sam(small=True), OriginalFrame)), segmenter.made_by
    )
    assert (segmenter.corrects, boxes_only.corrects) == (("box", "click"), ("box",))
    assert boxes_only.correct(image, [Hint("cyst", (5, 5, 60, 60))]).detections[0].mask_hw is not None
    with pytest.raises(InputError, match="boxes only"):
        boxes_only.correct(image, [Hint("cyst", (5, 5, 60, 60), (Click(9, 9),))])


def test_a_method_without_a_mask_head_corrects_nothing(segmenter: Segmenter, image: Image) -> None:
    finder = load_segmenter("small", "small", device="cpu").box_finder
    boxes = Segmenter.of(TextSegmenter(finder, finder), segmenter.made_by)  # type: ignore[type-var, arg-type]
    assert boxes.corrects == ()
    with pytest.raises(InputError, match="no mask head"):
        boxes.correct(image, [Hint("cyst", (5, 5, 60, 60))])


def test_a_model_tells_the_phrases_of_its_training(segmenter: Segmenter) -> None:
    assert PHRASE in segmenter.trained_phrases and "detector small" in segmenter.label
    of_method = Segmenter.of(load_segmenter("small", "small", device="cpu"), segmenter.made_by)
    assert of_method.trained_phrases == () and of_method.label == "small"
