"""Results folders with saved masks, made without a model: the prediction of each phrase is what a function says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import yaml

from gdinousam.data.contract.fingerprint import fingerprint
from gdinousam.data.contract.reading import read_records, write_records
from gdinousam.data.images import union_mask
from gdinousam.drawing import write_picture
from gdinousam.evaluation.scoring.kept import MASKS_NAME, mask_names, write_masks
from gdinousam.evaluation.scoring.origin import about_method, complete_origin, write_origin
from gdinousam.evaluation.scoring.protocols import score_image
from gdinousam.evaluation.scoring.results import Results, read_results
from gdinousam.evaluation.scoring.rows import write_rows
from gdinousam.records import Detection, ImageRecord, Instance, Mask, MaskReference, Query

Answer = Callable[[ImageRecord, str, Mask], Mask]


def exact(record: ImageRecord, phrase: str, truth_hw: Mask) -> Mask:
    return truth_hw


def silent(record: ImageRecord, phrase: str, truth_hw: Mask) -> Mask:
    return np.zeros_like(truth_hw)


def shifted(record: ImageRecord, phrase: str, truth_hw: Mask) -> Mask:
    """Off by as many pixels as the number in the image's name; a square in the corner for an absent phrase."""
    if not truth_hw.any():
        found_hw = truth_hw.copy()
        found_hw[:5, :5] = True
        return found_hw
    return np.roll(truth_hw, int("".join(filter(str.isdigit, record.path.stem)) or 0), axis=1)


def write_data(
    folder: Path,
    num_images: int = 5,
    datasets: Sequence[str] = ("busi", "hc18"),
    phrases: Sequence[str] = ("cyst",),
    absent: Sequence[str] = (),
    size_hw: tuple[int, int] = (40, 60),
) -> Path:
    """A test file with images and masks: a rectangle for each phrase, the names and sizes differing."""
    records = []
    for name in ("test_image", "test_mask"):
        (folder / name).mkdir(parents=True)
    height, width = size_hw
    for number in range(num_images):
        image = np.full((*size_hw, 3), 20 + 9 * (number % 10), np.uint8)
        instances = []
        for place, phrase in enumerate(phrases):
            x, y, side = 5 + number % 7, 4 + 14 * place, 12
            mask = np.zeros(size_hw, np.uint8)
            mask[y : y + side, x : x + side] = 255
            image[mask > 0] += 90
            path = folder / "test_mask" / f"{number:04d}_{place}.png"
            write_picture(mask, path)
            instances.append(Instance(phrase, (x, y, side, side), MaskReference(path)))
        path = folder / "test_image" / f"im{number:04d}.png"
        cv2.imwrite(str(path), image)
        names = (*phrases, *absent)
        dataset = datasets[number % len(datasets)]
        records.append(
            ImageRecord(path, width, height, dataset, None, tuple(instances), tuple(absent), names, names[-1])
        )
    write_records(records, folder / "test.CSV")
    return folder


def write_results(
    folder: Path,
    data: Path,
    answer: Answer = shifted,
    method: str = "ours",
    masks: bool = True,
    further: Sequence[str] = (),
) -> Path:
    """Score the answers as an evaluation does and write the folder that it leaves.

    further: absent phrases that every image is asked for beside its rows.
    """
    records = [
        replace(one, phrases=(*one.phrases, *further), absent_phrases=(*one.absent_phrases, *further))
        for one in read_records(data / "test.CSV", data / "test_image", data / "test_mask")
    ]
    folder.mkdir(parents=True)
    rows = []
    for record in records:
        size_hw = (record.height, record.width)
        truth = {phrase: union_mask(Query(record, phrase).instances, size_hw) for phrase in record.phrases}
        found = {phrase: answer(record, phrase, truth[phrase]) for phrase in record.phrases}
        detections = [Detection(phrase, (0, 0, 9, 9), 0.5, mask) for phrase, mask in found.items() if mask.any()]
        rows += score_image(record, detections, truth)
        if masks:
            (folder / MASKS_NAME).mkdir(exist_ok=True)
            write_masks(folder / MASKS_NAME, mask_names([record])[record.path], record, detections)
    write_rows(folder / "rows.csv", rows)
    files = {"test_ann": "test.CSV", "test_dir": "test_image", "test_masks": "test_mask"}
    tree = {"data": {key: str(data / name) for key, name in files.items()}}
    about = about_method(method, frozenset({"text"}), ["numpy"], "cpu", "float32")
    write_origin(folder, yaml.safe_dump(tree), fingerprint(records, data / "test.CSV"), about)
    complete_origin(folder, rows)
    return folder


def results_of(folder: Path, data: Path, answer: Answer = shifted, method: str = "ours") -> Results:
    """The same, read back."""
    return read_results(write_results(folder, data, answer, method))
