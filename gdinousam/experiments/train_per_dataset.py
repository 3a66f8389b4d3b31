"""One model per dataset instead of one for all: the same config, run once on the images of each."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from accelerate import PartialState

from gdinousam.data.contract.names import datasets_of, of_datasets
from gdinousam.data.contract.reading import read_records
from gdinousam.errors import InputError
from gdinousam.experiments.config import BaselineTrainConfig, dump_config
from gdinousam.experiments.train import train
from gdinousam.files import write_text
from gdinousam.folders import CONFIG_COPY, run_folder, surviving_folder
from gdinousam.models.loading import pick_device
from gdinousam.training.checkpoints import STATE
from gdinousam.training.loop import Outcome

logger = logging.getLogger(__name__)


def train_per_dataset(
    config: BaselineTrainConfig, resume: bool = False, overwrite: bool = False, other_data: bool = False
) -> dict[str, Outcome]:
    """Train on each dataset of the training file alone, in ``training.output_dir`` / its name; see ``train``.

    Of the datasets in ``data.datasets``, or of all. resume: go on with the runs in that folder; a finished one stays as
    it is, one that has not begun begins. other_data: as for ``train``. Returns the outcome of each dataset in the order
    of the file; an interruption ends the last one. Raises InputError as ``train`` does, and before the first run for a
    dataset without validation images where others have some, or whose name cannot be a folder's.
    """
    folder = config.training.output_dir
    names = _datasets(config)
    state = PartialState(cpu=pick_device(config.training.device).type == "cpu")
    if resume and surviving_folder(folder / STATE).is_dir():
        raise InputError(f"{folder} holds one run on all its datasets; resume it without --per-dataset")
    is_main = state.is_main_process
    with run_folder(folder, "training.output_dir", overwrite, resume) if is_main else nullcontext():
        if is_main:
            write_text(folder / CONFIG_COPY, dump_config(config))
        state.wait_for_everyone()
        return _train_each(config, names, other_data)


def _train_each(config: BaselineTrainConfig, names: Sequence[str], other_data: bool) -> dict[str, Outcome]:
    outcomes: dict[str, Outcome] = {}
    for name in names:
        logger.info("dataset %s", name)
        begun = surviving_folder(config.training.output_dir / name / STATE).is_dir()
        outcomes[name] = train(_for_dataset(config, name), resume=begun, overwrite=not begun, other_data=other_data)
        if outcomes[name].end == "interrupted":
            break
    return outcomes


def _datasets(config: BaselineTrainConfig) -> tuple[str, ...]:
    data = config.data
    if data.train_ann is None or data.train_dir is None:
        raise InputError("phantoms have no datasets; name data.train_dir and data.train_ann, or train one model")
    records = read_records(data.train_ann, data.train_dir)
    names = data.datasets or datasets_of(records)
    for name in names:
        if Path(name).name != name or name in ("", ".", ".."):
            raise InputError(f"{data.train_ann}: dataset {name!r} cannot name a folder; rename it")
    of_datasets(records, names, data.train_ann)
    if data.val_ann is not None and data.val_dir is not None:
        of_datasets(read_records(data.val_ann, data.val_dir), names, data.val_ann)
    return names


def _for_dataset(config: BaselineTrainConfig, name: str) -> BaselineTrainConfig:
    data = config.data.model_copy(update={"datasets": (name,)})
    training = config.training.model_copy(update={"output_dir": config.training.output_dir / name})
    return config.model_copy(update={"data": data, "training": training})
