"""Recall at a box IoU of 0.5, worked out by hand."""

import math

from made_results import made_row

from gdinousam.evaluation.scoring.box_recall import recall_50

LEFT, RIGHT = (0.0, 0.0, 10.0, 10.0), (20.0, 0.0, 30.0, 10.0)


def test_the_share_of_objects_whose_box_was_found() -> None:
    half = (0.0, 0.0, 10.0, 5.0)  # IoU 0.5 with LEFT
    less = (20.0, 0.0, 30.0, 4.9)  # 0.49 with RIGHT
    row = made_row(true_boxes=(LEFT, RIGHT), detected_boxes=((*half, 0.9), (*less, 0.8)))
    assert recall_50(row) == 0.5
    assert recall_50(made_row(true_boxes=(LEFT,), detected_boxes=())) == 0
    assert math.isnan(recall_50(made_row(dice=math.nan, true_boxes=(), detected_boxes=((*LEFT, 0.9),))))


def test_two_boxes_on_one_object_find_one() -> None:
    row = made_row(true_boxes=(LEFT, RIGHT), detected_boxes=((*LEFT, 0.9), (*LEFT, 0.8)))
    assert recall_50(row) == 0.5


def test_under_the_paper_protocol_the_first_box_is_all_there_is() -> None:
    boxes = {"true_boxes": (LEFT, RIGHT), "detected_boxes": ((*LEFT, 0.9), (*RIGHT, 0.8))}
    assert recall_50(made_row(protocol="paper", **boxes)) == 0.5
    assert recall_50(made_row(**boxes)) == 1
