"""One picture per image: the image, its ground truth, and what a method found, with the scores underneath."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gdinousam.drawing import PALETTE, Color, Mark, draw_panel, side_by_side
from gdinousam.evaluation.scoring.rows import ScoreRow
from gdinousam.records import Detection, Image, ImageRecord, Mask, Query


def choose_pictures(num_images: int, num_pictures: int) -> set[int]:
    """Positions of the images to draw, evenly over the whole list, so that no dataset is left to chance.

    Returns at most num_pictures numbers in [0, num_images); all of them where there are fewer images, none for 0.
    """
    num_pictures = min(num_images, num_pictures)
    return {number * num_images // num_pictures for number in range(num_pictures)}


def draw_scores(
    image: Image,
    record: ImageRecord,
    truth: Mapping[str, Mask],
    detections: Sequence[Detection],
    rows: Sequence[ScoreRow],
) -> Image:
    """Image, ground truth and detections side by side, each phrase in its own colour.

    image: (H, W, 3) uint8 RGB. truth: per phrase (H, W) bool. detections: of all phrases; may be empty.
    rows: those of ``score_image``; the strict ones are printed. Returns (H', W', 3) uint8 RGB.
    """
    colors = {phrase: PALETTE[number % len(PALETTE)] for number, phrase in enumerate(record.phrases)}
    true_marks = [_true_mark(Query(record, phrase), truth[phrase], colors[phrase]) for phrase in record.phrases]
    found_marks = [
        Mark(colors[one.phrase], one.mask_hw, [one.box_xyxy], [f"{one.phrase} {one.score:.2f}"]) for one in detections
    ]
    captions = [
        f"{record.dataset}: {record.path.name}, {record.width} x {record.height}",
        "ground truth: " + _counts(rows),
        "\n".join(_caption(row) for row in rows if row.protocol == "strict"),
    ]
    panels = [draw_panel(image, marks) for marks in ([], true_marks, found_marks)]
    return side_by_side(panels, captions)


def _true_mark(query: Query, mask_hw: Mask, color: Color) -> Mark:
    boxes_xyxy = [instance.box_xyxy for instance in query.instances]
    return Mark(color, mask_hw, boxes_xyxy, [query.phrase] * len(boxes_xyxy))


def _counts(rows: Sequence[ScoreRow]) -> str:
    return ", ".join(f"{row.num_instances} {row.phrase}" for row in rows if row.protocol == "strict")


def _caption(row: ScoreRow) -> str:
    if not row.supported:
        return f"{row.phrase}: not supported by the method"
    found = f"{row.num_detections} found, best score {row.score:.2f}" if row.found else "nothing found"
    if not row.target_present:
        return f"{row.phrase}: {found}, absent from the image"
    return f"{row.phrase}: {found}, Dice {100 * row.dice:.2f} %, IoU {100 * row.iou:.2f} %"
