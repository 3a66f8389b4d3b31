"""From a config to an evaluation: checks the data, builds the method, scores it and writes the records."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch

from gdinousam.allocator import keep_freed_memory
from gdinousam.data.contract.check import require_valid
from gdinousam.data.contract.fingerprint import fingerprint
from gdinousam.data.contract.named_datasets import of_datasets
from gdinousam.data.contract.unchanged import checked_records
from gdinousam.errors import InputError
from gdinousam.evaluation.reporting.tables import write_tables
from gdinousam.evaluation.scoring.methods import RecordSegmenter, unsupported_remarks
from gdinousam.evaluation.scoring.notes import NO_NOTES, Notes
from gdinousam.evaluation.scoring.origin import (
    about_method,
    complete_origin,
    is_cut_off,
    require_same_origin,
    write_origin,
)
from gdinousam.evaluation.scoring.parts import part_paths
from gdinousam.evaluation.scoring.results import told
from gdinousam.evaluation.scoring.runner import Method, evaluate
from gdinousam.evaluation.scoring.trace import NO_TRACE, Trace
from gdinousam.experiments.config import TestConfig, TestData, dump_config
from gdinousam.experiments.judged_weights import judged_weights
from gdinousam.experiments.machine import LIBRARIES, device_name
from gdinousam.experiments.traced import trace
from gdinousam.folders import run_folder
from gdinousam.methods.building import baseline_notes, build_baseline
from gdinousam.methods.references import WHOLE_IMAGE, WholeImageSegmenter
from gdinousam.methods.saved_masks.method import SavedMasks
from gdinousam.methods.saved_masks.settings import SavedMasksSettings
from gdinousam.methods.true_hints import TrueHints
from gdinousam.models.detector.box_finder import BoxFinder
from gdinousam.models.detector.deformable_choice import want_kernel
from gdinousam.models.detector.operating_point import resolve_prediction
from gdinousam.models.loading import load_mask_head, pick_device, place
from gdinousam.models.precision import allow_tf32, pick_precision
from gdinousam.models.segmenter import load_box_finder, load_segmenter
from gdinousam.processes import ALONE, Processes, joined_processes
from gdinousam.records import ImageRecord, Segmenter, WeightsKind

logger = logging.getLogger(__name__)

Config = TypeVar("Config", bound=TestConfig)
_SCORING_LIBRARIES: tuple[str, ...] = ("monai", "numpy")


def evaluate_config(config: TestConfig, overwrite: bool = False, resume: bool = False) -> str:
    """Evaluate as the config says into ``evaluation.output_dir`` and return the tables as text.

    Of several processes each scores a share; the first one writes the tables, the others return an empty text.
    resume: go on with the run in that folder, which must have the same config and data. overwrite: replace it.
    Raises InputError, before anything is written, for data with problems, weights that do not load, masks of
    ``evaluation.predictions`` that do not fit the data, a folder in use.
    """
    config = resolved(config)
    with joined_processes() as processes:
        records = read_test_records(config.data, processes)
        return evaluate_method(config, build_method(config, records), records, processes, overwrite, resume)


def resolved(config: Config) -> Config:
    """The config with what it leaves open about boxes taken from the operating point beside the detector's weights.

    A method that finds no boxes by phrases leaves it open. Logs what is used; raises InputError for a point that cannot
    be read.
    """
    model = config.model
    if config.evaluation.predictions is not None or model is None or model.is_reference:
        return config
    prediction = resolve_prediction(config.prediction, model.adapter or model.detector)
    return config.model_copy(update={"prediction": prediction})


def read_test_records(data: TestData, processes: Processes = ALONE) -> tuple[ImageRecord, ...]:
    """The images that the settings name, all checked; InputError where there are problems or a dataset is unknown.

    processes: the first of them looks through the files while the others wait.
    """
    resize = data.masks_of_other_size == "resize"

    def check() -> None:
        require_valid(
            data.test_ann,
            data.test_dir,
            data.test_masks,
            masks_required=True,
            datasets=data.datasets,
            resize_masks=resize,
            allow_odd=data.allow_odd,
        )

    records = checked_records(
        data.test_ann, data.test_dir, data.test_masks, lambda: processes.first_alone(check), resize
    )
    return of_datasets(records, data.datasets, data.test_ann)[: data.max_images]


def build_method(config: TestConfig, records: Sequence[ImageRecord]) -> Method:
    """What the config says is to be scored on these records, ready to run.

    Raises InputError for weights that do not load and for saved masks that do not fit the records.
    """
    settings = config.evaluation
    if settings.predictions is not None:
        allowed = config.saved_masks or SavedMasksSettings()
        return SavedMasks(settings.predictions, records, frozenset(settings.needs), allowed)
    if "LOCAL_RANK" in os.environ and torch.cuda.is_available():  # one of several processes: each its own GPU
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
    device = pick_device(settings.device)
    if device.type == "cpu":
        keep_freed_memory()
    allow_tf32(settings.tf32)
    want_kernel(settings.deformable_kernel, device)
    if config.baseline is not None:
        return build_baseline(config.baseline, records, partial(_load_finder, config), device)
    model = config.named_model
    if model.is_reference:
        mask_head = place(load_mask_head(model.named_mask_head), settings.device, settings.precision, settings.compile)
        if model.detector == WHOLE_IMAGE:
            return WholeImageSegmenter(mask_head)
        return TrueHints(mask_head)
    return load_segmenter(
        model.detector,
        model.named_mask_head,
        model.adapter,
        config.resize,
        config.prediction,
        settings.device,
        settings.precision,
        settings.compile,
        model.trained_box_layer,
        config.public_rule,
    )


def build_segmenter(config: TestConfig) -> Segmenter:
    """The config's method for images of the user's, of which nothing is known but phrases.

    Raises InputError for a method that has to be shown more, and for what does not load.
    """
    if config.evaluation.predictions is not None:
        raise InputError("evaluation.predictions names finished masks; leave it out to segment images")
    method = build_method(resolved(config), ())
    if isinstance(method, RecordSegmenter | SavedMasks):
        raise InputError(
            f"{config.evaluation.method} is shown more than an image and a phrase ({', '.join(sorted(method.needs))}); "
            "only test.py can give it that, from a test file"
        )
    return method


def _load_finder(config: TestConfig, kind: type[BoxFinder]) -> BoxFinder:
    model = config.named_model
    device = config.evaluation.device
    return load_box_finder(
        model.detector,
        model.adapter,
        config.resize,
        config.prediction,
        device,
        kind=kind,
        trained_box_layer=model.trained_box_layer,
        public_rule=config.public_rule,
    )


def evaluate_method(
    config: TestConfig,
    method: Method,
    records: Sequence[ImageRecord],
    processes: Processes,
    overwrite: bool = False,
    resume: bool = False,
) -> str:
    """Evaluate a method into ``evaluation.output_dir``; see ``evaluate_config``.

    config: what is written beside the results. method, records: as ``build_method`` and ``read_test_records`` give
    them, or what a study makes of them. Raises InputError where the method can be asked nothing of the records.
    """
    data, folder = config.data, config.evaluation.output_dir
    weights, is_reference = judged_weights(config)
    notes = _notes(config, method, records)
    unsupported = unsupported_remarks(method, records)
    for remark in unsupported:
        logger.warning("%s: %s", config.evaluation.method, remark)
    notes = replace(notes, remarks=(*notes.remarks, *unsupported))
    is_first = processes.is_first
    traced = trace(config) if is_first else NO_TRACE
    if is_first and not resume and part_paths(folder) and not overwrite:
        raise InputError(
            f"evaluation.output_dir: {folder} holds an evaluation that did not finish; go on with it by --resume, or "
            "replace it by --overwrite"
        )
    with run_folder(folder, "evaluation.output_dir", overwrite, resume) if is_first else nullcontext():
        if is_first:
            about = _about(config, method, notes, weights, is_reference, traced)
            _begin(folder, resume, dump_config(config), records, fingerprint(records, data.test_ann), about)
        rows = evaluate(
            method,
            records,
            folder,
            data.batch_size,
            data.num_workers,
            config.evaluation.num_pictures,
            config.evaluation.save_masks,
            resume,
            processes,
        )
        if not is_first:
            return ""
        tables = write_tables(rows, folder, told(notes, weights, traced))
        complete_origin(folder, rows)  # last, because it says that all is there
        return tables


def _begin(
    folder: Path,
    resume: bool,
    config_text: str,
    records: Sequence[ImageRecord],
    data_print: Mapping[str, Any],
    about: Mapping[str, Any],
) -> None:
    """Write what the results come from, or hold it against what the run noted that is gone on with."""
    if resume and not is_cut_off(folder):
        require_same_origin(folder, config_text, data_print, about, records)
    else:
        write_origin(folder, config_text, data_print, about, records)


def _notes(config: TestConfig, method: Method, records: Sequence[ImageRecord]) -> Notes:
    if isinstance(method, SavedMasks):
        return method.notes
    return NO_NOTES if config.baseline is None else baseline_notes(config.baseline, records)


def _about(
    config: TestConfig, method: Method, notes: Notes, weights: WeightsKind, is_reference: bool, traced: Trace
) -> dict[str, Any]:
    libraries, device, precision = _SCORING_LIBRARIES, "unknown", "unknown"  # of the masks of another program
    if config.evaluation.predictions is None:
        libraries = (*LIBRARIES, *_SCORING_LIBRARIES)
        where = pick_device(config.evaluation.device)
        device = device_name(where)
        precision = str(pick_precision(config.evaluation.precision, where)).removeprefix("torch.")
    name = config.evaluation.method
    return about_method(name, method.needs, libraries, device, precision, notes, weights, is_reference, traced)
