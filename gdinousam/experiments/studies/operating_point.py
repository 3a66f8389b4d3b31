"""From a test config to an operating point: run the pipeline on validation images, choose, write it beside the weights.

It may not see the test: the same CSV or a picture of the test data among the validation images is refused.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gdinousam import __version__
from gdinousam.data.audit.pictures import read_pictures
from gdinousam.data.contract.check import require_valid
from gdinousam.data.contract.fingerprint import fingerprint
from gdinousam.data.contract.names import of_datasets, phrases_of
from gdinousam.data.contract.reading import find_csv, read_records
from gdinousam.data.contract.unchanged import checked_records
from gdinousam.errors import InputError
from gdinousam.evaluation.reporting.table_files import as_plain
from gdinousam.evaluation.scoring.absent import AbsentSettings, with_absent
from gdinousam.evaluation.scoring.runner import check_records
from gdinousam.experiments.config import TestConfig, ValidationData
from gdinousam.experiments.evaluate import build_method
from gdinousam.experiments.studies.calibration import calibrated, calibration_of_curves
from gdinousam.experiments.studies.operating_choice import (
    MIN_QUERIES,
    NUMBERS_OF_BOXES,
    PhraseChoice,
    QueryCurve,
    best_point,
    by_number_of_targets,
    choose_for_phrases,
    gain_of,
    grid,
    mean_dice,
    query_curves,
    reached,
    specificity,
    thresholds_to_try,
)
from gdinousam.experiments.studies.operating_table import choice_table, interval_json, percent
from gdinousam.methods.ours.settings import PipelineSettings
from gdinousam.models.detector.operating_point import (
    OPERATING_POINT,
    Calibration,
    OperatingPoint,
    Point,
    noted_point,
    save_point,
)
from gdinousam.models.mask_heads.sam2 import MaskHead
from gdinousam.models.segmenter import TextSegmenter
from gdinousam.phrase_book import phrase_book_sha256, read_phrase_book
from gdinousam.records import ImageRecord
from gdinousam.runtime import LIBRARIES
from gdinousam.settings import OWN_MODEL_NAMES

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Choice:
    """What was chosen and on what. before: what counts without it. max_false_positives: as in the settings."""

    before: Point
    after: Point
    phrases: tuple[PhraseChoice, ...]
    curves: tuple[QueryCurve, ...]
    grid: tuple[Point, ...]
    max_false_positives: float | None


def choose_operating_point(
    config: TestConfig,
    out: Path | None = None,
    per_phrase: bool = False,
    calibrate: bool = False,
    overwrite: bool = False,
) -> str:
    """Choose thresholds on ``config.validation``, write them beside the weights and return a table as text.

    out: file to write instead. per_phrase: look for own values of frequent phrases too. calibrate: turn scores into
    probabilities, and thresholds with them. overwrite: replace an earlier operating point. Raises InputError, before
    anything is run, where the config names no validation images or they are not fit for it, no folder to write into,
    and a method without a detector of phrases.
    """
    validation = _validation_of(config)
    path = out or _beside_weights(config)
    if path.exists() and not overwrite:
        raise InputError(f"{path} is there already; add --overwrite to replace it, or name another file with --out")
    records = _read(validation, config.data.masks_of_other_size == "resize", config.phrase_book)
    check_records(records)
    if not any(record.instances for record in records):
        raise InputError(f"{validation.val_ann}: no image with a target, so there is no Dice to choose by")
    if validation.max_false_positives is not None and not any(record.absent_phrases for record in records):
        raise InputError(
            f"validation.max_false_positives: no absent phrase is asked of {validation.val_ann}; name other organs in "
            "validation.absent_phrases, or add rows without a box"
        )
    if calibrate and not any(record.absent_phrases for record in records):
        raise InputError(
            f"--calibrate: no absent phrase is asked of {validation.val_ann}, so every phrase is there for certain; "
            "name other organs in validation.absent_phrases, or add rows without a box"
        )
    _refuse_test_data(config, records)
    noted = noted_point(config.named_model.adapter or config.named_model.detector)
    # thresholds are chosen anew, but maps belong to the weights
    prediction = config.prediction.filled(maps=None if noted is None else noted.maps)
    open_config = config.model_copy(update={"prediction": prediction})
    segmenter = build_method(open_config, records)
    assert isinstance(segmenter, TextSegmenter)  # the config has been refused for every other method
    limit = validation.max_false_positives
    choice = _choose(segmenter, records, per_phrase, config.data.num_workers, limit)
    calibration = calibration_of_curves(choice.curves) if calibrate else None
    save_point(path, _noted(open_config, validation, records, choice, calibration))
    return as_plain(choice_table(choice.curves, choice.before, choice.after, choice.phrases, limit)) + _next(
        config, path
    )


def _validation_of(config: TestConfig) -> ValidationData:
    if not isinstance(config.method, PipelineSettings):
        raise InputError("an operating point is chosen for a detector with its mask head; name both in model")
    if config.prediction.by_phrase:
        raise InputError("prediction.by_phrase sets what is to be chosen; leave it out")
    if config.prediction.calibration is not None:
        raise InputError("prediction.calibration changes the scores that are to be chosen by; leave it out")
    if config.validation is None:
        raise InputError("name the images to choose on: validation.val_dir, validation.val_ann, validation.val_masks")
    return config.validation


def _beside_weights(config: TestConfig) -> Path:
    weights = config.named_model.adapter or config.named_model.detector
    if isinstance(weights, Path) and not weights.exists():
        raise InputError(f"{weights}: no such adapter; train one first, or name another in model.adapter")
    if str(weights) in OWN_MODEL_NAMES or not Path(weights).is_dir():
        raise InputError(f"{weights} is not a folder of yours that the result could lie in; name a file with --out")
    return Path(weights) / OPERATING_POINT


def _read(validation: ValidationData, resize_masks: bool, phrase_book: Path | None) -> tuple[ImageRecord, ...]:
    images, masks, csv_path = validation.val_dir, validation.val_masks, validation.val_ann

    def check() -> None:
        require_valid(csv_path, images, masks, True, validation.datasets, resize_masks, phrase_book=phrase_book)

    records = checked_records(csv_path, images, masks, check, resize_masks)
    used = of_datasets(records, validation.datasets, csv_path)[: validation.max_images]
    return with_absent(used, validation, read_phrase_book(phrase_book), phrases_of(records))


def _refuse_test_data(config: TestConfig, records: Sequence[ImageRecord]) -> None:
    """Raise InputError where what is chosen on is what is tested on."""
    assert config.validation is not None
    val_csv, data = find_csv(config.validation.val_ann), config.data
    test_csv = find_csv(data.test_ann)
    if _sha256(val_csv) == _sha256(test_csv):
        raise InputError(
            f"validation.val_ann: {val_csv} is the test file; thresholds chosen on the test make its numbers worthless"
        )
    tested = read_records(test_csv, data.test_dir)
    pictures = read_pictures([*(one.path for one in records), *(one.path for one in tested)])
    of_test = {picture.pixel_hash for picture in pictures[len(records) :]}
    shared = [one for one, picture in zip(records, pictures, strict=False) if picture.pixel_hash in of_test]
    if shared:
        raise InputError(
            f"{len(shared)} validation images are test images too, the first is {shared[0].path}; take them out of "
            f"{val_csv} (gdinousam audit lists them)"
        )
    groups = {(one.dataset, one.group) for one in tested if one.group is not None}
    num_of_patients = sum((one.dataset, one.group) in groups for one in records)
    if num_of_patients:
        logger.warning("%d validation images are of patients or groups of the test", num_of_patients)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _choose(
    segmenter: TextSegmenter[MaskHead],
    records: Sequence[ImageRecord],
    per_phrase: bool,
    num_workers: int,
    limit: float | None,
) -> Choice:
    before, with_limit = segmenter.box_finder.prediction.overall, limit is not None
    thresholds = sorted({*thresholds_to_try(with_limit), before.box_threshold})
    most = max(NUMBERS_OF_BOXES)
    curves = query_curves(segmenter, records, thresholds, max(most, before.max_detections), num_workers)
    points = (*grid(with_limit), before)
    after = best_point(curves, points, limit)
    phrases = choose_for_phrases(curves, points, after, with_limit) if per_phrase else []
    if per_phrase and not phrases:
        absent = " and is absent elsewhere" if with_limit else ""
        logger.warning("no phrase has %d queries with a target%s, so none gets values of its own", MIN_QUERIES, absent)
    return Choice(before, after, tuple(phrases), tuple(curves), points, limit)


def _noted(
    config: TestConfig,
    validation: ValidationData,
    records: Sequence[ImageRecord],
    choice: Choice,
    calibration: Calibration | None,
) -> OperatingPoint:
    own = {one.phrase: one.point for one in choice.phrases if one.is_taken}
    evidence = _evidence(config, validation, records, choice)
    if calibration is None:
        return OperatingPoint(overall=choice.after, phrases=own, maps=config.prediction.maps, evidence=evidence)
    evidence["uncalibrated"] = choice.after.model_dump()  # as in before and grid
    return OperatingPoint(
        overall=calibrated(choice.after, calibration),
        phrases={phrase: calibrated(point, calibration) for phrase, point in own.items()},
        calibration=calibration,
        maps=config.prediction.maps,
        evidence=evidence,
    )


def _evidence(
    config: TestConfig, validation: ValidationData, records: Sequence[ImageRecord], choice: Choice
) -> dict[str, Any]:
    """What the file says beside the values: where they come from and what they reach on those images."""
    curves, prediction = choice.curves, config.prediction
    points = {"before": choice.before, "after": choice.after}
    return {
        "gdinousam": __version__,
        "libraries": {name: version(name) for name in LIBRARIES},
        "mask_head": _short_name(str(config.named_model.mask_head)),
        "resize": config.resize.model_dump(mode="json") if config.resize is not None else "as trained",
        "nms_threshold": prediction.nms_threshold,
        "text_threshold": prediction.text_threshold,
        "joint_caption": prediction.joint_caption,
        "beside": list(prediction.beside),
        "data": fingerprint(records, validation.val_ann),
        **validation.model_dump(mode="json", include=set(AbsentSettings.model_fields)),
        "phrase_book_sha256": phrase_book_sha256(config.phrase_book) if validation.absent_kinds else None,
        "max_false_positives": choice.max_false_positives,
        "before": choice.before.model_dump(),
        "dice_percent": _dice_json(curves, points),
        "dice_percent_by_number_of_targets": {
            name: _dice_json(members, points) for name, members in by_number_of_targets(curves).items()
        },
        "specificity_percent": {
            name: interval_json(reached(curves, point).specificity) for name, point in points.items()
        },
        "phrases": {
            one.phrase: {"best": one.point.model_dump(), "gain": interval_json(one.gain), "taken": one.is_taken}
            for one in choice.phrases
        },
        "grid_columns": [*Point.model_fields, "dice_percent", "specificity_percent"],
        "grid": [
            [*point.model_dump().values(), percent(mean_dice(curves, point)), percent(specificity(curves, point))]
            for point in choice.grid
        ],
    }


def _dice_json(curves: Sequence[QueryCurve], points: Mapping[str, Point]) -> dict[str, Any]:
    reached_at = {name: interval_json(reached(curves, point).dice) for name, point in points.items()}
    return reached_at | {"gain": interval_json(gain_of(curves, points["before"], points["after"]))}


def _short_name(name: str) -> str:
    """The name without the folders of this machine."""
    return Path(name).name if Path(name).exists() else name


def _next(config: TestConfig, path: Path) -> str:
    lines = [f"written to {path}"]
    fixed = [f"prediction.{name}" for name in Point.model_fields if getattr(config.prediction, name) is not None]
    if fixed:
        lines.append(f"the config sets {', '.join(fixed)} itself, which wins; leave it out to use what was chosen")
    return "\n".join(lines) + "\n"
