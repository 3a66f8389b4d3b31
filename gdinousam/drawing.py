"""Pictures for people: masks and boxes over an image, and panels side by side with text underneath.

Colours are (red, green, blue) in [0, 255]. Nothing changes the image that it is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from gdinousam.files import replaced_file
from gdinousam.records import BoxXYXY, Image, Mask

Color = tuple[int, int, int]

# Okabe and Ito's palette without black and with its lightest tones first: told apart by colour-blind readers and
# visible on grey.
PALETTE: tuple[Color, ...] = (
    (86, 180, 233),
    (230, 159, 0),
    (0, 158, 115),
    (240, 228, 66),
    (213, 94, 0),
    (204, 121, 167),
)

# A panel's longer side in pixels: the shorter limit keeps labels readable on small images, the longer one keeps a
# picture of three panels within a screen.
MIN_PANEL_SIDE, MAX_PANEL_SIDE = 320, 640
TILE_SIDE = 256  # pixels, of a contact sheet
_TILE_CAPTION, _TILE_LETTERS, _NUM_COLUMNS = 40, 42, 6
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_SCALE = 0.45
LINE_HEIGHT = 18  # pixels of a label
_MARGIN = 6
_BACKGROUND, _INK = 24, (235, 235, 235)


@dataclass(frozen=True, eq=False)
class Mark:
    """Something to draw over an image: a mask (H, W) bool, boxes with one label each, or both, in one colour.

    boxes_xyxy: (x0, y0, x1, y1) in pixels of the image. labels: one per box.
    """

    color: Color
    mask_hw: Mask | None = None
    boxes_xyxy: Sequence[BoxXYXY] = ()
    labels: Sequence[str] = ()


def overlay_mask(image: Image, mask_hw: Mask, color: Color, opacity: float = 0.35) -> Image:
    """Tint the pixels of a mask and draw its outline.

    image: (H, W, 3) uint8 RGB. mask_hw: (H, W) bool; an empty one changes nothing. opacity: of the tint, in [0, 1].
    Returns a new (H, W, 3) uint8 RGB. Raises ValueError where the sizes differ.
    """
    if image.shape[:2] != mask_hw.shape:
        raise ValueError(f"mask of size {mask_hw.shape} over an image of size {image.shape[:2]} (H, W)")
    drawn = image.copy()
    tinted = (1 - opacity) * image[mask_hw] + opacity * np.array(color)
    drawn[mask_hw] = np.rint(tinted).astype(np.uint8)
    contours, _ = cv2.findContours(mask_hw.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(drawn, contours, -1, color, 1)
    return drawn


def outlines(mask_hw: Mask, size_wh: tuple[int, int]) -> list[npt.NDArray[np.int32]]:
    """The outlines of a mask in a picture of another size, corners of the mask's own pixels rounded off.

    mask_hw: (H, W) bool. size_wh: (width, height) of the picture. Returns rings (N, 1, 2) of x, y for
    ``cv2.drawContours``; none for an empty mask. A mask of single pixels does not vanish in a smaller picture.
    """
    scaled = cv2.resize(mask_hw.astype(np.float32), size_wh, interpolation=cv2.INTER_LINEAR) >= 0.5
    if mask_hw.any() and not scaled.any():
        scaled = cv2.resize(mask_hw.astype(np.float32), size_wh, interpolation=cv2.INTER_AREA) > 0
    rings, _ = cv2.findContours(scaled.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return list(rings)  # type: ignore[arg-type]


def draw_label(image: Image, box_xyxy: BoxXYXY, color: Color, label: str) -> Image:
    """Write a label above a box, or inside where there is no room above; the box itself is not drawn.

    image: (H, W, 3) uint8 RGB. box_xyxy: (x0, y0, x1, y1) in pixels; what lies outside is moved to the border.
    label: one line. Returns a new (H, W, 3) uint8 RGB.
    """
    drawn = image.copy()
    left, top, right, bottom = label_area(image, box_xyxy, label)
    cv2.rectangle(drawn, (left, top), (right, bottom), color, cv2.FILLED)
    _write(drawn, label, left + _MARGIN // 2, top, (0, 0, 0))
    return drawn


def label_area(image: Image, box_xyxy: BoxXYXY, label: str) -> tuple[int, int, int, int]:
    """(x0, y0, x1, y1) in pixels: what ``draw_label`` covers."""
    height, width = image.shape[:2]
    x0, y0 = _clip(box_xyxy[0], width), _clip(box_xyxy[1], height)
    left = max(0, min(x0, width - _text_width(label) - _MARGIN))
    top = y0 - LINE_HEIGHT if y0 >= LINE_HEIGHT else y0
    return left, top, left + _text_width(label) + _MARGIN, top + LINE_HEIGHT


def draw_box(image: Image, box_xyxy: BoxXYXY, color: Color, label: str = "") -> Image:
    """Draw a box, and its label above it, or inside where there is no room above.

    image: (H, W, 3) uint8 RGB. box_xyxy: (x0, y0, x1, y1) in pixels; what lies outside is moved to the border.
    label: one line, none where empty. Returns a new (H, W, 3) uint8 RGB.
    """
    drawn = image.copy()
    height, width = image.shape[:2]
    x0, y0 = _clip(box_xyxy[0], width), _clip(box_xyxy[1], height)
    # The far edge of a box lies beyond its last pixel.
    x1, y1 = _clip(box_xyxy[2] - 1, width), _clip(box_xyxy[3] - 1, height)
    cv2.rectangle(drawn, (x0, y0), (x1, y1), color, 2)
    return draw_label(drawn, box_xyxy, color, label) if label else drawn


def draw_panel(image: Image, marks: Sequence[Mark] = ()) -> Image:
    """Scale an image to the size of a panel and draw marks over it, lines and labels in the panel's own resolution.

    image: (H, W, 3) uint8 RGB of any size. marks: in pixels of that image, drawn in order; may be empty.
    Returns (H', W', 3) uint8 RGB of the same shape of picture, its longer side between 320 and 640 pixels.
    """
    longer = max(image.shape[:2])
    scale = min(max(longer, MIN_PANEL_SIDE), MAX_PANEL_SIDE) / longer
    size_wh = (max(1, round(scale * image.shape[1])), max(1, round(scale * image.shape[0])))
    panel = np.asarray(
        cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC), dtype=np.uint8
    )
    for mark in marks:
        if mark.mask_hw is not None:
            mask = cv2.resize(mark.mask_hw.astype(np.uint8), size_wh, interpolation=cv2.INTER_NEAREST_EXACT)
            panel = overlay_mask(panel, mask.astype(bool), mark.color)
    for mark in marks:
        for box_xyxy, label in zip(mark.boxes_xyxy, mark.labels, strict=True):
            x0, y0, x1, y1 = box_xyxy
            panel = draw_box(panel, (scale * x0, scale * y0, scale * x1, scale * y1), mark.color, label)
    return panel


def side_by_side(panels: Sequence[Image], captions: Sequence[str]) -> Image:
    """Put panels in a row, each with its caption underneath.

    panels: (H, W, 3) uint8 RGB; sizes may differ, smaller ones get a dark border below and to the right, and each is
    at least 320 pixels wide. captions: one per panel; wrapped to its width, line breaks are kept, may be empty.
    Returns (H', W', 3) uint8 RGB. Raises ValueError where there is no panel or not one caption for each.
    """
    if not panels or len(panels) != len(captions):
        raise ValueError(f"{len(panels)} panels with {len(captions)} captions: give one caption for each, at least one")
    widths = [max(panel.shape[1], MIN_PANEL_SIDE) for panel in panels]
    texts = [_wrap(caption, width - 2 * _MARGIN) for caption, width in zip(captions, widths, strict=True)]
    panel_height = max(panel.shape[0] for panel in panels)
    height = panel_height + LINE_HEIGHT * max(len(lines) for lines in texts) + 2 * _MARGIN
    picture = np.full((height, sum(widths) + _MARGIN * (len(panels) - 1), 3), _BACKGROUND, np.uint8)
    left = 0
    for panel, lines, width in zip(panels, texts, widths, strict=True):
        picture[: panel.shape[0], left : left + panel.shape[1]] = panel
        for number, line in enumerate(lines):
            _write(picture, line, left + _MARGIN, panel_height + _MARGIN + number * LINE_HEIGHT, _INK)
        left += width + _MARGIN
    return picture


def tile(picture: Image, lines: Sequence[str]) -> Image:
    """A picture in the middle of a square of a contact sheet, two lines of text underneath.

    picture: (H, W, 3) uint8 RGB of at most ``TILE_SIDE`` pixels on its longer side. lines: what is beyond two, or too
    long, is left out. Returns (``TILE_SIDE`` + 40, ``TILE_SIDE``, 3) uint8 RGB.
    """
    square = np.full((TILE_SIDE + _TILE_CAPTION, TILE_SIDE, 3), _BACKGROUND, dtype=np.uint8)
    top, left = (TILE_SIDE - picture.shape[0]) // 2, (TILE_SIDE - picture.shape[1]) // 2
    square[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    for number, text in enumerate(lines[:2]):
        position = (4, TILE_SIDE + 15 + 17 * number)
        cv2.putText(square, text[:_TILE_LETTERS], position, _FONT, 0.38, _INK, 1, cv2.LINE_AA)
    return square


def contact_sheet(tiles: Sequence[Image]) -> Image:
    """Tiles, at least one, in rows of six, from left to right. Returns (H, W, 3) uint8 RGB."""
    num_columns = min(_NUM_COLUMNS, len(tiles))
    empty = np.full_like(tiles[0], _BACKGROUND)
    filled = [*tiles, *[empty] * (-len(tiles) % num_columns)]
    rows = [np.hstack(filled[start : start + num_columns]) for start in range(0, len(filled), num_columns)]
    return np.asarray(np.vstack(rows), dtype=np.uint8)


def write_picture(picture: Image | npt.NDArray[np.uint8], path: Path) -> None:
    """Write (H, W, 3) uint8 RGB or (H, W) uint8 grey as PNG. Raises OSError where the file cannot be written."""
    # Through bytes, because cv2.imwrite fails silently on paths that it cannot open.
    pixels = picture[..., ::-1] if picture.ndim == 3 else picture
    with replaced_file(path, durable=False) as new:
        new.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())


def _wrap(text: str, width: int) -> list[str]:
    """Break a text between words so that each line fits; a word that is too long stands alone and is cut off."""
    lines = []
    for paragraph in text.splitlines():
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}".strip()
            if line and _text_width(longer) > width:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return lines


def _text_width(text: str) -> int:
    return int(cv2.getTextSize(text, _FONT, _FONT_SCALE, 1)[0][0])


def _write(image: Image, text: str, left: int, top: int, color: Color) -> None:
    cv2.putText(image, text, (left, top + LINE_HEIGHT - 5), _FONT, _FONT_SCALE, color, 1, cv2.LINE_AA)


def _clip(position: float, size: int) -> int:
    return int(min(max(round(position), 0), size - 1))
