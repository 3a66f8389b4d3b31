"""From a config to a run: checks the data, builds models and datasets, trains or evaluates, and writes the records."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs

from gdinousam import __version__
from gdinousam.config import TestConfig, TestData, TrainConfig, dump_config
from gdinousam.data.augmentation import build_augmentation
from gdinousam.data.check import require_valid
from gdinousam.data.contract import read_records
from gdinousam.data.dataset import TrainingDataset
from gdinousam.data.fingerprint import fingerprint
from gdinousam.errors import InputError
from gdinousam.evaluation.origin import about_method, complete_origin, require_same_origin, write_origin
from gdinousam.evaluation.parts import part_paths
from gdinousam.evaluation.predictions import SavedMasks
from gdinousam.evaluation.processes import Processes, joined_processes
from gdinousam.evaluation.runner import Method, evaluate
from gdinousam.evaluation.tables import write_tables
from gdinousam.evaluation.true_boxes import TrueBoxes
from gdinousam.folders import CONFIG_COPY, new_output_folder
from gdinousam.models.boxes_to_masks import WHOLE_IMAGE, WholeImageSegmenter, segment_boxes
from gdinousam.models.detector import Detector
from gdinousam.models.loading import load_grounding_dino, load_mask_head, pick_device
from gdinousam.models.lora import add_lora, count_parameters
from gdinousam.models.mask_head import MaskHead
from gdinousam.models.segmenter import load_segmenter
from gdinousam.preprocessing import ResizeSettings
from gdinousam.records import ImageRecord
from gdinousam.seeding import seed_everything
from gdinousam.training.loop import Outcome, Trainer
from gdinousam.training.sheets import detector_sheet, mask_head_sheet
from gdinousam.training.tasks import DetectorTask, MaskHeadTask, Task

logger = logging.getLogger(__name__)

_LIBRARIES = ("torch", "torchvision", "transformers", "peft", "accelerate")
_SCORING_LIBRARIES: tuple[str, ...] = ("monai", "numpy")


def train(config: TrainConfig, resume: bool = False, overwrite: bool = False) -> Outcome:
    """Train as the config says into ``training.output_dir``; see ``gdinousam.training.loop.Trainer``.

    resume: go on with the run in that folder. overwrite: replace an earlier run there.
    Raises InputError, before anything is written, for data with problems, weights that do not load, a folder in use.
    """
    device = pick_device(config.training.device)
    train_records, val_records = _read_train_data(config)
    seed_everything(config.training.seed, config.training.deterministic)
    task, resize = _build_task(config)
    accelerator = Accelerator(
        cpu=device.type == "cpu",
        mixed_precision=config.training.mixed_precision,
        log_with="tensorboard",
        project_dir=str(config.training.output_dir),
        # without the encoder's loss its heads get no gradient, which torch takes for an error unless told
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
    )
    if 0 < len(val_records) < accelerator.num_processes:
        raise InputError(
            f"{len(val_records)} validation images for {accelerator.num_processes} processes; every process needs one"
        )
    folder = config.training.output_dir
    train_print = fingerprint(train_records, config.data.train_ann)
    if accelerator.is_main_process:
        if not resume:
            new_output_folder(folder, "training.output_dir", overwrite)
        _write_origin(folder, config, train_print)
    accelerator.wait_for_everyone()
    accelerator.init_trackers("tensorboard")
    trainer = Trainer(
        task,
        _dataset(config, resize, train_records, is_training=True),
        _dataset(config, resize, val_records, is_training=False) if val_records else None,
        config.data.batch_size,
        config.data.num_workers,
        config.training,
        folder,
        accelerator,
        notes=_notes(config, train_print),
        sheet=_sheet(config, task, resize, val_records or train_records),
    )
    logger.info("training on %s, %d images, validating on %d", device, len(train_records), len(val_records))
    return trainer.run(resume)


def evaluate_config(config: TestConfig, overwrite: bool = False, resume: bool = False) -> str:
    """Evaluate as the config says into ``evaluation.output_dir`` and return the tables as text.

    Of several processes each scores a share; the first one writes the tables, the others return an empty text.
    resume: go on with the run in that folder, which must have the same config and data. overwrite: replace it.
    Raises InputError, before anything is written, for data with problems, weights that do not load, masks of
    ``evaluation.predictions`` that do not fit the data, a folder in use.
    """
    with joined_processes() as processes:
        records = read_test_records(config.data)
        return evaluate_method(config, build_method(config, records), records, processes, overwrite, resume)


def read_test_records(data: TestData) -> tuple[ImageRecord, ...]:
    """The images of a test file, all checked; InputError where there are problems."""
    require_valid(data.test_ann, data.test_dir, data.test_masks, masks_required=True)
    return read_records(data.test_ann, data.test_dir, data.test_masks)[: data.max_images]


def build_method(config: TestConfig, records: Sequence[ImageRecord]) -> Method:
    """What the config says is to be scored on these records, ready to run.

    Raises InputError for weights that do not load and for saved masks that do not fit the records.
    """
    settings = config.evaluation
    if settings.predictions is not None:
        return SavedMasks(settings.predictions, records, frozenset(settings.needs))
    if "LOCAL_RANK" in os.environ and torch.cuda.is_available():  # one of several processes: each its own GPU
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
    model = config.named_model
    if model.is_reference:
        mask_head = load_mask_head(model.mask_head).to(pick_device(settings.device))
        if model.detector == WHOLE_IMAGE:
            return WholeImageSegmenter(mask_head)
        return TrueBoxes(partial(segment_boxes, mask_head))
    return load_segmenter(
        model.detector, model.mask_head, model.adapter, config.resize, config.prediction, settings.device
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
    them, or what a study makes of them.
    """
    data, folder = config.data, config.evaluation.output_dir
    if processes.is_first:
        origin = dump_config(config), fingerprint(records, data.test_ann), _about(config, method)
        if resume:
            require_same_origin(folder, *origin)
        else:
            if part_paths(folder) and not overwrite:
                raise InputError(
                    f"evaluation.output_dir: {folder} holds an evaluation that did not finish; go on with it by "
                    "--resume, or replace it by --overwrite"
                )
            write_origin(new_output_folder(folder, "evaluation.output_dir", overwrite), *origin)
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
    if not processes.is_first:
        return ""
    complete_origin(folder, rows)
    return write_tables(rows, folder)


def _about(config: TestConfig, method: Method) -> dict[str, Any]:
    libraries, device = _SCORING_LIBRARIES, "unknown"  # of the masks of another program
    if config.evaluation.predictions is None:
        libraries = (*_LIBRARIES, *_SCORING_LIBRARIES)
        device = _device_name(pick_device(config.evaluation.device))
    return about_method(config.evaluation.method, method.needs, libraries, device)


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _write_origin(folder: Path, config: TrainConfig, data_print: dict[str, Any]) -> None:
    """Write beside a result what it came from: the resolved config and the fingerprint of the data."""
    (folder / CONFIG_COPY).write_text(dump_config(config), encoding="utf-8")
    (folder / "data.json").write_text(json.dumps(data_print, indent=2) + "\n", encoding="utf-8")


def _read_train_data(config: TrainConfig) -> tuple[tuple[ImageRecord, ...], tuple[ImageRecord, ...]]:
    """The training and validation images, both checked; no validation gives an empty second part."""
    data = config.data
    with_masks = config.training.part == "mask_head"
    files = [(data.train_ann, data.train_dir, data.train_masks)]
    if data.val_ann is not None and data.val_dir is not None:
        files.append((data.val_ann, data.val_dir, data.val_masks))
    parts = []
    for csv_path, image_dir, mask_dir in files:
        mask_dir = mask_dir if with_masks else None
        require_valid(csv_path, image_dir, mask_dir, masks_required=with_masks)
        records = read_records(csv_path, image_dir, mask_dir)[: data.max_images]
        if with_masks:  # an image without objects has nothing to prompt with
            records = tuple(record for record in records if record.instances)
        if not records:
            raise InputError(f"{csv_path}: no image with a box; the mask head needs boxes and masks")
        parts.append(records)
    return parts[0], parts[1] if len(parts) > 1 else ()


def _build_task(config: TrainConfig) -> tuple[Task, ResizeSettings]:
    """The model to train with its loss, and how its images are resized."""
    if config.training.part == "mask_head":
        mask_head = load_mask_head(str(config.model.mask_head))
        if not isinstance(mask_head, MaskHead):
            raise InputError(f"{config.model.mask_head} is a SAM; training.part: mask_head trains SAM2 only")
        mask_head.requires_grad_(True)
        logger.info("mask head: %s", count_parameters(mask_head))
        return MaskHeadTask(mask_head, config.training.box_jitter), ResizeSettings(size=mask_head.side)
    model, tokenizer = load_grounding_dino(str(config.model.detector))
    tuned = add_lora(model, config.lora) if config.training.tune == "lora" else model
    logger.info("detector: %s", count_parameters(tuned))
    return DetectorTask(Detector(tuned, tokenizer), config.losses, config.resize), config.resize


def _dataset(
    config: TrainConfig, resize: ResizeSettings, records: tuple[ImageRecord, ...], is_training: bool
) -> TrainingDataset:
    augmentation = config.augmentation if is_training else None
    return TrainingDataset(
        records,
        resize,
        None if augmentation is None else build_augmentation(augmentation),
        config.training.seed,
        with_masks=config.training.part == "mask_head",
        num_absent_phrases=config.data.num_absent_phrases,
    )


def _sheet(
    config: TrainConfig, task: Task, resize: ResizeSettings, records: tuple[ImageRecord, ...]
) -> Callable[[Path], None]:
    count = config.training.num_sample_pictures
    spread = records[:: max(1, len(records) // count)][:count]
    if isinstance(task, MaskHeadTask):
        return lambda path: mask_head_sheet(task.mask_head, spread, path)
    assert isinstance(task, DetectorTask)
    return lambda path: detector_sheet(task.detector, resize, spread, path)


def _notes(config: TrainConfig, train_print: dict[str, Any]) -> dict[str, Any]:
    """What is kept beside weights so that one can tell later where they came from."""
    part = config.training.part
    return {
        "gdinousam": __version__,
        "trained": part,
        "started_from": getattr(config.model, part),
        "train_csv_sha256": train_print["csv_sha256"],
        "num_train_images": train_print["num_images"],
        "libraries": {name: version(name) for name in _LIBRARIES},
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
    }
