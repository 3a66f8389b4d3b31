"""What was found, as pictures: one PNG of the image's size per image and phrase, which can be scored again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from gdinousam.drawing import write_picture
from gdinousam.records import Detection, ImageRecord


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
