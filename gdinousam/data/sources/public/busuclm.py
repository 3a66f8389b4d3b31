"""BUS-UCLM (Vallez 2025): breast ultrasound of 38 women in many frames each, the class written as the mask's colour.

The paper's script reads one colour of an image only, green before red, and shuffles the frames without regard to the
women. Some frames are cut-outs of a larger picture whose mask was not cut with it. The two cannot be aligned then,
which does no harm where the mask is black.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from gdinousam.data.images import read_image
from gdinousam.data.sources.public.interface import (
    NORMAL,
    DatasetFacts,
    PaperRow,
    PublicDataset,
    RawCase,
    RawImage,
    RawInstance,
)
from gdinousam.data.sources.public.pairing import release_files, require_any, require_files
from gdinousam.data.sources.public.raw_masks import RESIZED, instances, num_script_contours, paper_rows, resize_labels
from gdinousam.data.sources.public.release_tables import read_release_table
from gdinousam.errors import InputError
from gdinousam.records import Image, Mask

COLOURS = {"benign": (0, 255, 0), "malignant": (255, 0, 0)}  # RGB, in the order in which the paper's script looks
BLACK = (0, 0, 0)
MAX_SCRIPT_ROWS = 2  # it keeps the first two contours

TABLE = "INFO.csv"
COLUMNS = ("Image", "Label", "Doppler", "Combined")

BLACK_OF_OTHER_SIZE = "black mask of another size than the image"
OTHER_LABEL = "mask and INFO.csv name different classes, the mask's taken"
BOTH_CLASSES = "both classes in one image"
DOPPLER = "colour Doppler frame"
COMBINED = "several views combined in one frame"


class Frame(NamedTuple):
    """What ``INFO.csv`` says of an image. label: benign, malignant or normal. flags: remarks."""

    label: str
    flags: tuple[str, ...]


class Busuclm(PublicDataset):
    facts = DatasetFacts(
        name="BUSUCLM",
        aliases=("BUS-UCLM", "BUSUCML", "BUS_UCML"),
        tag="busuclm",
        organ="breast",
        role="seen",
        homepage="https://data.mendeley.com/datasets/7fvgj4jsp7/1",
        licence="public, terms at the home page; cite the paper",
        phrases={"benign": "benign breast lesion", "malignant": "malignant breast lesion"},
        expected={"benign": 174, "malignant": 90, NORMAL: 419},
        paper_counts=(183, 52, 29),
        class_order=("benign", "malignant"),
    )
    signature = (TABLE, "images/*_*.png", "masks/*_*.png")

    def cases(self, root: Path) -> list[RawCase]:
        """The frames in natural order; the group is the patient, whose code is the file name up to the underscore."""
        frames = _read_frames(root / TABLE)
        images = release_files(root / "images", r".*\.png")
        masks = release_files(root / "masks", r".*\.png")
        require_any(images, "images/*.png", root, self.facts.name)
        names = {path.name for path in (*images, *masks)} | frames.keys()
        require_files(
            [root / part / name for name in sorted(names) for part in ("images", "masks")], root, self.facts.name
        )
        unlisted = [image.name for image in images if image.name not in frames]
        if unlisted:
            raise InputError(
                f"{root / TABLE}: {len(unlisted)} images have no row, the first is {unlisted[0]}; fetch it again"
            )
        return [
            RawCase(
                image.stem,
                frames[image.name].label,
                image,
                (root / "masks" / image.name,),
                image.stem.split("_")[0],
                "patient",
            )
            for image in images
        ]

    def read(self, case: RawCase) -> Iterator[RawImage]:
        """One picture; each component of each colour is an object."""
        image = read_image(case.image)
        (path,) = case.masks
        stored = read_image(path)
        masks = _split_colours(stored, path)
        rows = _script_rows(masks, case.name)
        remarks = list(_cached_frame(case.image).flags)
        if stored.shape != image.shape:
            if stored.any():
                masks = _split_colours(resize_labels(stored, image.shape[:2], path), path)
            remarks.append(RESIZED if stored.any() else BLACK_OF_OTHER_SIZE)
        objects: list[RawInstance] = []
        for phrase, mask_hw in masks.items():
            parts, dropped = instances(mask_hw, phrase)
            objects += parts
            remarks += dropped
        found = {one.phrase for one in objects} or {NORMAL}
        remarks += [BOTH_CLASSES] if len(found) > 1 else []
        remarks += [OTHER_LABEL] if case.label not in found else []
        yield RawImage(case.name, image, tuple(objects), rows, tuple(dict.fromkeys(remarks)))


def _read_frames(path: Path) -> dict[str, Frame]:
    """What the table says of each image, by file name."""
    table = read_release_table(path, COLUMNS, separator=";")
    known = (*COLOURS, NORMAL)
    frames = {}
    for name, label, *flags in zip(*(table[column].str.strip() for column in COLUMNS), strict=True):
        if label.lower() not in known:
            raise InputError(f"{path}: {name} is labelled {label!r}, not one of {', '.join(known)}; fetch it again")
        raised = [text for text, flag in zip((DOPPLER, COMBINED), flags, strict=True) if flag.lower() == "yes"]
        frames[name] = Frame(label.lower(), tuple(raised))
    return frames


def _cached_frame(image: Path) -> Frame:
    table = image.parents[1] / TABLE
    return _cached_frames(table, table.stat().st_mtime_ns)[image.name]


@lru_cache(maxsize=1)
def _cached_frames(path: Path, changed_ns: int) -> dict[str, Frame]:
    return _read_frames(path)


def _split_colours(pixels: Image, path: Path) -> dict[str, Mask]:
    """The (H, W) mask of each class, empty ones too; ``InputError`` for a pixel of any other colour than these."""
    masks = {phrase: _has_colour(pixels, colour) for phrase, colour in COLOURS.items()}
    others = ~np.logical_or.reduce([_has_colour(pixels, BLACK), *masks.values()])
    if others.any():
        red, green, blue = (int(value) for value in pixels[others][0])
        raise InputError(
            f"{path}: {others.sum()} pixels are neither green, red nor black, the first is ({red}, {green}, {blue}); "
            "fetch the file again"
        )
    return masks


def _has_colour(pixels: Image, colour: tuple[int, int, int]) -> Mask:
    return np.asarray(cv2.inRange(pixels, colour, colour) > 0)  # several times faster than comparing with numpy


def _script_rows(masks: dict[str, Mask], name: str) -> tuple[PaperRow, ...]:
    """Rows of the first class that is there; the second contour becomes a copy of the image."""
    for phrase, mask_hw in masks.items():
        if mask_hw.any():
            num_rows = num_script_contours(mask_hw, limit=MAX_SCRIPT_ROWS)
            return paper_rows(num_rows, phrase, name, instance_copies=True)
    return ()
