"""How many of the objects that a query asks for were found at their place: recall at a box IoU of 0.5."""

from __future__ import annotations

import math

from gdinousam.evaluation.scoring.metrics import box_iou_xyxy
from gdinousam.evaluation.scoring.rows import ScoreRow

RIGHT_IOU = 0.5  # from which on a box counts as found, as in Pascal VOC and in COCO's AP50


def recall_50(row: ScoreRow) -> float:
    """Share in [0, 1] of a row's true boxes that a detection of its own overlaps with a box IoU of 0.5 or more.

    Detections choose in the order of their scores, each the best of the true boxes that are left, as in COCO. Under the
    paper protocol only the first detection counts, because only that one is scored. nan where there is no target.
    """
    if not row.target_present or not row.true_boxes:
        return math.nan
    left = list(row.true_boxes)
    for *box, _ in row.detected_boxes[: 1 if row.protocol == "paper" else None]:
        ious = [box_iou_xyxy((box[0], box[1], box[2], box[3]), true_box) for true_box in left]
        if ious and max(ious) >= RIGHT_IOU:
            del left[ious.index(max(ious))]
    return 1 - len(left) / len(row.true_boxes)
