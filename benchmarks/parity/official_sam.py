"""The official SAM2 and SAM with weights of the rule, and what they answer to boxes; nothing is downloaded.

The official packages are imported where they are used, so that this module can be imported without them.

Shapes: N boxes of an image, S side of the square that the model sees.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

import torch
from torch import nn

from benchmarks.parity.weights import fill_by_rule
from gdinousam.errors import InputError
from gdinousam.records import Image

LOW_RES = "low-resolution mask logits"
FULL_SIZE = "mask logits"
# (N, 1, S/4, S/4) and (N, H, W) float32 under the two names above.
MaskLogits = dict[str, torch.Tensor]
AnswerBoxes = Callable[[Image, torch.Tensor], MaskLogits]


def official_sam2_version() -> str:
    """The version of the package sam2; raises InputError where it is missing."""
    try:
        return version("sam2")
    except PackageNotFoundError as error:
        raise InputError("sam2 is not installed; pip install -e .[official]") from error


def official_sam2(config: str) -> nn.Module:
    """Build SAM2 in eval mode from a configuration inside the package, such as ``sam2.1/sam2.1_hiera_t``."""
    build_sam2 = import_module("sam2.build_sam").build_sam2
    return _filled(build_sam2(f"configs/{config}.yaml", ckpt_path=None, device="cpu"))


def sam2_answers(model: nn.Module) -> AnswerBoxes:
    """The official predictor for images: (H, W, 3) uint8 RGB and (N, 4) boxes in pixels to mask logits."""
    predictor = import_module("sam2.sam2_image_predictor").SAM2ImagePredictor(model)

    def answer(image: Image, boxes_xyxy: torch.Tensor) -> MaskLogits:
        predictor.set_image(image)
        full_size, _, low_res = predictor.predict(box=boxes_xyxy.numpy(), multimask_output=False, return_logits=True)
        # without the first axis where there is one box only
        side = low_res.shape[-1]
        return {
            LOW_RES: torch.from_numpy(low_res).reshape(-1, 1, side, side),
            FULL_SIZE: torch.from_numpy(full_size).reshape(-1, *image.shape[:2]),
        }

    return answer


def has_official_sam() -> bool:
    """Whether the package segment-anything is installed, which our requirements leave out."""
    return find_spec("segment_anything") is not None


def official_sam() -> nn.Module:
    """Build SAM ViT-B in eval mode."""
    return _filled(import_module("segment_anything").sam_model_registry["vit_b"](checkpoint=None))


def sam_answers(model: nn.Module) -> AnswerBoxes:
    """The official predictor: (H, W, 3) uint8 RGB and (N, 4) boxes in pixels to mask logits."""
    predictor = import_module("segment_anything").SamPredictor(model)

    def answer(image: Image, boxes_xyxy: torch.Tensor) -> MaskLogits:
        predictor.set_image(image)
        full_size, _, low_res = predictor.predict_torch(
            point_coords=None,
            point_labels=None,
            boxes=predictor.transform.apply_boxes_torch(boxes_xyxy, image.shape[:2]),
            multimask_output=False,
            return_logits=True,
        )
        return {LOW_RES: low_res, FULL_SIZE: full_size[:, 0]}

    return answer


def _filled(model: nn.Module) -> nn.Module:
    fill_by_rule(model)
    return model.eval()
