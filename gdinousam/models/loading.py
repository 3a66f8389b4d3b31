"""Build the models by name: a folder, an official weight file, a hub id, ``small``, ``small-v1``, ``random-small``."""

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

from gdinousam.errors import InputError
from gdinousam.models.adapters.files import ADAPTER_CONFIG, PREPROCESSING, adapter_folder
from gdinousam.models.adapters.loading import base_of, forget_trained_layers, load_adapter, merged
from gdinousam.models.bundled import bundled_part
from gdinousam.models.checkpoints.files import kind_of, read_tensors, require_kind
from gdinousam.models.checkpoints.grounding_dino import grounding_dino_from, official_tokenizer
from gdinousam.models.checkpoints.sam import sam_from
from gdinousam.models.checkpoints.sam2 import sam2_from
from gdinousam.models.detector.detector import Detector
from gdinousam.models.mask_heads.phrase_prompt import has_phrase_prompt, load_phrase_prompt
from gdinousam.models.mask_heads.sam import SamMaskHead, frame_of, sam_preprocessing
from gdinousam.models.mask_heads.sam2 import MaskHead, Sam2MaskHead
from gdinousam.models.precision import MixedPrecision, Precision, pick_precision
from gdinousam.models.processors import save_detector_processor
from gdinousam.models.small import random_small_detector, random_small_mask_head, small_tokenizer
from gdinousam.models.weights.choice import chosen, is_hub_id
from gdinousam.models.weights.hub import file_beside
from gdinousam.models.weights.pretrained import from_folder_or_hub, model_type_of, pretrained_tokenizer
from gdinousam.preprocessing import ResizeSettings
from gdinousam.reading import read_json_object
from gdinousam.settings import OWN_MODEL_NAMES

logger = logging.getLogger(__name__)

RANDOM_SMALL = "random-small"
DETECTOR_TYPES = ("grounding-dino",)
# The published SAM2 folders call themselves by the video model, which contains the image model.
_SAM2_TYPES = ("sam2", "sam2_video")
_SAM_TYPES = ("sam",)


def load_detector(name: str, adapter: str | Path | None = None, trained_box_layer: bool = True) -> Detector:
    """Load a frozen detector for prediction, adapters merged into its weights.

    name: see ``load_grounding_dino``, or an adapter folder or its hub id, whose base is loaded with it. adapter: a LoRA
    folder, its hub id, or the published LoRA file, to put on top. trained_box_layer: false leaves the layers that were
    trained in full beside the adapters as the base has them, which is what the public code does by mistake. Raises
    InputError where a folder or file is missing, unreadable or of another architecture.
    """
    name, adapter = detector_and_adapter(name, adapter)
    model, tokenizer = load_grounding_dino(name)
    if adapter is not None:
        adapted = load_adapter(model, adapter)
        if not trained_box_layer:
            logger.warning(
                "the last layer of the box head is used untrained, as in the public code (trained_box_layer)"
            )
            forget_trained_layers(adapted)
        model = merged(adapted, adapter)
    return Detector(model.requires_grad_(False), tokenizer).eval()


def detector_and_adapter(name: str | Path, adapter: str | Path | None = None) -> tuple[str, Path | None]:
    """The name of a detector that is not an adapter, and where the adapter on it lies on this machine, if there is one.

    name, adapter: as for ``load_detector``; what is named by a hub id is fetched. Raises InputError where the adapter
    names no base or one that is not found, for an adapter on an adapter, and for a hub id without an adapter.
    """
    name = str(name)
    itself = None if name in OWN_MODEL_NAMES else adapter_folder(name)
    if itself is not None and adapter is not None:
        raise InputError(f"{name} is an adapter itself; name its base as the detector to use adapter {adapter}")
    if itself is not None:
        return base_of(itself), itself
    if adapter is None:
        return name, None
    folder = adapter_folder(adapter)
    if folder is None and is_hub_id(adapter):
        raise InputError(
            f"adapter {adapter} is nothing on disk, and no hub repository with {ADAPTER_CONFIG} that can be reached; "
            "give a folder or file on disk"
        )
    return name, folder or Path(adapter)


def load_grounding_dino(name: str) -> tuple[GroundingDinoForObjectDetection, PreTrainedTokenizerBase]:
    """Load Grounding DINO and its tokenizer.

    name: an official weight file (Swin-T or Swin-B), a folder in transformers' format, a hub id, ``small`` or
    ``small-v1`` for a bundled model, or ``random-small`` for a configuration of that size with random weights from
    torch's generator.
    Raises InputError as ``load_detector`` does.
    """
    if name == RANDOM_SMALL:
        return random_small_detector(), small_tokenizer()
    if (bundled := bundled_part(name, "detector")) is not None:
        return load_grounding_dino(str(bundled))
    name = str(chosen(name))
    if Path(name).is_file():
        path = Path(name)
        return grounding_dino_from(require_kind(read_tensors(path), "Grounding DINO", path), path), official_tokenizer(
            path
        )
    return from_folder_or_hub(GroundingDinoForObjectDetection, name, DETECTOR_TYPES), pretrained_tokenizer(name)


def base_name(name: str) -> str:
    """What an adapter calls its base where that was loaded by this name; see ``describe_base``, which takes it.

    Empty for random weights, which no name finds again; of a link to a file, the file's own.
    """
    if name in OWN_MODEL_NAMES:
        return "" if name == RANDOM_SMALL else name
    return str(Path(name).resolve()) if Path(name).is_file() else name


def load_mask_head(name: str) -> MaskHead:
    """Load a frozen mask head: SAM2, also one that hears phrases, SAM or MedSAM, told apart by what the file or folder
    holds.

    name: an official weight file, a folder in transformers' format, a hub id, ``small`` or ``small-v1`` for a bundled
    SAM2, or ``random-small`` for its configuration with random weights. Raises InputError as ``load_detector`` does.
    """
    if name == RANDOM_SMALL:
        return _frozen(Sam2MaskHead(random_small_mask_head()))
    if (bundled := bundled_part(name, "mask_head")) is not None:
        return load_mask_head(str(bundled))
    name = str(chosen(name))
    if Path(name).is_file():
        return _mask_head_of_file(Path(name))
    if model_type_of(name, (*_SAM2_TYPES, *_SAM_TYPES)) in _SAM_TYPES:
        return _frozen(SamMaskHead(from_folder_or_hub(SamModel, name, _SAM_TYPES), frame_of(sam_preprocessing(name))))
    model = from_folder_or_hub(Sam2Model, name, _SAM2_TYPES)
    with_phrases = has_phrase_prompt(name)
    return _frozen(Sam2MaskHead(model) if with_phrases is None else load_phrase_prompt(model, with_phrases))


def note_beside(name: str | Path, file: str) -> Path | None:
    """A note about weights: in their folder or repository, of a bundled model that of its detector; ``None``: none."""
    return file_beside(bundled_part(name, "detector") or name, file)


def trained_resize(*names: str | Path | None) -> ResizeSettings:
    """How images were resized to train weights, as noted beside them; the paper's 800 x 800 where nobody noted it.

    names: folders, files or hub ids, the first with a note counts: an adapter, then the detector below it. Where none
    has one that is said. Raises InputError where the note cannot be read.
    """
    named = [name for name in names if name is not None]
    notes = next((found for name in named if (found := note_beside(name, PREPROCESSING))), None)
    if notes is None:
        if not all(str(name) in OWN_MODEL_NAMES for name in named):
            logger.warning(
                "no %s beside %s: images are stretched to 800 x 800 as in the paper; set resize where the weights were "
                "trained with another size",
                PREPROCESSING,
                " or ".join(map(str, named)),
            )
        return ResizeSettings()
    try:
        return ResizeSettings.model_validate(read_json_object(notes))
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, problem["loc"]))
        raise InputError(f"{notes}: {key} = {problem['input']!r}: {problem['msg']}; correct or remove it") from error


def save_resize(folder: Path, resize: ResizeSettings) -> None:
    """Note beside weights how images are resized for them: ``trained_resize`` reads it, transformers its own file."""
    save_detector_processor(folder, resize)
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


def _mask_head_of_file(path: Path) -> MaskHead:
    tensors = read_tensors(path)
    if kind_of(tensors) == "SAM":
        return _frozen(SamMaskHead(sam_from(tensors, path), frame_of(sam_preprocessing(str(path)))))
    return _frozen(Sam2MaskHead(sam2_from(require_kind(tensors, "SAM2", path), path)))


def _frozen(head: MaskHead) -> MaskHead:
    head.requires_grad_(False)
    return head.eval()
