"""Build the models by name: a folder, an official weight file, a hub id, ``small`` or ``random-small``."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TypeVar

import torch
from pydantic import ValidationError
from transformers import (
    GroundingDinoForObjectDetection,
    PreTrainedTokenizerBase,
    Sam2Model,
    SamModel,
)

from gdinousam.assets import ASSETS
from gdinousam.errors import InputError
from gdinousam.models.adapter_files import is_adapter
from gdinousam.models.adapters import base_of, forget_trained_layers, load_adapter
from gdinousam.models.checkpoints.files import kind_of, read_tensors, require_kind
from gdinousam.models.checkpoints.grounding_dino import grounding_dino_from, official_tokenizer
from gdinousam.models.checkpoints.sam import sam_from
from gdinousam.models.checkpoints.sam2 import sam2_from
from gdinousam.models.detector import Detector
from gdinousam.models.mask_head import BoxPrompted, MaskHead
from gdinousam.models.precision import MixedPrecision, Precision, pick_precision
from gdinousam.models.pretrained import from_folder_or_hub, model_type_of, pretrained_tokenizer, read_json
from gdinousam.models.sam_mask_head import SamMaskHead, frame_of, sam_preprocessing
from gdinousam.models.small import random_small_detector, random_small_mask_head, small_tokenizer
from gdinousam.preprocessing import ResizeSettings
from gdinousam.settings import OWN_MODEL_NAMES

logger = logging.getLogger(__name__)

RANDOM_SMALL = "random-small"
SMALL = "small"
# the two parts of the model that comes with the package
SMALL_DETECTOR = ASSETS / SMALL / "detector"
SMALL_MASK_HEAD = ASSETS / SMALL / "mask_head"
PREPROCESSING = "gdinousam_preprocessing.json"
_DETECTOR_TYPES = ("grounding-dino",)
# The published SAM2 folders call themselves by the video model, which contains the image model.
_SAM2_TYPES = ("sam2", "sam2_video")
_SAM_TYPES = ("sam",)


def load_detector(name: str, adapter: str | Path | None = None, trained_box_layer: bool = True) -> Detector:
    """Load a frozen detector for prediction, adapters merged into its weights.

    name: see ``load_grounding_dino``, or an adapter folder, whose base is loaded with it. adapter: a LoRA folder, or
    the published LoRA file, to put on top. trained_box_layer: false leaves the layers that were trained in full beside
    the adapters as the base has them, which is what the public code does by mistake. Raises
    InputError where a folder or file is missing, unreadable or of another architecture.
    """
    if name not in OWN_MODEL_NAMES and is_adapter(Path(name)):
        if adapter is not None:
            raise InputError(f"{name} is an adapter itself; name its base as the detector to use adapter {adapter}")
        name, adapter = base_of(Path(name)), name
    model, tokenizer = load_grounding_dino(name)
    if adapter is not None:
        adapted = load_adapter(model, Path(adapter))
        if not trained_box_layer:
            logger.warning(
                "the last layer of the box head is used untrained, as in the public code (trained_box_layer)"
            )
            forget_trained_layers(adapted)
        model = adapted.merge_and_unload()
    return Detector(model.requires_grad_(False), tokenizer).eval()


def load_grounding_dino(name: str) -> tuple[GroundingDinoForObjectDetection, PreTrainedTokenizerBase]:
    """Load Grounding DINO and its tokenizer.

    name: an official weight file (Swin-T or Swin-B), a folder in transformers' format, a hub id, ``small`` for the
    bundled model, or ``random-small`` for its configuration with random weights from torch's generator.
    Raises InputError as ``load_detector`` does.
    """
    if name == RANDOM_SMALL:
        return random_small_detector(), small_tokenizer()
    if name == SMALL:
        model, tokenizer = load_grounding_dino(str(SMALL_DETECTOR))
        model.name_or_path = SMALL  # what an adapter names as its base, on whatever machine
        return model, tokenizer
    if Path(name).is_file():
        path = Path(name)
        return grounding_dino_from(require_kind(read_tensors(path), "Grounding DINO", path), path), official_tokenizer(
            path
        )
    return from_folder_or_hub(GroundingDinoForObjectDetection, name, _DETECTOR_TYPES), pretrained_tokenizer(name)


def load_mask_head(name: str) -> BoxPrompted:
    """Load a frozen mask head: SAM2, SAM or MedSAM, told apart by what the file or folder holds.

    name: an official weight file, a folder in transformers' format, a hub id, ``small`` for the bundled SAM2, or
    ``random-small`` for its configuration with random weights. Raises InputError as ``load_detector`` does.
    """
    if name == RANDOM_SMALL:
        return _frozen(MaskHead(random_small_mask_head()))
    if name == SMALL:
        return load_mask_head(str(SMALL_MASK_HEAD))
    if Path(name).is_file():
        return _mask_head_of_file(Path(name))
    if model_type_of(name, (*_SAM2_TYPES, *_SAM_TYPES)) in _SAM_TYPES:
        return _frozen(SamMaskHead(from_folder_or_hub(SamModel, name, _SAM_TYPES), frame_of(sam_preprocessing(name))))
    return _frozen(MaskHead(from_folder_or_hub(Sam2Model, name, _SAM2_TYPES)))


def notes_folder(name: str | Path) -> Path:
    """Where notes about weights lie: in their folder; of ``small`` that of its detector."""
    return SMALL_DETECTOR if name == SMALL else Path(name)


def trained_resize(name: str | Path) -> ResizeSettings:
    """How images were resized to train the weights in a folder; the paper's 800 x 800 where nobody noted it.

    Raises InputError where the note cannot be read.
    """
    notes = notes_folder(name) / PREPROCESSING
    if not notes.is_file():
        return ResizeSettings()
    try:
        return ResizeSettings.model_validate(read_json(notes))
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, problem["loc"]))
        raise InputError(f"{notes}: {key} = {problem['input']!r}: {problem['msg']}; correct or remove it") from error


def save_resize(folder: Path, resize: ResizeSettings) -> None:
    """Note beside weights how images are resized for them; ``trained_resize`` reads it."""
    (folder / PREPROCESSING).write_text(resize.model_dump_json(indent=2) + "\n", encoding="utf-8")


Model = TypeVar("Model", bound=MixedPrecision)


def place(model: Model, device: str, precision: Precision, compiled: bool = False) -> Model:
    """Bring a frozen model where and in what precision it is to run; see ``pick_device`` and ``pick_precision``.

    compiled: let torch.compile have its image encoder, at the first image of each size; on a CPU that needs a C++
    compiler.
    """
    where = pick_device(device)
    model.to(where).multiply_in(pick_precision(precision, where))
    if compiled:
        model.image_encoder.compile()
    return model


def pick_device(device: str) -> torch.device:
    """``auto`` (the GPU if there is one), ``cpu``, ``cuda`` or one GPU of several as ``cuda:1``.

    Raises InputError for another name, and for a GPU that is not there.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    match = re.fullmatch(r"cpu|cuda(?::(\d+))?", str(device))
    if match is None:
        raise InputError(f"device is {str(device)!r}; set it to 'auto', 'cpu' or 'cuda'")
    if match[0] != "cpu" and int(match[1] or 0) >= torch.cuda.device_count():
        missing = "no CUDA GPU" if not torch.cuda.is_available() else f"{torch.cuda.device_count()} CUDA GPUs"
        raise InputError(f"device is {match[0]!r} but torch finds {missing} here; set device to 'auto' or 'cpu'")
    return torch.device(match[0])


def _mask_head_of_file(path: Path) -> BoxPrompted:
    tensors = read_tensors(path)
    if kind_of(tensors) == "SAM":
        return _frozen(SamMaskHead(sam_from(tensors, path), frame_of(sam_preprocessing(str(path)))))
    return _frozen(MaskHead(sam2_from(require_kind(tensors, "SAM2", path), path)))


def _frozen(head: BoxPrompted) -> BoxPrompted:
    head.requires_grad_(False)
    return head.eval()
