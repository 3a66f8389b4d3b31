"""Masks from what somebody shows of an object: a box, clicks on it and beside it, or both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from gdinousam.data.masks import tight_box_xyxy
from gdinousam.errors import InputError
from gdinousam.inputs import as_hints, as_images
from gdinousam.models.mask_heads.sam2 import Clicks, Prompted, Sam2MaskHead
from gdinousam.records import BoxXYXY, Click, Detection, Hint, Image, Mask

_DECIMALS = 6  # of clicks in pixels of the square


@torch.inference_mode()
def segment_shown(mask_head: Sam2MaskHead, image: Image, hints: Sequence[Hint]) -> list[Detection]:
    """The mask of each hint, from its box and all of its clicks, as SAM2 takes them together.

    Unlike ``MaskHead.segment_hints``, which looks at boxes alone. image: (H, W, 3) uint8 RGB. hints: may be none.
    Returns a detection for each hint, in their order, with its phrase and score; its box is the hint's, or where that
    has none the one round the mask, and where that is empty a box of no size at the first click. Raises InputError for
    a hint with neither box nor click and for a click outside the image.
    """
    (image,), (row,) = as_images([image]), as_hints([hints], 1)
    size_hw = image.shape[0], image.shape[1]
    for place, hint in enumerate(row):
        _require_shown(hint, place, size_hw)
    if not row:
        return []
    (levels,) = mask_head.encode([image])
    kinds: dict[tuple[bool, int], list[int]] = {}
    for place, hint in enumerate(row):  # prompts of one kind go through the decoder together
        kinds.setdefault((hint.box_xyxy is not None, len(hint.clicks)), []).append(place)
    found: dict[int, Detection] = {}
    for places in kinds.values():
        of_kind = [row[place] for place in places]
        answer = _answer(mask_head, levels, of_kind, size_hw)
        masks = np.asarray(mask_head.masks_of_size(answer.low_res_logits, size_hw).cpu(), dtype=bool)
        assert answer.quality is not None  # SAM2 always expects something
        for place, hint, mask_hw, quality in zip(places, of_kind, masks, answer.quality.tolist(), strict=True):
            found[place] = Detection(hint.phrase, _box_of(hint, mask_hw), hint.score, mask_hw, quality)
    return [found[place] for place in range(len(row))]


def _answer(
    mask_head: Sam2MaskHead, levels: list[torch.Tensor], hints: Sequence[Hint], size_hw: tuple[int, int]
) -> Prompted:
    """The decoder's answer to hints that all have a box or none, and as many clicks as each other."""
    boxes, clicks = None, None
    if hints[0].box_xyxy is not None:
        boxes = mask_head.boxes_in_square(torch.tensor([hint.box_xyxy for hint in hints]), size_hw)
    if hints[0].clicks:
        points = [[point_in_square(click, size_hw, mask_head.side) for click in hint.clicks] for hint in hints]
        labels = [[int(click.is_foreground) for click in hint.clicks] for hint in hints]
        clicks = Clicks(torch.tensor(points, device=mask_head.device), torch.tensor(labels, device=mask_head.device))
    return mask_head.shown(levels, boxes, clicks)


def point_in_square(click: Click, size_hw: tuple[int, int], side: int) -> tuple[float, float]:
    """(x, y) of a click on an image of size (H, W), in pixels of the square counted from the centre of the first one.

    Rounded to a millionth, so that the centre of pixel i of the square is i, as in the official code, whose clicks are
    whole numbers.
    """
    height, width = size_hw
    return round(click.x * side / width - 0.5, _DECIMALS), round(click.y * side / height - 0.5, _DECIMALS)


def _require_shown(hint: Hint, place: int, size_hw: tuple[int, int]) -> None:
    if hint.box_xyxy is None and not hint.clicks:
        raise InputError(f"hints[0][{place}] ({hint.phrase!r}) has neither box nor click; show where the object lies")
    height, width = size_hw
    for click in hint.clicks:
        if not (0 <= click.x <= width and 0 <= click.y <= height):
            raise InputError(
                f"hints[0][{place}] ({hint.phrase!r}) has a click at ({click.x:g}, {click.y:g}), outside the image of "
                f"{width} x {height} pixels"
            )


def _box_of(hint: Hint, mask_hw: Mask) -> BoxXYXY:
    if hint.box_xyxy is not None:
        return hint.box_xyxy
    first = hint.clicks[0]
    return tight_box_xyxy(mask_hw) or (first.x, first.y, first.x, first.y)
