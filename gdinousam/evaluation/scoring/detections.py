"""``detections.json``: all that was found, as COCO results, a box, a score and the run lengths of a mask for each.

While an evaluation runs, each process writes what it finds into a part, a line per image: its number in the test file,
a tabulator, and its results.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from gdinousam.data.sources.coco.ids import CocoIds
from gdinousam.data.sources.coco.segmentation import encode_rle
from gdinousam.files import replaced_file
from gdinousam.records import Detection, ImageRecord

DETECTIONS_NAME = "detections.json"
_PART = f"{DETECTIONS_NAME}.part"
_DECIMALS = 3  # of a box, in pixels


class DetectionsWriter:
    """Append what a process finds to its part, which is made if missing. rank: of the process."""

    def __init__(self, folder: Path, rank: int, ids: CocoIds) -> None:
        self._ids = ids
        self._file = _part_path(folder, rank).open("a", encoding="utf-8")

    def append(self, number: int, record: ImageRecord, detections: Sequence[Detection]) -> None:
        """Add all that was found in an image and hand it to the operating system.

        number: of the image in the test file. detections: may be none.
        """
        results = [self._result(record, one) for one in detections]
        self._file.write(f"{number}\t{json.dumps(results, separators=(',', ':'))}\n")
        self._file.flush()

    def _result(self, record: ImageRecord, detection: Detection) -> dict[str, Any]:
        x0, y0, x1, y1 = map(float, detection.box_xyxy)
        result = {
            "image_id": self._ids.images[record.path],
            "category_id": self._ids.categories[detection.phrase],
            "score": float(detection.score),
            "bbox": [round(edge, _DECIMALS) for edge in (x0, y0, x1 - x0, y1 - y0)],
        }
        if detection.mask_hw is not None:
            result["segmentation"] = encode_rle(detection.mask_hw)
        return result

    def __enter__(self) -> DetectionsWriter:
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def collect_detections(folder: Path) -> set[int]:
    """Put the whole lines of all parts into the first process's one; returns the numbers of their images."""
    lines, paths = _lines(folder), detection_parts(folder)
    with replaced_file(_part_path(folder, 0)) as new:
        new.write_text("".join(f"{number}\t{results}\n" for number, results in lines.items()), encoding="utf-8")
    for path in paths:
        if path != _part_path(folder, 0):
            path.unlink()
    return set(lines)


def finish_detections(folder: Path, numbers: Collection[int]) -> None:
    """Write what the parts hold of some images, all of which they have, as the file that stays."""
    lines = _lines(folder)
    of_images = [lines[number][1:-1] for number in sorted(numbers)]
    with replaced_file(folder / DETECTIONS_NAME) as new:
        new.write_text("[" + ",\n".join(results for results in of_images if results) + "]\n", encoding="utf-8")


def detection_parts(folder: Path) -> list[Path]:
    """The parts in a folder; empty where there are none."""
    return sorted(folder.glob(f"{_PART}*"))


def _part_path(folder: Path, rank: int) -> Path:
    return folder / (f"{_PART}.{rank}" if rank else _PART)


def _lines(folder: Path) -> dict[int, str]:
    """The results of each image, the last of an image that was done twice; a line that is cut off is left out."""
    lines = {}
    for path in detection_parts(folder):
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
            number, _, results = line.partition("\t")
            if number.isdecimal() and results.endswith("]\n"):
                lines[int(number)] = results[:-1]
    return lines
