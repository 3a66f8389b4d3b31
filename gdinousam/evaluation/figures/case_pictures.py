"""The pictures behind the rows of results: images and truths from the data they were scored on, saved predictions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gdinousam.data.contract.reading import find_csv, read_records
from gdinousam.data.images import read_image, read_mask_file, union_mask
from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.kept import MASKS_NAME, mask_names
from gdinousam.evaluation.scoring.results import Results
from gdinousam.evaluation.scoring.rows import ScoreRow
from gdinousam.folders import CONFIG_COPY
from gdinousam.records import Image, ImageRecord, Mask, Query
from gdinousam.yaml_files import read_yaml

_Records = dict[tuple[str, str], ImageRecord]  # by dataset and image name


@dataclass(frozen=True)
class DataFiles:
    """Where the tested images lie. csv: the test file. images, masks: folders. resize_masks: as in ``read_records``."""

    csv: Path
    images: Path
    masks: Path
    resize_masks: bool


class CasePictures:
    """Images, truths and predictions of results, each read when it is asked for.

    results: at least one, all of them strict rows of the same queries. data_dir: folder in which the test file and the
    folders of images and masks now lie, under the names that they had; ``None``: where the evaluation read them.
    Raises InputError where the data is gone or has changed since the evaluation, and where results hold no masks.
    """

    def __init__(self, results: Sequence[Results], data_dir: Path | None = None) -> None:
        for one in results:
            if one.notes.resized_truth:
                raise InputError(
                    f"{one.folder}: scored at the size of its masks, which do not fit the images; to draw them, "
                    "evaluate with saved_masks.resize=prediction"
                )
            if not (one.folder / MASKS_NAME).is_dir():
                raise InputError(_no_masks(one.folder / MASKS_NAME))
        self._folders = {one.method: one.folder / MASKS_NAME for one in results}
        self._first = results[0].method
        by_data: dict[str, _Records] = {}
        for one in results:
            if one.data_sha256 not in by_data:
                by_data[one.data_sha256] = _read_records(one, data_dir)
        self._records = {one.method: _as_asked(by_data[one.data_sha256], one.rows) for one in results}

    def image(self, row: ScoreRow) -> Image:
        """(H, W, 3) uint8 RGB of a row's image; InputError where it has another size than the row says."""
        record = self._record(self._first, row)
        image = read_image(record.path)
        if image.shape[:2] != (row.image_height, row.image_width):
            raise InputError(
                f"{record.path}: {image.shape[1]} x {image.shape[0]} pixels, but {row.image_width} x "
                f"{row.image_height} when it was evaluated; evaluate again"
            )
        return image

    def truth(self, row: ScoreRow) -> Mask:
        """(H, W) bool of all instances of a strict row's phrase; all false where the target is absent."""
        record = self._record(self._first, row)
        size_hw = (row.image_height, row.image_width)
        return _checked(union_mask(Query(record, row.phrase).instances, size_hw), row.true_pixels, f"{record.path}")

    def prediction(self, method: str, row: ScoreRow) -> Mask:
        """(H, W) bool of all detections of a strict row's phrase; all false where nothing was found.

        Raises InputError where the saved mask is missing or is not the one that was scored.
        """
        if not row.predicted_pixels:
            return np.zeros((row.image_height, row.image_width), bool)
        record = self._record(method, row)
        path = self._folders[method] / mask_names([record])[record.path][row.phrase]
        if not path.is_file():
            raise InputError(_no_masks(path))
        mask_hw = read_mask_file(path).foreground
        if mask_hw.shape != (row.image_height, row.image_width):
            raise InputError(f"{path}: a mask of another size than its image; evaluate again")
        return _checked(mask_hw, row.predicted_pixels, f"{path}")

    def _record(self, method: str, row: ScoreRow) -> ImageRecord:
        try:
            return self._records[method][row.dataset, row.image_name]
        except KeyError:
            raise InputError(f"{row.dataset} {row.image_name}: not in the test file any more; evaluate again") from None


def _no_masks(path: Path) -> str:
    return f"{path}: no such prediction; evaluate with --set evaluation.save_masks=true, so that there is one to draw"


def _checked(mask_hw: Mask, num_pixels: int, name: str) -> Mask:
    found = int(np.count_nonzero(mask_hw))
    if found != num_pixels:
        raise InputError(f"{name}: a mask of {found} pixels, but {num_pixels} were scored; evaluate again")
    return mask_hw


def _read_records(results: Results, data_dir: Path | None) -> _Records:
    files = _test_files(results.folder / CONFIG_COPY)
    if data_dir is not None:
        csv, images, masks = (data_dir / path.name for path in (files.csv, files.images, files.masks))
        files = DataFiles(csv, images, masks, files.resize_masks)
    for path in (files.images, files.masks):
        if not path.is_dir():
            raise InputError(f"{path}: no such folder, but {results.folder} was evaluated on it; name it with --data")
    csv_path = find_csv(files.csv)
    if hashlib.sha256(csv_path.read_bytes()).hexdigest() != results.data_sha256:
        raise InputError(f"{csv_path}: has changed since {results.folder} was evaluated; evaluate again")
    records = read_records(csv_path, files.images, files.masks, files.resize_masks)
    return {(record.dataset, record.path.name): record for record in records}


def _as_asked(records: _Records, rows: Sequence[ScoreRow]) -> _Records:
    """The records with the phrases that their images were asked for, also beside those of the file: saved masks are
    named after them.
    """
    asked: dict[tuple[str, str], dict[str, None]] = {}
    for row in rows:
        if row.protocol == "strict":
            asked.setdefault((row.dataset, row.image_name), {})[row.phrase] = None
    return {key: replace(record, phrases=tuple(asked.get(key, record.phrases))) for key, record in records.items()}


def _test_files(config_path: Path) -> DataFiles:
    # As plain YAML: the settings of a config are known to a higher level of the package only.
    tree = read_yaml(config_path, missing=f"{config_path}: no such file; give the folder of an evaluation")
    try:
        data: Mapping[str, Any] = tree["data"]
        csv, images, masks = (Path(data[key]) for key in ("test_ann", "test_dir", "test_masks"))
        # evaluations of earlier versions do not say
        return DataFiles(csv, images, masks, data.get("masks_of_other_size") == "resize")
    except (KeyError, TypeError) as error:
        raise InputError(f"{config_path}: does not name its test data ({error}); evaluate again") from error
