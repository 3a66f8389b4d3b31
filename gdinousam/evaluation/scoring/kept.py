"""What an evaluation keeps to look at: pictures of truth and answers, and masks that can be scored again.

Masks are one PNG of the image's size per image and phrase, named ``STEM`` where the image has one phrase, else
``STEM.SLUG`` with a slug per phrase, STEM being the image's name without its ending.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from gdinousam.data.images import read_mask_file
from gdinousam.data.sources.mask_layers import phrase_slugs
from gdinousam.drawing import PALETTE, Color, Mark, draw_panel, side_by_side, write_picture
from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.rows import ScoreRow
from gdinousam.records import Detection, Image, ImageRecord, Mask, Query

MASKS_NAME, PICTURES_NAME = "masks", "pictures"  # the folders among the results

MaskNames = dict[Path, dict[str, str]]  # by the path of an image: the file name of each of its phrases


def mask_names(records: Sequence[ImageRecord]) -> MaskNames:
    """The PNG file of every image and phrase; InputError where two would have one name."""
    names = {record.path: {phrase: f"{stem}.png" for phrase, stem in mask_stems(record).items()} for record in records}
    require_distinct((record, name) for record in records for name in names[record.path].values())
    return names


def mask_stems(record: ImageRecord) -> dict[str, str]:
    """The name without ending of the mask of each phrase of an image."""
    slugs = phrase_slugs(record.phrases)
    stem = record.path.stem
    return {phrase: stem if len(slugs) == 1 else f"{stem}.{slug}" for phrase, slug in slugs.items()}


def require_distinct(names: Iterable[tuple[ImageRecord, str]]) -> None:
    """Raise InputError where two masks would have one name; file systems of Windows and macOS do not tell cases apart.

    names: of masks, each with its image.
    """
    owner: dict[str, Path] = {}
    for record, name in names:
        if name.lower() in owner:
            raise InputError(
                f"{owner[name.lower()]} and {record.path} would share the mask {name}; give the images names that "
                "differ in more than their ending"
            )
        owner[name.lower()] = record.path


def write_masks(folder: Path, names: Mapping[str, str], record: ImageRecord, detections: Sequence[Detection]) -> None:
    """Write what was found in an image into an existing folder, 255 where an object is; earlier files are replaced.

    names: file name by phrase. detections: of all phrases, with masks; those of one phrase become one mask. A black
    picture says that nothing was found.
    """
    for phrase, name in names.items():
        picture = np.zeros((record.height, record.width), np.uint8)
        for one in detections:
            if one.phrase == phrase and one.mask_hw is not None:
                picture[one.mask_hw] = 255
        write_picture(picture, folder / name)


def choose_pictures(num_images: int, num_pictures: int) -> set[int]:
    """Positions of the images to draw, evenly over the whole list, so that no dataset is left to chance.

    Returns at most num_pictures numbers in [0, num_images); all of them where there are fewer images, none for 0.
    """
    num_pictures = min(num_images, num_pictures)
    return {number * num_images // num_pictures for number in range(num_pictures)}


def read_kept(folder: Path, names: Mapping[str, str], record: ImageRecord, rows: Sequence[ScoreRow]) -> list[Detection]:
    """What ``write_masks`` kept of an image, as detections: the boxes of each row, the best of them with the mask.

    rows: of the image. Raises InputError for a mask that cannot be read.
    """
    found = []
    for row in rows:
        if row.protocol != "strict" or not row.detected_boxes:
            continue
        mask_hw = read_mask_file(folder / names[row.phrase]).foreground
        for place, (x0, y0, x1, y1, score) in enumerate(row.detected_boxes):
            found.append(Detection(row.phrase, (x0, y0, x1, y1), score, None if place else mask_hw))
    return found


def picture_path(output_dir: Path, number: int, record: ImageRecord) -> Path:
    """Where the picture of an image lies; the number keeps images of one name from two datasets apart."""
    return output_dir / PICTURES_NAME / f"{number:05d}_{record.path.stem}.png"


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
