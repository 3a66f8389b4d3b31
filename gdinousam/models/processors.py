"""What transformers' processors read beside our weights, so that they show a model its images as we do.

This program itself never reads these files: ``gdinousam_preprocessing.json`` and the model's config are its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from gdinousam.files import write_json
from gdinousam.preprocessing import IMAGENET_MEAN, IMAGENET_STD, ResizeSettings

PREPROCESSOR = "preprocessor_config.json"
_BILINEAR = 2  # Pillow's number
_MASK_SHARE = 4  # SAM2's masks have a fourth of the side of its images
_SHARED: dict[str, Any] = {
    "do_convert_rgb": True,
    "do_resize": True,
    "resample": _BILINEAR,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": IMAGENET_MEAN,
    "image_std": IMAGENET_STD,
}


def save_detector_processor(folder: Path, resize: ResizeSettings) -> None:
    """Write how Grounding DINO is shown an image into the folder of its weights.

    Squares are not padded: images are stretched, and so all of one size. The class is the one that resizes with
    torchvision, as we do; Pillow's resize moves boxes by up to a fifth of a pixel.
    """
    is_square = resize.mode == "square"
    size = _square(resize.size) if is_square else {"shortest_edge": resize.size, "longest_edge": resize.longest_edge}
    kind = {"image_processor_type": "GroundingDinoImageProcessorFast", "processor_class": "GroundingDinoProcessor"}
    write_json(folder / PREPROCESSOR, {**kind, **_SHARED, "size": size, "do_pad": not is_square})


def save_mask_head_processor(folder: Path, model: PreTrainedModel) -> None:
    """Write how a SAM2 is shown an image into the folder of its weights."""
    side = int(model.config.prompt_encoder_config.image_size)
    kind = {"image_processor_type": "Sam2ImageProcessorFast", "processor_class": "Sam2Processor"}
    sizes = {"size": _square(side), "mask_size": _square(side // _MASK_SHARE)}
    write_json(folder / PREPROCESSOR, {**kind, **_SHARED, **sizes})


def _square(side: int) -> dict[str, int]:
    return {"height": side, "width": side}
