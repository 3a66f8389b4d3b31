"""From a decoded image to the tensor that a model sees, and between the forms of boxes.

Shared by training and prediction, so that both see the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torchvision import tv_tensors
from torchvision.ops import box_convert
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from gdinousam.records import Image
from gdinousam.settings import Settings

# ImageNet's channel statistics for RGB in [0, 1], which Grounding DINO and SAM2 were both pretrained with.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class ResizeSettings(Settings):
    """How an image is resized for the detector."""

    mode: Literal["square", "shortest_edge"] = Field(
        "square",
        description="square: stretch to size x size (paper, section 2.1); shortest_edge: keep the aspect ratio "
        "and scale the shortest edge to size, or less if the longest edge would exceed longest_edge (public "
        "code).",
    )
    size: int = Field(
        800, ge=2, le=10_000, description="Side of the square, or length of the shortest edge, in pixels."
    )
    longest_edge: int = Field(
        1333, ge=1, le=10_000, description="Largest length of the longest edge in pixels, with shortest_edge."
    )

    @model_validator(mode="after")
    def _edges_fit(self) -> ResizeSettings:
        if self.mode == "shortest_edge" and self.longest_edge <= self.size:
            raise ValueError(f"longest_edge = {self.longest_edge} must be larger than size = {self.size}")
        return self


def build_resize(settings: ResizeSettings) -> v2.Transform:
    """The resize of the settings, for (3, H, W) uint8 tensors and for whole samples."""
    return _Resize(settings)


def size_for(settings: ResizeSettings, size_hw: tuple[int, int]) -> tuple[int, int]:
    """Height and width that an image of size (H, W) gets.

    With ``shortest_edge`` it is that of the official resize of Grounding DINO: the shortest edge becomes ``size``, or
    where the longest would then pass ``longest_edge`` the rounded length that keeps it below; the longest edge follows
    by the aspect, rounded down. torchvision's own rule with ``max_size`` differs by a pixel in long images.
    """
    if settings.mode == "square":
        return settings.size, settings.size
    (small, large), shortest = sorted(size_hw), settings.size
    if large / small * shortest > settings.longest_edge:
        shortest = round(settings.longest_edge * small / large)
    height, width = size_hw
    if height <= width:
        return shortest, int(shortest * width / height)
    return int(shortest * height / width), shortest


def resize_part(part: torch.Tensor, size_hw: tuple[int, int]) -> torch.Tensor:
    """Resize one part of a sample: an image, boxes or masks of ``tv_tensors``, or a (3, H, W) uint8 tensor.

    All parts follow one convention: a point at x of W pixels comes to lie at x * W' / W, pixels being unit squares. So
    a mask takes the pixel below the centre of each of its new ones. torchvision's resize of masks takes the one below
    the top-left corner, which moves them by up to half a pixel against image and box.
    """
    if not isinstance(part, tv_tensors.Mask):
        resized: torch.Tensor = functional.resize(part, list(size_hw), antialias=True)
        return resized
    masks_nhw = part.as_subclass(torch.Tensor)
    if not len(masks_nhw):
        return tv_tensors.wrap(masks_nhw.new_zeros((0, *size_hw)), like=part)
    nearest = F.interpolate(masks_nhw[None].to(torch.uint8), size_hw, mode="nearest-exact")[0]
    return tv_tensors.wrap(nearest.to(masks_nhw.dtype), like=part)


class _Resize(v2.Transform):
    def __init__(self, settings: ResizeSettings) -> None:
        super().__init__()
        self._settings = settings

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = functional.get_size(next(one for one in flat_inputs if isinstance(one, torch.Tensor)))
        return {"size_hw": size_for(self._settings, (height, width))}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return resize_part(inpt, params["size_hw"])


def image_to_tensor(image: Image) -> torch.Tensor:
    """(H, W, 3) uint8 RGB array to a (3, H, W) uint8 tensor of its own memory."""
    return torch.from_numpy(np.array(image.transpose(2, 0, 1), order="C"))


def normalize_image(image: torch.Tensor) -> torch.Tensor:
    """Turn a (..., 3, H, W) RGB image into float32 of about zero mean by ImageNet's statistics; same shape.

    image: uint8 in [0, 255], or floating point in [0, 1].
    """
    scaled = functional.to_dtype(image.as_subclass(torch.Tensor), torch.float32, scale=True)
    return functional.normalize(scaled, list(IMAGENET_MEAN), list(IMAGENET_STD))


def grey_image(pixel_values: torch.Tensor) -> torch.Tensor:
    """Undo ``normalize_image`` and take the luminance (ITU-R 601): (..., 3, H, W) float32 to three equal channels, also
    float32, in [0, 1].
    """
    mean, std = pixel_values.new_tensor(IMAGENET_MEAN), pixel_values.new_tensor(IMAGENET_STD)
    image = pixel_values * std[:, None, None] + mean[:, None, None]
    return functional.rgb_to_grayscale(image, num_output_channels=3)


def boxes_cxcywh_norm(boxes_xyxy: torch.Tensor, size_hw: tuple[int, int]) -> torch.Tensor:
    """Turn (..., 4) boxes x0, y0, x1, y1 in pixels into centre x, centre y, width, height as fractions of the image."""
    return box_convert(boxes_xyxy.as_subclass(torch.Tensor), "xyxy", "cxcywh") / box_scale(boxes_xyxy, size_hw)


def boxes_xyxy_pixels(boxes_cxcywh_norm: torch.Tensor, size_hw: tuple[int, int]) -> torch.Tensor:
    """Turn (..., 4) boxes of ``boxes_cxcywh_norm`` back into x0, y0, x1, y1 in pixels of an image of size (H, W)."""
    return box_convert(boxes_cxcywh_norm, "cxcywh", "xyxy") * box_scale(boxes_cxcywh_norm, size_hw)


def pad_images(pixel_values: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Stack (3, H, W) float32 images of any sizes, at least one, into (B, 3, H', W') of the largest height and width.

    Smaller images get zeros at the right and bottom. Returns also the (B, H', W') int64 pixel mask, one on the image
    and zero on padding, or ``None`` where all sizes are equal.
    """
    height, width = (max(image.shape[axis] for image in pixel_values) for axis in (1, 2))
    if all(image.shape[1:] == (height, width) for image in pixel_values):
        return torch.stack(list(pixel_values)), None
    padded = pixel_values[0].new_zeros(len(pixel_values), 3, height, width)
    pixel_mask = torch.zeros(len(pixel_values), height, width, dtype=torch.int64)
    for row, image in enumerate(pixel_values):
        padded[row, :, : image.shape[1], : image.shape[2]] = image
        pixel_mask[row, : image.shape[1], : image.shape[2]] = 1
    return padded, pixel_mask


def box_scale(boxes: torch.Tensor, size_hw: tuple[int, int]) -> torch.Tensor:
    """(width, height, width, height) of an image of size (H, W), with the dtype and device of the boxes."""
    height, width = size_hw
    return torch.tensor([width, height, width, height], dtype=boxes.dtype, device=boxes.device)
