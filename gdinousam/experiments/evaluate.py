"""From a config to an evaluation: checks the data, builds the method, scores it and writes the records."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from gdinousam.data.contract.check import require_valid
from gdinousam.data.contract.fingerprint import fingerprint
from gdinousam.data.contract.names import of_datasets, phrases_of
from gdinousam.data.contract.reading import read_records
from gdinousam.data.contract.unchanged import checked_records
from gdinousam.data.sources.coco.ids import coco_ids
from gdinousam.errors import InputError
from gdinousam.evaluation.reporting.tables import write_tables
from gdinousam.evaluation.scoring.absent import AbsentSettings, absent_remark, with_absent
from gdinousam.evaluation.scoring.methods import Method, Noted, unsupported_remarks
from gdinousam.evaluation.scoring.notes import Notes
from gdinousam.evaluation.scoring.origin import (
    about_method,
    complete_origin,
    is_cut_off,
    require_same_origin,
    write_origin,
)
from gdinousam.evaluation.scoring.parts import part_paths
from gdinousam.evaluation.scoring.results import told
from gdinousam.evaluation.scoring.runner import evaluate
from gdinousam.evaluation.scoring.trace import NO_TRACE, Trace
from gdinousam.experiments.config import TestConfig, TestData, dump_config
from gdinousam.folders import run_folder
from gdinousam.models.loading import pick_device
from gdinousam.models.precision import pick_precision
from gdinousam.models.weights.training_note import trained_datasets
from gdinousam.phrase_book import read_phrase_book
from gdinousam.processes import ALONE, Processes, joined_processes
from gdinousam.records import ImageRecord, WeightsKind
from gdinousam.runtime import LIBRARIES, device_name

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
    config = config.resolved()
    with joined_processes() as processes:
        records = read_test_records(config.data, processes, config.evaluation, config.phrase_book)
        method = build_method(config, records)
        return evaluate_method(config, method, records, processes, overwrite, resume)


def build_method(config: TestConfig, records: Sequence[ImageRecord]) -> Method:
    """What the config says is to be scored on these records, ready to run in this process.

    Raises InputError for weights that do not load and for saved masks that do not fit the records.
    """
    settings = config.method
    if settings.runs_models:
        config.evaluation.prepare_process()
    method = settings.build(config, records)
    if settings.finds_by_phrase:
        config.warn_of_new_phrases(phrase for record in records for phrase in record.phrases)
    return method


def read_test_records(
    data: TestData,
    processes: Processes = ALONE,
    absent: AbsentSettings | None = None,
    phrase_book: Path | None = None,
) -> tuple[ImageRecord, ...]:
    """The images that the settings name, all checked; InputError where there are problems or a dataset is unknown.

    processes: the first of them looks through the files while the others wait. absent: what the images are asked for
    beside their rows; ``None``: nothing. phrase_book: as in ``read_phrase_book``.
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
            phrase_book=phrase_book,
        )

    records = checked_records(
        data.test_ann, data.test_dir, data.test_masks, lambda: processes.first_alone(check), resize
    )
    used = of_datasets(records, data.datasets, data.test_ann)[: data.max_images]
    return used if absent is None else with_absent(used, absent, read_phrase_book(phrase_book), phrases_of(records))


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
    weights = config.method.kind(config)
    notes = method.notes if isinstance(method, Noted) else config.method.notes(records)
    unsupported = unsupported_remarks(method, records)
    for remark in unsupported:
        logger.warning("%s: %s", config.evaluation.method, remark)
    asked = absent_remark(config.evaluation, config.phrase_book)
    notes = replace(
        notes, remarks=(*notes.remarks, *unsupported, *([asked] if asked else [])), trained_on=_trained_on(config)
    )
    is_first = processes.is_first
    traced = config.method.trace(config) if is_first else NO_TRACE
    if is_first and not resume and part_paths(folder) and not overwrite:
        raise InputError(
            f"evaluation.output_dir: {folder} holds an evaluation that did not finish; go on with it by --resume, or "
            "replace it by --overwrite"
        )
    with run_folder(folder, "evaluation.output_dir", overwrite, resume) if is_first else nullcontext():
        if is_first:
            about = _about(config, method, notes, weights, traced)
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
            coco_ids(read_records(data.test_ann, data.test_dir, data.test_masks)),
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


def _trained_on(config: TestConfig) -> tuple[str, ...] | None:
    """The datasets that the weights were trained on, adapter and all; ``None`` where nothing says so."""
    own = [one.name for one in config.method.own_weights().values() if Path(one.name).exists()]
    detector = (config.named_model.adapter, config.named_model.detector) if config.method.finds_by_phrase else ()
    return trained_datasets([*own, *(one for one in detector if one is not None)])


def _about(config: TestConfig, method: Method, notes: Notes, weights: WeightsKind, traced: Trace) -> dict[str, Any]:
    settings = config.method
    libraries, device, precision = _SCORING_LIBRARIES, "unknown", "unknown"  # of the masks of another program
    if settings.runs_models:
        libraries = (*LIBRARIES, *_SCORING_LIBRARIES)
        where = pick_device(config.evaluation.device)
        device = device_name(where)
        precision = str(pick_precision(config.evaluation.precision, where)).removeprefix("torch.")
    name, is_reference = config.evaluation.method, settings.is_reference()
    return about_method(name, method.needs, libraries, device, precision, notes, weights, is_reference, traced)
