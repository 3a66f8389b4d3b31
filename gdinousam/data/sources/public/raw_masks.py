"""Masks as releases store them, made into objects: threshold, size, components, and the contours of the paper's script.

Releases save masks as 0/1, as 0/255, with grey edges, as JPEG, at another size than the image, and with specks. The
rules here bring them to one form; each change is told in a remark.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from gdinousam.data.images import read_image
from gdinousam.data.masks import foreground
from gdinousam.data.sources.public.interface import PaperRow, RawInstance
from gdinousam.errors import InputError
from gdinousam.records import BoxXYWH, Mask

GreyMask = npt.NDArray[np.uint8]  # (H, W)

THRESHOLD = 128  # half of the range; see gdinousam.data.masks
MIN_PIXELS = 16  # components below this, or
MIN_SHARE = 0.0005  # below this share of the largest component of the mask file, are specks
SCALE_SLACK = 1.0  # pixels by which a side may miss the exact scaling of the other

RESIZED = "mask resized to the image"
GREY_EDGES = "mask with grey edges, cut at 128"
SPECKS = "specks dropped from the mask"


def read_grey_mask(path: Path) -> GreyMask:
    """The stored values of a mask file of one or three channels, (H, W) uint8; errors as ``images.read_image``."""
    pixels = read_image(path)
    if (pixels == pixels[:, :, :1]).all():
        return np.ascontiguousarray(pixels[:, :, 0])
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def binarise(grey_hw: GreyMask, size_hw: tuple[int, int], path: Path) -> tuple[Mask, tuple[str, ...]]:
    """Bring a mask to the size of its image and make it (H, W) bool.

    A file that holds 0 and one other value is foreground wherever that value stands; any other is cut at 128, after
    resizing, so that interpolated edges fall where they belong. path: of the file, for messages. Returns the mask,
    which may be empty, and remarks. Raises ``InputError`` where the size is no pure scaling of the image's.
    """
    remarks = []
    mask_hw, is_cut, _ = foreground(grey_hw, may_be_labels=False)
    if is_cut:
        remarks.append(GREY_EDGES)
    else:
        grey_hw = np.where(mask_hw, np.uint8(255), np.uint8(0))
    if grey_hw.shape != tuple(size_hw):
        require_scaling(grey_hw.shape[:2], size_hw, path)
        shrinks = grey_hw.shape[0] > size_hw[0]
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        grey_hw = np.asarray(cv2.resize(grey_hw, size_hw[::-1], interpolation=method), dtype=np.uint8)
        remarks.append(RESIZED)
    return np.asarray(grey_hw >= THRESHOLD), tuple(remarks)


def resize_labels(labels: npt.NDArray[np.uint8], size_hw: tuple[int, int], path: Path) -> npt.NDArray[np.uint8]:
    """Bring a label map, (H, W) or (H, W, 3), to the size of its image, keeping its values; errors as ``binarise``."""
    if labels.shape[:2] == tuple(size_hw):
        return labels
    require_scaling((labels.shape[0], labels.shape[1]), size_hw, path)
    return np.asarray(cv2.resize(labels, size_hw[::-1], interpolation=cv2.INTER_NEAREST_EXACT), dtype=np.uint8)


def require_scaling(given_hw: tuple[int, int], size_hw: tuple[int, int], path: Path) -> None:
    """Raise ``InputError`` unless both sides changed by the same factor, to a pixel of the image."""
    if abs(given_hw[0] * size_hw[1] / given_hw[1] - size_hw[0]) > SCALE_SLACK:
        raise InputError(
            f"{path}: mask of {given_hw[1]} x {given_hw[0]} for an image of {size_hw[1]} x {size_hw[0]}, which is no "
            "scaled copy; fetch the file again"
        )


def components(mask_hw: Mask) -> tuple[list[Mask], int]:
    """The 8-connected parts of a mask, largest first, and how many specks were dropped; no parts of an empty mask."""
    num_labels, labels, stats, _ = cv2.connectedComponentsWithStats(mask_hw.astype(np.uint8), connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    if not len(areas):
        return [], 0
    floor = max(MIN_PIXELS, MIN_SHARE * areas.max())
    kept = [label for label in range(1, num_labels) if areas[label - 1] >= floor]
    kept.sort(key=lambda label: -areas[label - 1])
    return [np.asarray(labels == label) for label in kept], len(areas) - len(kept)


def instances(mask_hw: Mask, phrase: str) -> tuple[tuple[RawInstance, ...], tuple[str, ...]]:
    """Each component of a mask as an instance of the phrase, and remarks."""
    parts, num_dropped = components(mask_hw)
    return tuple(RawInstance(phrase, part) for part in parts), (SPECKS,) if num_dropped else ()


def polygon_mask(points_xy: Sequence[Sequence[float]] | npt.NDArray[np.float64], size_hw: tuple[int, int]) -> Mask:
    """(H, W) bool of a filled polygon. points_xy: corners in pixels, pixel centres at whole numbers."""
    canvas = np.zeros(size_hw, dtype=np.uint8)
    corners = np.rint(np.asarray(points_xy, dtype=np.float64)).astype(np.int32)
    cv2.fillPoly(canvas, [corners.reshape(-1, 1, 2)], 255)
    return canvas > 0


def num_script_contours(grey_hw: GreyMask | Mask, area_floor: float = 0, limit: int | None = None) -> int:
    """How many outer contours the paper's scripts see in a mask as stored: every pixel above 0 is foreground to them.

    area_floor: contours of smaller area do not count. limit: as many of the others as the script keeps.
    """
    number = sum(cv2.contourArea(contour) >= area_floor for contour in _script_contours(grey_hw))
    return number if limit is None else min(number, limit)


def script_boxes_xywh(grey_hw: GreyMask | Mask, limit: int | None = None) -> list[BoxXYWH]:
    """(x, y, width, height) of those contours in pixels of the mask, the first ``limit`` in OpenCV's order."""
    boxes_xywh = [cv2.boundingRect(contour) for contour in _script_contours(grey_hw)[:limit]]
    return [(x, y, width, height) for x, y, width, height in boxes_xywh]


def _script_contours(grey_hw: GreyMask | Mask) -> Sequence[cv2.typing.MatLike]:
    contours, _ = cv2.findContours((grey_hw > 0).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return contours


def paper_rows(num_rows: int, phrase: str, name: str, instance_copies: bool = False) -> tuple[PaperRow, ...]:
    """The script's rows of one image. name: of the image. instance_copies: the script copies the image for its second
    instance under another prefix, which table 1 does not count."""
    return tuple(PaperRow(phrase, None if instance_copies and index else name) for index in range(num_rows))
