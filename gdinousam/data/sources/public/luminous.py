"""LUMINOUS (Belasso 2020): the lumbar multifidus of 109 athletes, one or both muscles of an image outlined, unseen.

The paper's phrase tells the half of the picture in which the answer lies, and is computed from the answer; ours does
not. For ``_Mask1`` and ``_Mask2`` its script looks for images of names that do not exist, and so loses every image in
which both muscles are outlined.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gdinousam.data.images import read_image
from gdinousam.data.masks import tight_box_xywh
from gdinousam.data.sources.public.interface import (
    DatasetFacts,
    PaperRow,
    PublicDataset,
    RawCase,
    RawImage,
    RawInstance,
)
from gdinousam.data.sources.public.pairing import release_files, require_any, require_files
from gdinousam.data.sources.public.raw_masks import SPECKS, binarise, components, read_grey_mask, script_boxes_xywh
from gdinousam.errors import InputError
from gdinousam.records import BoxXYWH

LEFT, RIGHT = "left lower back muscle", "right lower back muscle"  # halves of the picture, not sides of the body
ONE_MUSCLE, TWO_MUSCLES = "one muscle", "two muscles"
IMAGE_ENDING = "_Bmode.tif"
MAX_SCRIPT_ROWS = 2  # the paper's script keeps the first two contours


class Luminous(PublicDataset):
    facts = DatasetFacts(
        name="LUMINOUS",
        aliases=("LUMINOUS_Database",),
        tag="luminous",
        organ="back muscle",
        role="unseen",
        homepage="http://data.sonography.ai/",
        licence="on request, terms at the home page; cite the paper",
        phrases={LEFT: "lumbar multifidus muscle", RIGHT: "lumbar multifidus muscle"},
        expected={ONE_MUSCLE: 296, TWO_MUSCLES: 45},
        paper_counts=(0, 0, 296),
    )
    signature = (f"B-mode/*{IMAGE_ENDING}", "Masks/*_Mask*.tif")

    def cases(self, root: Path) -> list[RawCase]:
        """Each image with the mask of one muscle or those of both; the group is the subject, the first number."""
        images = release_files(root / "B-mode", rf".*{re.escape(IMAGE_ENDING)}")
        require_any(images, f"B-mode/*{IMAGE_ENDING}", root, self.facts.name)
        found = []
        for image in images:
            name = image.name[: -len(IMAGE_ENDING)]
            of_one, *of_two = (root / "Masks" / f"{name}_Mask{number}.tif" for number in ("", "1", "2"))
            label, masks = (TWO_MUSCLES, of_two) if any(path.is_file() for path in of_two) else (ONE_MUSCLE, [of_one])
            found.append(RawCase(name, label, image, tuple(masks), name.split("_")[0], "subject"))
        expected = [path for case in found for path in case.masks]
        others = [path for path in release_files(root / "Masks", r".*\.tif") if path not in expected]
        images_of_others = [root / "B-mode" / re.sub(r"_Mask.*", IMAGE_ENDING, path.name) for path in others]
        require_files([*expected, *images_of_others], root, self.facts.name)
        if others:
            raise InputError(f"{others[0]}: one mask too many for its image; keep _Mask alone, or _Mask1 and _Mask2")
        return found

    def read(self, case: RawCase) -> Iterator[RawImage]:
        """One picture with an object for each mask file, named after the half of the picture that its centre is in."""
        image = read_image(case.image)
        width = image.shape[1]
        objects, remarks, rows = [], [], []
        for path in case.masks:
            grey_hw = read_grey_mask(path)
            mask_hw, found = binarise(grey_hw, image.shape[:2], path)
            parts, num_dropped = components(mask_hw)
            if parts:
                muscle = np.logical_or.reduce(parts)
                objects.append(RawInstance(_phrase(tight_box_xywh(muscle), width), muscle))
            remarks += [*found, *((SPECKS,) if num_dropped else ())]
            boxes_xywh = script_boxes_xywh(grey_hw, limit=MAX_SCRIPT_ROWS)
            rows += [PaperRow(_phrase(box_xywh, grey_hw.shape[1]), case.name) for box_xywh in boxes_xywh]
        if case.label == TWO_MUSCLES:
            rows = []
        yield RawImage(case.name, image, tuple(objects), tuple(rows), tuple(dict.fromkeys(remarks)))


def _phrase(box_xywh: BoxXYWH, image_width: int) -> str:
    x, _, width, _ = box_xywh
    return LEFT if x + width / 2 < image_width / 2 else RIGHT
