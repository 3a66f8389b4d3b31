"""LoRA adapters from disk: put on the model they were made for, every tensor accounted for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from peft import PeftConfig, PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import GroundingDinoForObjectDetection

from gdinousam.errors import InputError
from gdinousam.models.lora import prepare_for_adapters
from gdinousam.models.pretrained import first_line, read_json

_ADAPTER_CONFIG = "adapter_config.json"
_ADAPTER_WEIGHTS = "adapter_model.safetensors"


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter as peft and train.py write it."""
    return (folder / _ADAPTER_CONFIG).is_file()


def base_of(folder: Path) -> str:
    """The name of the model that an adapter folder belongs to; raises InputError where it does not say."""
    base = read_json(folder / _ADAPTER_CONFIG).get("base_model_name_or_path")
    if not base:
        raise InputError(f"adapter {folder} does not name its base; give the base as detector beside the adapter")
    return str(base)


def load_adapter(model: GroundingDinoForObjectDetection, folder: Path) -> PeftModel:
    """Put the adapter of a folder on a model; raises InputError where it is none or does not fit."""
    if not is_adapter(folder):
        raise InputError(f"{folder} has no {_ADAPTER_CONFIG}; give a LoRA folder as written by train.py or peft")
    try:
        # not PeftModel.from_pretrained, which warns of every further name that the shared box head has
        prepare_for_adapters(model)
        adapted = get_peft_model(model, PeftConfig.from_pretrained(str(folder)))
        stored = load_file(folder / _ADAPTER_WEIGHTS)
        loaded: Any = set_peft_model_state_dict(adapted, stored)
    except (RuntimeError, ValueError, SafetensorError, OSError) as error:
        raise InputError(f"adapter {folder} does not fit the detector: {first_line(error)}") from error
    missing = sorted(get_peft_model_state_dict(adapted).keys() - stored.keys())
    for keys, verb in ((missing, "lacks"), (loaded.unexpected_keys, "has unknown")):
        if keys:
            raise InputError(f"adapter {folder} {verb} {len(keys)} tensors for this detector, first {keys[0]}")
    return adapted
