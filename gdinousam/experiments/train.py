"""From a config to a training run: checks the data, builds model and examples, trains, and writes the records."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

from accelerate import Accelerator, DistributedDataParallelKwargs, PartialState

from gdinousam import __version__
from gdinousam.data.contract.noted_files import note_files, require_noted_files
from gdinousam.errors import InputError
from gdinousam.experiments.config import AnyTrainConfig, TrainConfig, dump_config
from gdinousam.experiments.training_origin import DATA_NAME, noted_data
from gdinousam.files import write_json, write_text
from gdinousam.folders import CONFIG_COPY, run_folder, surviving_folder
from gdinousam.models.adapters.base_note import portable_name
from gdinousam.models.detector.deformable_choice import want_kernel
from gdinousam.models.loading import pick_device
from gdinousam.models.precision import allow_tf32
from gdinousam.models.weights.model_card import LICENSE
from gdinousam.models.weights.training_note import DATASETS, LOSS_TERMS, PHRASES, WORDINGS
from gdinousam.processes import joined_processes
from gdinousam.runtime import LIBRARIES, device_name, keep_freed_memory, seed_everything
from gdinousam.training.board import NAME, Board
from gdinousam.training.checkpoints import STATE
from gdinousam.training.examples import training_examples, training_wordings, validation_examples
from gdinousam.training.images import (
    Records,
    TrainingImages,
    describe_images,
    read_training_images,
    training_datasets,
    training_phrases,
)
from gdinousam.training.learner import Learner
from gdinousam.training.loop import Outcome, Trainer
from gdinousam.training.settings import MixedPrecisionName

logger = logging.getLogger(__name__)

_ASKED_PRECISION = "ACCELERATE_MIXED_PRECISION"  # where accelerate launch leaves it


def train(config: AnyTrainConfig, resume: bool = False, overwrite: bool = False, other_data: bool = False) -> Outcome:
    """Train as the config says into ``training.output_dir``; see ``gdinousam.training.loop.Trainer``.

    resume: go on with the run in that folder. overwrite: replace an earlier run there. other_data: resume although the
    data is no longer what the run began with.
    Raises InputError, before anything is written, for data with problems, weights that do not load, a folder in use.
    """
    require_launched_as(config.training.mixed_precision)
    device = pick_device(config.training.device)
    if device.type == "cpu":
        keep_freed_memory()
    allow_tf32(config.training.tf32)
    if isinstance(config, TrainConfig):
        want_kernel(config.training.deformable_kernel, device)
    PartialState(cpu=device.type == "cpu")  # joins several processes, once
    with joined_processes() as processes:
        images = read_training_images(config, processes)
    folder = config.training.output_dir
    described = describe_images(config, images)
    noted = noted_data(folder, described, resume, other_data)
    if resume and not other_data:
        require_noted_files(folder, images.by_part, "go on with the new data by --other-data")
    seed_everything(config.training.seed, config.training.deterministic)
    learner = config.learner(images)
    train_set = training_examples(config, images, learner.resize)
    val_set = validation_examples(config, images, learner.resize)
    accelerator = Accelerator(
        cpu=device.type == "cpu",
        mixed_precision=config.training.mixed_precision,
        log_with=NAME,
        project_dir=str(config.training.output_dir),
        # without the encoder's loss its heads get no gradient, which torch takes for an error unless told
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
    )
    if val_set is not None and len(val_set) < accelerator.num_processes:
        raise InputError(
            f"{len(val_set)} validation images for {accelerator.num_processes} processes; every process needs one"
        )
    is_main = accelerator.is_main_process
    with run_folder(folder, "training.output_dir", overwrite, resume) if is_main else nullcontext():
        if is_main:
            _write_origin(folder, config, images, noted)
        accelerator.wait_for_everyone()
        accelerator.init_trackers(NAME)
        if not resume:
            Board(accelerator).show_settings(config.model_dump(), config.training.stop_on)
        trainer = Trainer(
            learner.task,
            train_set,
            val_set,
            config.data.batch_size,
            config.data.num_workers,
            config.training,
            folder,
            accelerator,
            notes=_notes(
                learner,
                described,
                training_phrases(config.data, images),
                training_wordings(config, images),
                training_datasets(config.data, images),
                device_name(device),
                config.training.license,
            ),
            sheet=_sheet(config, learner, images.val or images.train),
        )
        logger.info("training on %s, %d images, validating on %d", device, len(train_set), len(val_set or ()))
        return trainer.run(resume)


def train_or_go_on(config: AnyTrainConfig) -> Outcome:
    """Train, from where an earlier run in its folder stopped; a finished one returns at once with its outcome."""
    resume = surviving_folder(config.training.output_dir / STATE).is_dir()
    return train(config, resume=resume, overwrite=not resume)


def require_launched_as(mixed_precision: str) -> None:
    """Raise InputError where ``accelerate launch --mixed_precision`` asks for another precision than the settings.

    It asks for ``no`` also where nobody gave that option, so that says nothing.
    """
    asked = os.environ.get(_ASKED_PRECISION, "").lower()
    if asked not in ("", "no", mixed_precision):
        raise InputError(
            f"accelerate launch asks for mixed precision {asked}, training.mixed_precision is {mixed_precision}; give "
            f"both the same of {', '.join(get_args(MixedPrecisionName))}"
        )


def _sheet(config: AnyTrainConfig, learner: Learner, records: Records) -> Callable[[Path], None] | None:
    if not records:  # phantoms alone
        return None
    count = config.training.num_sample_pictures
    spread = records[:: max(1, len(records) // count)][:count]
    return lambda path: learner.sheet(spread, path)


def _notes(
    learner: Learner,
    described: dict[str, Any],
    phrases: Sequence[str],
    wordings: Sequence[str],
    datasets: Sequence[str],
    device: str,
    license_: str,
) -> dict[str, Any]:
    """What is kept beside weights so that one can tell later where they came from."""
    return {
        "gdinousam": __version__,
        LICENSE: license_,
        "trained": learner.name,
        "started_from": None if learner.started_from is None else portable_name(learner.started_from),
        "train_csv_sha256": described.get("csv_sha256"),
        "num_train_images": described.get("num_images", 0),
        "phantoms_per_epoch": described.get("phantoms_per_epoch"),
        LOSS_TERMS: list(learner.task.terms),
        DATASETS: list(datasets),
        PHRASES: sorted(phrases),
        **({WORDINGS: sorted(wordings)} if wordings else {}),
        "libraries": {name: version(name) for name in LIBRARIES},
        "device": device,
    }


def _write_origin(folder: Path, config: AnyTrainConfig, images: TrainingImages, noted: dict[str, Any]) -> None:
    """Write beside a result what it came from: the resolved config, the fingerprint of the data and its files."""
    write_text(folder / CONFIG_COPY, dump_config(config))
    write_json(folder / DATA_NAME, noted)
    note_files(folder, images.by_part)
