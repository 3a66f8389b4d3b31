"""Average precision of boxes on rows whose curve can be drawn by hand."""

import json
import math
import warnings
from dataclasses import replace

import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from test_tables import row

from gdinousam.evaluation.scoring.box_precision import MAX_DETECTIONS, box_precision

BOX = (0.0, 0.0, 10.0, 10.0)
ASIDE = (50.0, 50.0, 60.0, 60.0)


@pytest.fixture(autouse=True)
def no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def query(true_boxes, detected_boxes, **other):
    return row(true_boxes=tuple(true_boxes), detected_boxes=tuple(detected_boxes), **other)


def test_boxes_that_fit_exactly_have_precision_one():
    precision = box_precision([query([BOX, ASIDE], [(*BOX, 0.9), (*ASIDE, 0.2)])])
    assert (precision.ap, precision.ap50, precision.ap75) == pytest.approx((1, 1, 1))
    assert (precision.num_queries, precision.num_true_boxes) == (1, 2)


def test_a_box_counts_at_the_thresholds_it_reaches():
    # 10 x 7.2 of 10 x 10: IoU .72 reaches .50 .55 .60 .65 .70, five of ten thresholds.
    precision = box_precision([query([BOX], [(0.0, 0.0, 10.0, 7.2, 0.9)])])
    assert (precision.ap, precision.ap50, precision.ap75) == pytest.approx((0.5, 1, 0))


def test_an_object_that_is_never_found_caps_recall():
    # Recall reaches 1/2: precision is 1 at 51 of COCO's 101 recalls.
    assert box_precision([query([BOX], [(*BOX, 0.9)]), query([BOX], [])]).ap == pytest.approx(51 / 101)


def test_a_surer_detection_of_an_absent_phrase_halves_precision_and_a_less_sure_one_does_no_harm():
    hit = query([BOX], [(*BOX, 0.5)])
    assert box_precision([hit, query([], [(*BOX, 0.9)], target_present=False)]).ap == pytest.approx(0.5)
    assert box_precision([hit, query([], [(*BOX, 0.1)], target_present=False)]).ap == pytest.approx(1)
    assert box_precision([hit, query([], [], target_present=False)]).ap == pytest.approx(1)


def test_a_second_detection_of_the_same_object_is_false():
    # Right, false, right: recalls up to 1/2 at precision 1, the rest at 2/3.
    twice = query([BOX, ASIDE], [(*BOX, 0.9), (*BOX, 0.8), (*ASIDE, 0.7)])
    assert box_precision([twice]).ap50 == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_a_box_of_one_phrase_cannot_find_an_object_of_another_in_the_same_image():
    rows = [query([BOX], [], phrase="liver"), query([ASIDE], [(*BOX, 0.9)], phrase="cyst")]
    assert box_precision(rows).ap == 0


def test_nothing_detected_is_zero_and_nothing_to_find_is_nan():
    assert box_precision([query([BOX], [])]).ap == 0
    for rows in ([], [query([], [(*BOX, 0.9)], target_present=False)]):
        precision = box_precision(rows)
        assert math.isnan(precision.ap) and math.isnan(precision.ap50) and math.isnan(precision.ap75)
        assert precision.num_true_boxes == 0


def test_paper_rows_do_not_count():
    hit = query([BOX], [(*BOX, 0.5)])
    assert box_precision([hit, replace(query([BOX], []), protocol="paper")]) == box_precision([hit])
    assert box_precision([replace(hit, protocol="paper")]).num_queries == 0


def test_the_best_hundred_detections_of_a_query_count():
    noise = [(*ASIDE, 0.9)] * MAX_DETECTIONS
    assert box_precision([query([BOX], [*noise[1:], (*BOX, 0.1)])]).ap50 > 0
    assert box_precision([query([BOX], [*noise, (*BOX, 0.1)])]).ap50 == 0


def test_nothing_is_printed(capsys):
    box_precision([query([BOX], [(*BOX, 0.9)])])
    assert capsys.readouterr() == ("", "")


def test_the_numbers_are_those_of_cocos_own_summary(tmp_path, capsys):
    rows = [
        query([BOX, ASIDE], [(1.0, 0.0, 11.0, 10.0, 0.9), (50.0, 50.0, 59.0, 60.0, 0.3), (0.0, 0.0, 5.0, 5.0, 0.2)]),
        query([ASIDE], [(*BOX, 0.6), (52.0, 50.0, 62.0, 60.0, 0.55)]),
        query([], [(*BOX, 0.58)], target_present=False),
    ]
    numbered = list(enumerate(rows, start=1))
    truth = {
        "info": {},
        "images": [{"id": number, "width": 100, "height": 100} for number, _ in numbered],
        "categories": [{"id": 1, "name": "object"}],
        "annotations": [],
    }
    for number, one in numbered:
        for x0, y0, x1, y1 in one.true_boxes:
            size = {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0), "iscrowd": 0}
            truth["annotations"].append(
                {"id": len(truth["annotations"]) + 1, "image_id": number, "category_id": 1} | size
            )
    found = [
        {"image_id": number, "category_id": 1, "bbox": [x0, y0, x1 - x0, y1 - y0], "score": score}
        for number, one in numbered
        for x0, y0, x1, y1, score in one.detected_boxes
    ]
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(truth), encoding="utf-8")
    coco = COCO(str(path))
    evaluation = COCOeval(coco, coco.loadRes(found), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    capsys.readouterr()
    precision = box_precision(rows)
    assert 0 < precision.ap < precision.ap50 < 1
    assert [precision.ap, precision.ap50, precision.ap75] == pytest.approx(evaluation.stats[:3].tolist())
