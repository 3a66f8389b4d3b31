"""What a scanner writes over the image: calipers at the ends of a target, letters, a depth scale."""

from __future__ import annotations

import cv2
import numpy as np

from gdinousam.records import Mask

LETTERS = "ABCDEGHKLMNPRSTVX"
FONTS = (cv2.FONT_HERSHEY_PLAIN, cv2.FONT_HERSHEY_SIMPLEX)


def caliper_ends(mask_hw: Mask) -> tuple[tuple[int, int], tuple[int, int]]:
    """The two pixels (x, y) of a mask, not empty, that lie farthest apart, the left one first."""
    contours, _ = cv2.findContours(mask_hw.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    points = cv2.convexHull(np.concatenate(contours)).reshape(-1, 2).astype(np.int64)
    distance = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    ends = [points[index] for index in np.unravel_index(int(distance.argmax()), distance.shape)]
    (x0, y0), (x1, y1) = sorted((int(x), int(y)) for x, y in ends)
    return (x0, y0), (x1, y1)


def draw_calipers(generator: np.random.Generator, grey_hw: np.ndarray, mask_hw: Mask) -> None:
    """Mark the longest diameter of a target in an (H, W) uint8 image, in place: two crosses and now and then dots."""
    value = int(generator.integers(190, 256))
    marker = cv2.MARKER_CROSS if generator.random() < 0.6 else cv2.MARKER_TILTED_CROSS
    size = int(generator.integers(5, 10))
    ends = caliper_ends(mask_hw)
    for end in ends:
        cv2.drawMarker(grey_hw, end, value, marker, size, 1)
    if generator.random() < 0.6:
        start, stop = np.array(ends)
        num_dots = int(np.hypot(*(stop - start)) / 5)
        for x, y in np.rint(np.linspace(start, stop, num_dots + 2)).astype(int)[1:-1]:
            grey_hw[y, x] = value


def draw_text(generator: np.random.Generator, grey_hw: np.ndarray) -> None:
    """Write letters into a corner or two and a depth scale along a side of an (H, W) uint8 image, in place."""
    height, width = grey_hw.shape
    value = int(generator.integers(150, 256))
    font = FONTS[generator.integers(len(FONTS))]
    scale = generator.uniform(0.55, 0.8) if font == cv2.FONT_HERSHEY_PLAIN else generator.uniform(0.28, 0.4)
    corners = generator.permutation(4)[: generator.integers(1, 3)]
    for corner in corners:
        word = "".join(LETTERS[index] for index in generator.integers(len(LETTERS), size=generator.integers(1, 8)))
        text = f"{word} {generator.integers(1, 100)}" if generator.random() < 0.5 else word
        (text_width, text_height), _ = cv2.getTextSize(text, font, scale, 1)
        x = 3 if corner % 2 == 0 else max(width - text_width - 3, 0)
        y = text_height + 3 if corner < 2 else height - 4
        cv2.putText(grey_hw, text, (x, y), font, scale, value, 1, cv2.LINE_AA)
    if generator.random() < 0.6:
        x = 1 if generator.random() < 0.5 else width - 4
        spacing = height / generator.uniform(5.0, 14.0)
        for row in np.arange(spacing, height - 1, spacing).astype(int):
            grey_hw[row, x : x + 3] = value
