"""The pipeline of the paper: phrase -> detector -> boxes -> mask head -> masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from gdinousam.models.box_finder import BoxFinder, PredictionSettings
from gdinousam.models.loading import load_detector, load_mask_head, pick_device, trained_resize
from gdinousam.models.mask_head import BoxPrompted
from gdinousam.preprocessing import ResizeSettings
from gdinousam.records import Detection, Image, Need


class TextSegmenter:
    """Grounding DINO finds boxes for a phrase, the mask head, SAM2 in the paper (section 2.2), a mask for each."""

    needs: frozenset[Need] = frozenset({"text"})

    def __init__(self, box_finder: BoxFinder, mask_head: BoxPrompted) -> None:
        self.box_finder = box_finder
        self.mask_head = mask_head

    def segment(self, images: Sequence[Image], phrases: Sequence[Sequence[str]]) -> list[list[Detection]]:
        """Find and segment every phrase in its image; see ``gdinousam.records.Segmenter``."""
        found = self.box_finder.find(images, phrases)
        boxes_xyxy = [torch.tensor([one.box_xyxy for one in detections]) for detections in found]
        masks = self.mask_head.masks_in_boxes(images, boxes_xyxy)
        return [
            [replace(one, mask_hw=mask_hw) for one, mask_hw in zip(detections, row, strict=True)]
            for detections, row in zip(found, masks, strict=True)
        ]


def load_segmenter(
    detector: str,
    mask_head: str,
    adapter: str | Path | None = None,
    resize: ResizeSettings | None = None,
    prediction: PredictionSettings | None = None,
    device: str = "auto",
) -> TextSegmenter:
    """Load the whole pipeline, ready to segment.

    detector, adapter, mask_head: folders, weight files, hub ids or own names, see ``load_detector`` and
    ``load_mask_head``. resize: ``None`` takes the sizes that the detector was trained with, as written beside its
    weights, else 800 x 800. device: ``auto``, ``cpu`` or ``cuda``. Raises InputError for what cannot be loaded.
    """
    chosen = pick_device(device)
    loaded = load_detector(detector, adapter).to(chosen)
    finder = BoxFinder(loaded, resize or trained_resize(adapter or detector), prediction)
    return TextSegmenter(finder, load_mask_head(mask_head).to(chosen))
