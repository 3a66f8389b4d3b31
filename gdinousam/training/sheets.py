"""Sample pictures of a run: what the model predicts on a few images, as one sheet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from gdinousam.data.images import read_record_image
from gdinousam.drawing import PALETTE, Mark, draw_panel, side_by_side, write_picture
from gdinousam.models.detector.box_finder import BoxFinder
from gdinousam.models.detector.detector import Detector
from gdinousam.models.detector.operating_point import PredictionSettings
from gdinousam.models.mask_heads.sam2 import MaskHead
from gdinousam.preprocessing import ResizeSettings
from gdinousam.records import BoxXYXY, Detection, Image, ImageRecord, Mask

_TRUE_COLOR, _PREDICTED_COLOR = PALETTE[2], PALETTE[1]
_COLUMNS = 4

Find = Callable[[Sequence[Image], Sequence[ImageRecord]], list[list[Detection]]]


def detector_sheet(detector: Detector, resize: ResizeSettings, records: Sequence[ImageRecord], path: Path) -> None:
    """Draw true boxes and the best box of every phrase, with its score, whatever the thresholds; writes a PNG."""
    # every image gets a box, so that the first epochs show something too
    finder = BoxFinder(detector, resize, PredictionSettings(box_threshold=0.0, max_detections=1))
    was_training = detector.training
    detector.eval()
    panels = []
    for record in records:
        image = read_record_image(record)
        found = finder.find([image], [record.phrases])[0]
        marks = [
            _true_mark(record),
            Mark(
                _PREDICTED_COLOR,
                boxes_xyxy=[one.box_xyxy for one in found],
                labels=[f"{one.phrase} {one.score:.2f}" for one in found],
            ),
        ]
        panels.append(draw_panel(image, marks))
    detector.train(was_training)
    _write_sheet(panels, path)


def mask_head_sheet(mask_head: MaskHead, records: Sequence[ImageRecord], path: Path) -> None:
    """Draw the masks that the mask head finds in the true boxes; writes a PNG."""
    was_training = mask_head.training
    mask_head.eval()
    panels = []
    for record in records:
        image, boxes_xyxy = read_record_image(record), torch.tensor(_true_boxes_xyxy(record))
        masks = mask_head.masks_in_boxes([image], [boxes_xyxy])[0]
        panels.append(draw_panel(image, [_true_mark(record), _masks_mark(image, masks)]))
    mask_head.train(was_training)
    _write_sheet(panels, path)


def segmenter_sheet(find: Find, model: nn.Module, records: Sequence[ImageRecord], path: Path) -> None:
    """Draw the masks that a method finds in each image; writes a PNG. model: what the method runs."""
    was_training = model.training
    model.eval()
    panels = []
    for record in records:
        image = read_record_image(record)
        found = find([image], [record])[0]
        masks = [one.mask_hw for one in found if one.mask_hw is not None]
        panels.append(draw_panel(image, [_true_mark(record), _masks_mark(image, masks)]))
    model.train(was_training)
    _write_sheet(panels, path)


def _masks_mark(image: Image, masks: Sequence[Mask]) -> Mark:
    return Mark(_PREDICTED_COLOR, np.logical_or.reduce([np.zeros(image.shape[:2], dtype=bool), *masks]))


def _true_mark(record: ImageRecord) -> Mark:
    boxes_xyxy = _true_boxes_xyxy(record)
    return Mark(_TRUE_COLOR, boxes_xyxy=boxes_xyxy, labels=[""] * len(boxes_xyxy))


def _true_boxes_xyxy(record: ImageRecord) -> list[BoxXYXY]:
    return [instance.box_xyxy for instance in record.instances]


def _write_sheet(panels: Sequence[Image], path: Path) -> None:
    rows = [
        side_by_side(panels[start : start + _COLUMNS], [""] * len(panels[start : start + _COLUMNS]))
        for start in range(0, len(panels), _COLUMNS)
    ]
    width = max(row.shape[1] for row in rows)
    sheet = np.concatenate([np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in rows])
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(sheet, path)
