"""Samples: an image with its boxes and masks, in the form that torchvision's transforms move together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torchvision import tv_tensors
from torchvision.ops import box_convert

from gdinousam.errors import InputError
from gdinousam.preprocessing import box_scale, image_to_tensor
from gdinousam.records import BoxXYWH, Image, Mask


class Sample(NamedTuple):
    """One image with its objects. A NamedTuple, because v2 transforms reach into those and not into dataclasses.

    image: (3, H, W) uint8 RGB in [0, 255]. boxes_xyxy: (N, 4) float32, pixels of this image, canvas size (H, W).
    masks_nhw: (N, H, W) bool, the mask of each box, or ``None``. N may be 0; transforms keep N and the order.
    phrases: what the image is known about; mirroring changes those that name a side, and nothing else changes them.
    """

    image: tv_tensors.Image
    boxes_xyxy: tv_tensors.BoundingBoxes
    masks_nhw: tv_tensors.Mask | None = None
    phrases: tuple[str, ...] = ()


def to_sample(image: Image, boxes_xywh: Sequence[BoxXYWH], masks: Sequence[Mask] | None = None) -> Sample:
    """Wrap an image and its boxes for the transforms.

    image: (H, W, 3) uint8 RGB, copied. boxes_xywh: (x, y, width, height) in pixels of the image, cut at its border; may
    be empty. masks: one (H, W) bool mask per box, each cut to its box, because several objects may share a mask file.
    Raises InputError where a box has no area on the image or a mask no pixel inside its box.
    """
    height, width = image.shape[:2]
    boxes_xyxy = box_convert(torch.tensor(boxes_xywh, dtype=torch.float32).reshape(-1, 4), "xywh", "xyxy")
    clamped_xyxy = _clamped(boxes_xyxy, (height, width))
    flat = (clamped_xyxy[:, 2:] <= clamped_xyxy[:, :2]).any(dim=1)
    if flat.any():
        box_xywh = boxes_xywh[int(flat.nonzero()[0])]
        raise InputError(f"box (x, y, width, height) = {box_xywh} has no area on an image of {width} x {height} pixels")
    return Sample(
        image=tv_tensors.Image(image_to_tensor(image)),
        boxes_xyxy=tv_tensors.BoundingBoxes(clamped_xyxy, format="XYXY", canvas_size=(height, width)),
        masks_nhw=None if masks is None else _masks_in_boxes(masks, clamped_xyxy, (height, width)),
    )


def with_objects(sample: Sample, objects: Sequence[int]) -> Sample:
    """The same image with some of its boxes and masks, by their places, rising; may be none."""
    if len(objects) == len(sample.boxes_xyxy):
        return sample
    kept, masks_nhw = list(objects), sample.masks_nhw
    return sample._replace(
        boxes_xyxy=tv_tensors.wrap(sample.boxes_xyxy[kept], like=sample.boxes_xyxy),
        masks_nhw=None if masks_nhw is None else tv_tensors.Mask(masks_nhw[kept]),
    )


def _clamped(boxes_xyxy: torch.Tensor, size_hw: tuple[int, int]) -> torch.Tensor:
    """Cut (N, 4) boxes x0, y0, x1, y1 at the border of the image; a box outside it gets no area."""
    return torch.minimum(boxes_xyxy.clamp(min=0), box_scale(boxes_xyxy, size_hw))


def _masks_in_boxes(masks: Sequence[Mask], boxes_xyxy: torch.Tensor, size_hw: tuple[int, int]) -> tv_tensors.Mask:
    if len(masks) != len(boxes_xyxy):
        raise InputError(f"{len(masks)} masks for {len(boxes_xyxy)} boxes: give one mask per box")
    inside_nhw = torch.zeros((len(masks), *size_hw), dtype=torch.bool)
    for inside, mask, box_xyxy in zip(inside_nhw, masks, boxes_xyxy.tolist(), strict=True):
        if mask.shape != size_hw:
            raise InputError(f"a mask is (height, width) = {mask.shape}, its image {size_hw}: they must be equal")
        rows, columns = _pixel_window(box_xyxy)
        inside[rows, columns] = torch.from_numpy(mask[rows, columns].copy())
        if not inside.any():
            raise InputError(f"the mask of the box (x0, y0, x1, y1) = {tuple(box_xyxy)} has no pixel inside the box")
    return tv_tensors.Mask(inside_nhw)


def _pixel_window(box_xyxy: Sequence[float]) -> tuple[slice, slice]:
    """Return rows and columns of all pixels that a box x0, y0, x1, y1 on the image touches."""
    x0, y0, x1, y1 = box_xyxy
    return slice(int(np.floor(y0)), int(np.ceil(y1))), slice(int(np.floor(x0)), int(np.ceil(x1)))
