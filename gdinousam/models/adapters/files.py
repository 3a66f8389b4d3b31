"""The files of an adapter folder, as train.py and peft write them, checked before any model is changed by them."""

from __future__ import annotations

import logging
import re
import warnings
from pathlib import Path

import torch
from peft import LoraConfig

from gdinousam.errors import InputError
from gdinousam.models.adapters.base_note import BASE_NOTE
from gdinousam.models.checkpoints.files import Tensors, read_tensors
from gdinousam.models.weights.hub import folder_with
from gdinousam.models.weights.pretrained import first_line
from gdinousam.reading import read_json_object

logger = logging.getLogger(__name__)

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
# how images were sized in the training, beside every kind of weights of ours
PREPROCESSING = "gdinousam_preprocessing.json"
MODEL_CARD = "README.md"
_TRAINING = "training.json"
# what peft wrote before safetensors, and still writes on request
WEIGHT_FILES = (ADAPTER_WEIGHTS, "adapter_model.bin")
_BESIDE = (*WEIGHT_FILES, BASE_NOTE, PREPROCESSING, _TRAINING)
_LORA = "LORA"
_LARGEST_RANK = 4096  # the width of the widest layer of the published detectors
_TYPE = "peft_type"
# A wrapper inside peft's own, and the name of the only adapter, which peft leaves out of the files it writes itself.
_WRAPPED = re.compile(r"^(base_model\.model\.)(?:module\.|_orig_mod\.)+")
_DEFAULT = re.compile(r"(\.lora_[AB])\.default(\.weight)$")


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter as peft and train.py write it."""
    return (folder / ADAPTER_CONFIG).is_file()


def adapter_folder(name: str | Path) -> Path | None:
    """The folder of an adapter, ``None`` for another name. name: a folder, or a hub id, which is fetched."""
    return folder_with(name, ADAPTER_CONFIG, _BESIDE)


def weights_of(folder: Path) -> Path:
    """The file with the tensors of an adapter folder; raises InputError where there is none."""
    for name in WEIGHT_FILES:
        if (folder / name).is_file():
            return folder / name
    raise InputError(f"adapter {folder} has no {' or '.join(WEIGHT_FILES)}; restore the file with its weights")


def read_adapter(folder: Path) -> tuple[LoraConfig, Tensors]:
    """peft's config and the tensors of a folder, under the names that peft writes.

    Raises InputError, naming file and key or tensor, where it is no folder of a LoRA, and where the ranks of config and
    tensors differ.
    """
    if not is_adapter(folder):
        raise InputError(
            f"{folder} has no {ADAPTER_CONFIG}; give a LoRA folder of train.py or peft, or the published LoRA file"
        )
    path = weights_of(folder)
    stored = {_peft_name(name): tensor for name, tensor in read_tensors(path).items()}
    if not any(".lora_A" in name for name in stored):
        raise InputError(f"{path} holds no LoRA (first tensor {next(iter(stored))}); give the folder of one")
    config = _read_config(folder / ADAPTER_CONFIG)
    _require_rank(config, stored, folder)
    return config, stored


def _peft_name(name: str) -> str:
    return _DEFAULT.sub(r"\1\2", _WRAPPED.sub(r"\1", name))


def _read_config(path: Path) -> LoraConfig:
    try:
        stated = read_json_object(path)
    except InputError as error:
        raise InputError(f"adapter {path.parent} is not readable: {error}") from error
    kind = stated.pop(_TYPE, None)
    stated.pop("runtime_config", None)  # of the machine that it was written on
    if kind is None:
        logger.info("%s names no %s; its tensors are those of a LoRA", path, _TYPE)
    elif kind != _LORA:
        raise InputError(f"{path}: {_TYPE} says that the adapter is of peft's kind {kind}; give a LoRA ({_LORA})")
    try:
        with warnings.catch_warnings(record=True) as ignored:
            warnings.simplefilter("always")
            config: LoraConfig = LoraConfig.from_peft_type(**LoraConfig.check_kwargs(**stated, peft_type=_LORA))
    except Exception as error:  # peft takes a value of any type and fails on it in any way
        raise InputError(f"adapter {path.parent} is not readable: {path.name}: {first_line(error)}") from error
    for warning in ignored:
        logger.info("%s: %s", path, str(warning.message).splitlines()[0])
    return config


def _require_rank(config: LoraConfig, stored: Tensors, folder: Path) -> None:
    """The rank of the config and of the tensors must be one, unless the config gives modules ranks of their own."""
    patterns: object = config.rank_pattern or {}
    if not isinstance(patterns, dict):
        raise InputError(
            f"{folder / ADAPTER_CONFIG}: rank_pattern is {patterns!r}, no ranks by module; restore the file"
        )
    for key, rank in {"r": config.r, **patterns}.items():
        # matrices of this rank are made before those of the file are put in
        if isinstance(rank, bool) or not isinstance(rank, int) or not 0 < rank <= _LARGEST_RANK:
            raise InputError(f"{folder / ADAPTER_CONFIG}: {key} is {rank!r}; set it to the rank of the adapters")
    if patterns:
        return
    for name, tensor in stored.items():
        if ".lora_A." in name and tensor.shape[:1] != torch.Size((config.r,)):
            raise InputError(
                f"adapter {folder} does not fit the detector: {ADAPTER_CONFIG} says rank {config.r}, "
                f"{name} has rank {tensor.shape[:1].numel()}; restore the one that was changed"
            )
