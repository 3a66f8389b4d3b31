"""Average precision of boxes as COCO defines it, computed by pycocotools from the strict rows alone.

COCO means images and classes, here there are queries: a phrase that is looked for in an image. Each query is handed to
pycocotools as an image of its own, all of them in one class. So a box can only match an object of the phrase that was
asked, detections of all queries are ranked together by their score, and a detection of an absent phrase lowers the
precision like any other false one. A class per phrase would let a phrase with three objects weigh as much as all the
rest, and would not count false alarms of phrases that nothing in the set has.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from gdinousam.evaluation.scoring.rows import ScoreRow
from gdinousam.records import BoxXYXY

MAX_DETECTIONS = 100  # per query, COCO's own limit: the best ones count
THRESHOLDS = np.linspace(0.5, 0.95, 10)  # COCO's box IoU from which on a detection is right
CATEGORY = 1


@dataclass(frozen=True)
class BoxPrecision:
    """Average precision, in [0, 1]; nan where there is no true box.

    ap: mean over box IoU thresholds 0.50, 0.55 ... 0.95. ap50, ap75: at that threshold alone.
    num_queries: strict queries, those without a target among them. num_true_boxes: objects to find.
    """

    ap: float
    ap50: float
    ap75: float
    num_queries: int
    num_true_boxes: int


def box_precision(rows: Sequence[ScoreRow]) -> BoxPrecision:
    """Average precision of the boxes of strict rows. Rows of the other protocol, which would repeat them, are left out,
    and queries that the method does not support.

    rows: may be empty. Nothing detected: 0. No true box in any row: nan, because recall has no meaning.
    """
    queries = [row for row in rows if row.protocol == "strict" and row.supported]
    num_true_boxes = sum(len(row.true_boxes) for row in queries)
    if not num_true_boxes:
        return BoxPrecision(math.nan, math.nan, math.nan, len(queries), 0)
    truth = [[_annotation(query, box_xyxy) for box_xyxy in row.true_boxes] for query, row in enumerate(queries)]
    found = [
        [_annotation(query, box[:4]) | {"score": box[4]} for box in row.detected_boxes]
        for query, row in enumerate(queries)
    ]
    precision = _precision(_coco(truth), _coco(found))
    return BoxPrecision(
        ap=float(precision.mean()),
        ap50=float(precision[0].mean()),
        ap75=float(precision[5].mean()),
        num_queries=len(queries),
        num_true_boxes=num_true_boxes,
    )


def _annotation(query: int, box_xyxy: BoxXYXY) -> dict[str, Any]:
    x0, y0, x1, y1 = box_xyxy
    return {
        "image_id": query + 1,
        "category_id": CATEGORY,
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "area": (x1 - x0) * (y1 - y0),
        "iscrowd": 0,
    }


def _coco(annotations: Sequence[Sequence[dict[str, Any]]]) -> COCO:
    """A COCO object in memory, one image per query. Ids start at 1, pycocotools takes 0 for "no match"."""
    coco = COCO()
    flat = [one for of_query in annotations for one in of_query]
    coco.dataset = {
        "images": [{"id": number + 1} for number in range(len(annotations))],
        "categories": [{"id": CATEGORY, "name": "object"}],
        "annotations": [one | {"id": number + 1} for number, one in enumerate(flat)],
    }
    with redirect_stdout(io.StringIO()):  # pycocotools reports every step on the terminal
        coco.createIndex()
    return coco


def _precision(truth: COCO, found: COCO) -> npt.NDArray[np.float64]:
    """(10, 101) precision by threshold and recall; COCOeval's own summary would print and go over sizes too."""
    with redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth, found, iouType="bbox")
        evaluation.params.iouThrs = THRESHOLDS
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluation.params.maxDets = [MAX_DETECTIONS]
        evaluation.evaluate()
        evaluation.accumulate()
    precision: npt.NDArray[np.float64] = evaluation.eval["precision"][:, :, 0, 0, 0]
    return precision
