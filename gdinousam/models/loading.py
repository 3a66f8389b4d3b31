"""Build the models by name: a local folder, a hub id, or ``random-small``."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import HFValidationError
from peft import PeftConfig, PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import (
    AutoTokenizer,
    GroundingDinoForObjectDetection,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Sam2Model,
)
from transformers.utils import logging

from gdinousam.errors import InputError
from gdinousam.models.detector import Detector
from gdinousam.models.lora import prepare_for_adapters
from gdinousam.models.mask_head import MaskHead
from gdinousam.models.small import random_small_detector, random_small_mask_head, small_tokenizer
from gdinousam.preprocessing import ResizeSettings

RANDOM_SMALL = "random-small"
PREPROCESSING = "gdinousam_preprocessing.json"
_ADAPTER_CONFIG = "adapter_config.json"
_ADAPTER_WEIGHTS = "adapter_model.safetensors"
_TOKENIZER_FILES = ("tokenizer.json", "vocab.txt")
_DETECTOR_TYPES = ("grounding-dino",)
# The published SAM2 folders call themselves by the video model, which contains the image model.
_MASK_HEAD_TYPES = ("sam2", "sam2_video")
# BERT's pooler is not used by Grounding DINO, and its position numbers were stored by older transformers.
_IGNORED_KEYS = r"text_backbone\.(pooler\.|embeddings\.position_ids$)"


def load_detector(name: str, adapter: str | Path | None = None) -> Detector:
    """Load a frozen detector for prediction, adapters merged into its weights.

    name: see ``load_grounding_dino``, or an adapter folder, whose base is loaded with it. adapter: a LoRA folder to put
    on top. Raises InputError where a folder or file is missing, unreadable or of another architecture.
    """
    if (Path(name) / _ADAPTER_CONFIG).is_file():
        if adapter is not None:
            raise InputError(f"{name} is an adapter itself; name its base as the detector to use adapter {adapter}")
        base = _read_json(Path(name) / _ADAPTER_CONFIG).get("base_model_name_or_path")
        if not base:
            raise InputError(f"adapter {name} does not name its base; give the base as detector beside the adapter")
        name, adapter = str(base), name
    model, tokenizer = load_grounding_dino(name)
    if adapter is not None:
        model = _with_adapter(model, Path(adapter)).merge_and_unload()
    return Detector(model.requires_grad_(False), tokenizer).eval()


def load_grounding_dino(name: str) -> tuple[GroundingDinoForObjectDetection, PreTrainedTokenizerBase]:
    """Load Grounding DINO and its tokenizer.

    name: a folder in transformers' format, a hub id, or ``random-small`` for the small configuration with random
    weights from torch's generator. Raises InputError as ``load_detector`` does.
    """
    if name == RANDOM_SMALL:
        return random_small_detector(), small_tokenizer()
    return _pretrained(GroundingDinoForObjectDetection, name, _DETECTOR_TYPES), _pretrained_tokenizer(name)


def load_mask_head(name: str) -> MaskHead:
    """Load a frozen SAM2: a folder in transformers' format, a hub id, or ``random-small``; raises InputError."""
    model = random_small_mask_head() if name == RANDOM_SMALL else _pretrained(Sam2Model, name, _MASK_HEAD_TYPES)
    return MaskHead(model.requires_grad_(False)).eval()


def trained_resize(name: str | Path) -> ResizeSettings:
    """How images were resized to train the weights in a folder; the paper's 800 x 800 where nobody noted it.

    Raises InputError where the note cannot be read.
    """
    notes = Path(name) / PREPROCESSING
    if not notes.is_file():
        return ResizeSettings()
    try:
        return ResizeSettings.model_validate(_read_json(notes))
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, problem["loc"]))
        raise InputError(f"{notes}: {key} = {problem['input']!r}: {problem['msg']}; correct or remove it") from error


def save_resize(folder: Path, resize: ResizeSettings) -> None:
    """Note beside weights how images are resized for them; ``trained_resize`` reads it."""
    (folder / PREPROCESSING).write_text(resize.model_dump_json(indent=2) + "\n", encoding="utf-8")


def pick_device(device: str) -> torch.device:
    """``auto`` (the GPU if there is one), ``cpu`` or ``cuda``. Raises InputError for ``cuda`` where there is none."""
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("device is 'cuda' but torch finds no CUDA GPU here; set device to 'auto' or 'cpu'")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)


def _with_adapter(model: GroundingDinoForObjectDetection, folder: Path) -> PeftModel:
    if not (folder / _ADAPTER_CONFIG).is_file():
        raise InputError(f"{folder} has no {_ADAPTER_CONFIG}; give a LoRA folder as written by train.py or peft")
    try:
        # not PeftModel.from_pretrained, which warns of every further name that the shared box head has
        prepare_for_adapters(model)
        adapted = get_peft_model(model, PeftConfig.from_pretrained(str(folder)))
        stored = load_file(folder / _ADAPTER_WEIGHTS)
        loaded: Any = set_peft_model_state_dict(adapted, stored)
    except (RuntimeError, ValueError, SafetensorError, OSError) as error:
        raise InputError(f"adapter {folder} does not fit the detector: {_first_line(error)}") from error
    missing = sorted(get_peft_model_state_dict(adapted).keys() - stored.keys())
    for keys, verb in ((missing, "lacks"), (loaded.unexpected_keys, "has unknown")):
        if keys:
            raise InputError(f"adapter {folder} {verb} {len(keys)} tensors for this detector, first {keys[0]}")
    return adapted


def _pretrained(model_class: type[PreTrainedModel], name: str, model_types: tuple[str, ...]) -> Any:
    local = Path(name).exists()
    if local:
        _check_folder(Path(name), model_types)
    elif Path(name).is_absolute():
        raise InputError(f"{name}: no such folder; give a folder in transformers' format or a hub id")
    with _quiet_transformers():  # it warns of the keys that we make an error of
        model, info = _fetched(
            name, lambda: model_class.from_pretrained(name, local_files_only=local, output_loading_info=True)
        )
    for kind in ("missing", "unexpected"):
        keys = sorted(key for key in info[f"{kind}_keys"] if not re.search(_IGNORED_KEYS, key))
        if keys:
            raise InputError(f"{name}: {len(keys)} {kind} keys, first {keys[0]}; it is another architecture")
    return model


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    earlier = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(earlier)


def _pretrained_tokenizer(name: str) -> Any:
    folder = Path(name)
    if folder.is_dir() and not any((folder / file).is_file() for file in _TOKENIZER_FILES):
        raise InputError(f"{name} has no tokenizer ({' or '.join(_TOKENIZER_FILES)}); save it beside the model")
    return _fetched(name, lambda: AutoTokenizer.from_pretrained(name, local_files_only=folder.exists()))


def _fetched(name: str, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except (OSError, HFValidationError, ValueError, RuntimeError, SafetensorError) as error:
        if Path(name).exists():
            raise InputError(f"cannot load {name}: {_first_line(error)}") from error
        raise InputError(
            f"model {name!r} is no local folder and could not be fetched as a hub id ({_first_line(error)}); "
            "give a folder in transformers' format, or go online once"
        ) from error


def _check_folder(folder: Path, model_types: tuple[str, ...]) -> None:
    if folder.is_file():
        raise InputError(f"{folder} is a file; give a folder in transformers' format (config.json, model.safetensors)")
    if not (folder / "config.json").is_file():
        raise InputError(f"{folder} has no config.json; give a folder in transformers' format or a hub id")
    model_type = _read_json(folder / "config.json").get("model_type")
    if model_type not in model_types:
        raise InputError(f"{folder} holds a model of type {model_type!r}; expected {' or '.join(model_types)}")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path} is no JSON file: {_first_line(error)}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no JSON object")
    return content


def _first_line(error: Exception) -> str:
    lines = (str(error).strip() or type(error).__name__).splitlines()
    # torch's "Error(s) in loading state_dict for ...:" says what is wrong in the next line
    return " ".join(line.strip() for line in lines[: 2 if lines[0].endswith(":") else 1])
