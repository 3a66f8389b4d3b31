"""The two protocols on one image of 4 x 10 pixels with a liver, two cysts and no stone."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.protocols import score_image
from gdinousam.records import Detection, ImageRecord, Instance

SIZE_HW = (4, 10)


def columns(first: int, last: int) -> np.ndarray:
    """Mask of whole columns, 4 pixels each."""
    mask_hw = np.zeros(SIZE_HW, bool)
    mask_hw[:, first:last] = True
    return mask_hw


def found(phrase: str, score: float, first: int, last: int) -> Detection:
    return Detection(phrase, (first, 0, last, 4), score, columns(first, last))


RECORD = ImageRecord(
    path=Path("exams/17.png"),
    width=10,
    height=4,
    dataset="A",
    group="patient 3",
    instances=(
        Instance("liver", (0, 0, 4, 4)),
        Instance("cyst", (5, 0, 1, 4)),
        Instance("cyst", (8, 0, 2, 4)),
    ),
    absent_phrases=("stone",),
    phrases=("liver", "cyst", "stone"),
    last_phrase="cyst",
)
TRUTH = {"liver": columns(0, 4), "cyst": columns(5, 6) | columns(8, 10), "stone": columns(0, 0)}


def test_strict_scores_every_phrase_with_all_its_detections_and_paper_the_best_one_of_the_last_phrase():
    detections = [found("liver", 0.9, 0, 2), found("cyst", 0.4, 5, 6), found("cyst", 0.8, 8, 10)]
    liver, cyst, stone, paper = score_image(RECORD, detections, TRUTH)

    assert [row.phrase for row in (liver, cyst, stone, paper)] == ["liver", "cyst", "stone", "cyst"]
    assert [row.protocol for row in (liver, cyst, stone, paper)] == ["strict", "strict", "strict", "paper"]
    # Half of the liver's 16 pixels.
    assert (liver.overlap_pixels, liver.predicted_pixels, liver.true_pixels) == (8, 8, 16)
    assert (liver.dice, liver.iou, liver.box_iou) == (pytest.approx(16 / 24), 0.5, 0.5)
    # Both cysts together, although each detection alone covers only one.
    assert (cyst.dice, cyst.iou, cyst.box_iou) == (1.0, 1.0, 1.0)
    assert (cyst.score, cyst.num_detections, cyst.num_instances) == (0.8, 2, 2)
    # The best cyst, 8 pixels, against liver and cysts, 28 pixels.
    assert (paper.overlap_pixels, paper.predicted_pixels, paper.true_pixels) == (8, 8, 28)
    assert (paper.dice, paper.iou) == (pytest.approx(16 / 36), pytest.approx(8 / 28))
    assert (paper.num_detections, paper.num_instances, paper.box_iou) == (2, 3, 1.0)


def test_an_absent_phrase_is_a_query_without_a_dice():
    silent = score_image(RECORD, [], TRUTH)[2]
    assert (silent.target_present, silent.found, silent.num_detections) == (False, False, 0)
    alarmed = score_image(RECORD, [found("stone", 0.3, 0, 5)], TRUTH)[2]
    assert (alarmed.target_present, alarmed.found, alarmed.num_detections) == (False, True, 1)
    assert (alarmed.predicted_pixels, alarmed.true_pixels) == (20, 0)
    for row in (silent, alarmed):
        assert math.isnan(row.dice) and math.isnan(row.iou) and math.isnan(row.box_iou)


def test_a_miss_scores_zero_in_strict_and_is_left_out_of_paper():
    liver, cyst, _, paper = score_image(RECORD, [found("liver", 0.9, 0, 4)], TRUTH)
    assert liver.dice == 1.0
    assert (cyst.found, cyst.dice, cyst.iou) == (False, 0.0, 0.0)
    assert math.isnan(cyst.score) and math.isnan(cyst.box_iou)
    # Paper asks for the cyst alone; that the liver was found does not help.
    assert (paper.found, paper.target_present, paper.true_pixels) == (False, True, 28)
    assert math.isnan(paper.dice) and math.isnan(paper.iou)


def test_rows_carry_what_identifies_the_image():
    for row in score_image(RECORD, [], TRUTH):
        assert (row.dataset, row.image_name, row.group) == ("A", "17.png", "patient 3")
        assert (row.image_width, row.image_height) == (10, 4)


def test_an_image_without_instances_is_no_query_of_the_paper_protocol():
    record = replace(RECORD, instances=(), phrases=("stone",), last_phrase="stone")
    assert [row.protocol for row in score_image(record, [], {"stone": TRUTH["stone"]})] == ["strict"]


def test_paper_asks_for_the_last_phrase_even_where_it_is_absent():
    paper = score_image(replace(RECORD, last_phrase="stone"), [found("stone", 0.3, 0, 4)], TRUTH)[-1]
    assert (paper.phrase, paper.target_present, paper.found) == ("stone", True, True)
    assert paper.dice == pytest.approx(2 * 16 / (16 + 28))


def test_the_order_of_detections_does_not_matter():
    detections = [found("cyst", 0.4, 0, 9), found("liver", 0.7, 0, 3), found("cyst", 0.8, 8, 10)]
    assert repr(score_image(RECORD, detections, TRUTH)) == repr(score_image(RECORD, detections[::-1], TRUTH))


def test_overlapping_detections_are_counted_once():
    row = score_image(RECORD, [found("liver", 0.9, 0, 3), found("liver", 0.8, 1, 4)], TRUTH)[0]
    assert (row.predicted_pixels, row.dice) == (16, 1.0)


def test_a_detection_with_an_empty_mask_is_found_and_scores_zero():
    row = score_image(RECORD, [Detection("liver", (0, 0, 4, 4), 0.5, columns(0, 0))], TRUTH)[0]
    assert (row.found, row.dice, row.box_iou) == (True, 0.0, 1.0)


def test_a_box_without_a_mask_cannot_be_scored():
    with pytest.raises(InputError, match="mask head"):
        score_image(RECORD, [Detection("liver", (0, 0, 4, 4), 0.5)], TRUTH)


def test_a_detection_nobody_asked_for_is_refused():
    with pytest.raises(ValueError, match="'kidney', which was not asked for"):
        score_image(RECORD, [found("kidney", 0.5, 0, 4)], TRUTH)


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"exams/17\.png.*\(2, 2\).*\(4, 10\)"):
        score_image(RECORD, [Detection("liver", (0, 0, 2, 2), 0.5, np.ones((2, 2), bool))], TRUTH)


@pytest.mark.parametrize(
    ("box_xyxy", "score"),
    [((0, 0, 4, 4), math.nan), ((0, 0, 4, 4), math.inf), ((0, 0, math.nan, 4), 0.5), ((-math.inf, 0, 4, 4), 0.5)],
)
def test_a_score_or_box_that_is_no_number_is_refused_with_image_and_phrase(box_xyxy, score):
    wrong = Detection("liver", box_xyxy, score, columns(0, 4))
    with pytest.raises(InputError, match=r"exams/17\.png: the method answered 'liver' with score .* not all numbers"):
        score_image(RECORD, [found("cyst", 0.5, 5, 6), wrong], TRUTH)


def test_rows_hold_every_box_of_the_phrase_best_first_and_those_they_are_scored_against():
    detections = [found("cyst", 0.4, 5, 6), found("liver", 0.9, 0, 2), found("cyst", 0.8, 8, 10)]
    liver, cyst, stone, paper = score_image(RECORD, detections, TRUTH)
    assert cyst.detected_boxes == paper.detected_boxes == ((8, 0, 10, 4, 0.8), (5, 0, 6, 4, 0.4))
    assert cyst.true_boxes == ((5, 0, 6, 4), (8, 0, 10, 4))
    assert paper.true_boxes == ((0, 0, 4, 4), (5, 0, 6, 4), (8, 0, 10, 4))
    assert (liver.detected_boxes, liver.true_boxes) == (((0, 0, 2, 4, 0.9),), ((0, 0, 4, 4),))
    assert stone.detected_boxes == stone.true_boxes == ()


def test_numbers_of_rows_are_python_s_own_whatever_the_method_answers_with():
    box_xyxy = tuple(np.float32([0, 0, 2, 4]))
    row = score_image(RECORD, [Detection("liver", box_xyxy, np.float32(0.5), columns(0, 2))], TRUTH)[0]
    assert {type(number) for box in (*row.detected_boxes, *row.true_boxes) for number in box} == {float}
    assert all(type(getattr(row, name)) is float for name in ("score", "box_iou", "surface_dice", "hausdorff_95"))


def test_outlines_are_scored_where_the_masks_are():
    liver, cyst, stone, paper = score_image(RECORD, [found("liver", 0.9, 0, 2), found("stone", 0.5, 0, 2)], TRUTH)
    # Half of the liver: an outline of 8 pixels, 2 of them 1 away from the true one of 12, of which 2 are 1 away from
    # it and 4 are 2 away. The tolerance is 1 in so small an image.
    assert (liver.surface_dice, liver.hausdorff_95, liver.surface_distance) == (16 / 20, 2.0, (2 + 2 + 4 * 2) / 20)
    # A miss: nothing of an outline is found, and there is no distance to it.
    assert cyst.surface_dice == 0.0
    for row in (stone, paper):
        assert math.isnan(row.surface_dice)
    for row in (cyst, stone, paper):
        assert math.isnan(row.hausdorff_95) and math.isnan(row.surface_distance)


def test_the_time_of_an_image_is_shared_out_over_its_phrases():
    assert [row.seconds for row in score_image(RECORD, [], TRUTH, seconds=6.0)] == [2.0] * 4
    assert all(math.isnan(row.seconds) for row in score_image(RECORD, [], TRUTH))


def test_an_empty_mask_of_a_present_phrase_is_an_error_not_a_perfect_score_for_silence():
    with pytest.raises(InputError, match="'liver' is empty although it has a box"):
        score_image(RECORD, [], {**TRUTH, "liver": columns(0, 0)})


def test_paper_scores_what_the_public_scripts_choose_and_strict_does_not_see_it():
    ours = [found("cyst", 0.8, 8, 10)]
    chosen = [found("cyst", 0.9, 0, 4), Detection("cyst", (8, 0, 10, 4), 0.5)]  # only the first has a mask
    _, cyst, _, paper = score_image(RECORD, ours, TRUTH, public_choice=chosen)
    assert (cyst.num_detections, cyst.overlap_pixels, cyst.predicted_pixels) == (1, 8, 8)
    # the liver's 16 pixels of the 28 of the whole mask, where the best of ours covers 8
    assert (paper.num_detections, paper.overlap_pixels, paper.predicted_pixels) == (2, 16, 16)
    assert (paper.score, paper.dice) == (0.9, pytest.approx(32 / 44))


def test_paper_leaves_out_what_the_public_scripts_miss_although_ours_found_it():
    *_, paper = score_image(RECORD, [found("cyst", 0.8, 8, 10)], TRUTH, public_choice=[])
    assert not paper.found and math.isnan(paper.dice)


def test_a_public_choice_without_a_mask_cannot_be_scored():
    with pytest.raises(InputError, match="mask head"):
        score_image(RECORD, [], TRUTH, public_choice=[Detection("cyst", (0, 0, 4, 4), 0.5)])
