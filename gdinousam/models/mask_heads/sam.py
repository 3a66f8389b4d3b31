"""The mask head of the first SAM, with the weights of SAM or MedSAM: one network, two ways to show it an image.

Shapes: N boxes of an image, S side of the square that the model sees (1024 for the published models).
"""

from __future__ import annotations

import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, cast, get_args

import numpy as np
import PIL.Image
import torch
import torch.nn.functional as F
from skimage.transform import resize
from torch import nn
from transformers import SamModel

from gdinousam.errors import InputError
from gdinousam.models.detector.corrections import normalize_officially
from gdinousam.models.first_answer import explained
from gdinousam.models.mask_heads.sam2 import MaskHead
from gdinousam.models.weights.hub import file_beside
from gdinousam.preprocessing import box_scale, image_to_tensor, normalize_image
from gdinousam.reading import read_json_object
from gdinousam.records import Image

SamPreprocessing = Literal["sam", "medsam"]
NOTE = "gdinousam_mask_head.json"

logger = logging.getLogger(__name__)


class SamMaskHead(MaskHead):
    """SAM's image encoder, prompt encoder and mask decoder, asked for one mask per box.

    frame: how the weights were trained to see images; the class of ``frame_of`` for the published ones.
    """

    model: SamModel

    def __init__(self, model: SamModel, frame: type[Frame]) -> None:
        super().__init__()
        normalize_officially(model)
        self.model = model
        self.frame = frame(self.side)

    @property
    def side(self) -> int:
        """S, the side in pixels of the square image that the model sees."""
        return int(self.model.config.vision_config.image_size)

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        return self.model.device

    @property
    def image_encoder(self) -> nn.Module:
        """SAM's image encoder with its neck."""
        return self.model.vision_encoder

    @explained
    def encode(self, images: Sequence[Image]) -> list[torch.Tensor]:
        """The features of each (H, W, 3) uint8 RGB image, (1, 256, S/16, S/16) for the published models."""
        squares = torch.stack([self.frame.pixel_values(image) for image in images])
        with self.products(self.device):
            embeddings = self.model.get_image_embeddings(squares.to(self.device))
        return list(embeddings.float().split(1))

    @explained
    def low_res_logits(self, encoded: torch.Tensor, boxes_xyxy: torch.Tensor, size_hw: tuple[int, int]) -> torch.Tensor:
        """The decoder's answer for the boxes of one image; see ``MaskHead.low_res_logits``."""
        boxes = self.frame.boxes_in_square(boxes_xyxy.to(self.device).float(), size_hw)
        output = self.model(image_embeddings=encoded, input_boxes=boxes[None], multimask_output=False)
        return output.pred_masks[0].float()

    def masks_of_size(self, low_res_logits: torch.Tensor, size_hw: tuple[int, int]) -> torch.Tensor:
        """(N, H, W) bool: where the logits, brought back to the image, say inside."""
        return self.frame.masks_of_size(low_res_logits, size_hw)


class Frame(ABC):
    """How an image and its boxes are placed in the square of S x S that SAM sees, and how masks come back."""

    def __init__(self, side: int) -> None:
        self.side = side

    @abstractmethod
    def pixel_values(self, image: Image) -> torch.Tensor:
        """Turn an (H, W, 3) uint8 RGB image into the (3, S, S) float32 that the network sees."""

    @abstractmethod
    def boxes_in_square(self, boxes_xyxy: torch.Tensor, size_hw: tuple[int, int]) -> torch.Tensor:
        """Turn (N, 4) float32 boxes from pixels of the image of size (H, W) into pixels of the square."""

    @abstractmethod
    def masks_of_size(self, low_res_logits: torch.Tensor, size_hw: tuple[int, int]) -> torch.Tensor:
        """Turn (N, 1, S/4, S/4) logits on the square into (N, H, W) bool on the image."""


class OriginalFrame(Frame):
    """As SAM's predictor does: the longest side becomes S, the rest of the square is zero after normalising."""

    def pixel_values(self, image: Image) -> torch.Tensor:
        """Resize with Pillow's bilinear filter, normalise by ImageNet's statistics, pad at the right and bottom."""
        height, width = self.scaled_hw(image.shape[:2])
        resized = PIL.Image.fromarray(image).resize((width, height), PIL.Image.Resampling.BILINEAR)
        normalized = normalize_image(image_to_tensor(np.asarray(resized)))
        return F.pad(normalized, (0, self.side - width, 0, self.side - height))

    def boxes_in_square(self, boxes_xyxy: torch.Tensor, size_hw: tuple[int, int]) -> torch.Tensor:
        """Scale by the rounded sides, so that the two axes may differ a little."""
        return boxes_xyxy * (box_scale(boxes_xyxy, self.scaled_hw(size_hw)) / box_scale(boxes_xyxy, size_hw))

    def masks_of_size(self, low_res_logits: torch.Tensor, size_hw: tuple[int, int]) -> torch.Tensor:
        """Logits above 0 after they were brought to the square, cropped of the padding, and brought to the image."""
        return self.logits_of_size(low_res_logits, size_hw) > 0

    def logits_of_size(self, low_res_logits: torch.Tensor, size_hw: tuple[int, int]) -> torch.Tensor:
        """Bring (N, 1, S/4, S/4) logits to (N, H, W) of the image."""
        square = F.interpolate(low_res_logits, (self.side, self.side), mode="bilinear")
        height, width = self.scaled_hw(size_hw)
        return F.interpolate(square[:, :, :height, :width], size_hw, mode="bilinear")[:, 0]

    def scaled_hw(self, size_hw: tuple[int, int]) -> tuple[int, int]:
        """Height and width of the picture in the square."""
        scale = self.side / max(size_hw)
        height, width = (int(length * scale + 0.5) for length in size_hw)
        return height, width


class MedSamFrame(Frame):
    """As MedSAM's inference script does: the image is stretched to the square, and each spans [0, 1] by itself."""

    def pixel_values(self, image: Image) -> torch.Tensor:
        """Resize with a bicubic spline after blurring away what is too fine, then stretch minimum to maximum."""
        square = resize(image, (self.side, self.side), order=3, preserve_range=True, anti_aliasing=True)
        square = square.astype(np.uint8)  # cuts off the fraction, as the script does
        lowest, highest = int(square.min()), int(square.max())
        # a grey value at least: an image of one grey becomes 0
        scaled = (square - lowest) / max(highest - lowest, 1)
        return torch.from_numpy(scaled.transpose(2, 0, 1)).float()

    def boxes_in_square(self, boxes_xyxy: torch.Tensor, size_hw: tuple[int, int]) -> torch.Tensor:
        """Stretch with the image."""
        return boxes_xyxy / box_scale(boxes_xyxy, size_hw) * self.side

    def masks_of_size(self, low_res_logits: torch.Tensor, size_hw: tuple[int, int]) -> torch.Tensor:
        """Probabilities above a half. They are resized, not the logits, which moves edges a little."""
        return self.probabilities_of_size(low_res_logits, size_hw) > 0.5

    def probabilities_of_size(self, low_res_logits: torch.Tensor, size_hw: tuple[int, int]) -> torch.Tensor:
        """Bring (N, 1, S/4, S/4) logits to (N, H, W) probabilities on the image."""
        return F.interpolate(low_res_logits.sigmoid(), size_hw, mode="bilinear")[:, 0]


_FRAMES: dict[SamPreprocessing, type[Frame]] = {"sam": OriginalFrame, "medsam": MedSamFrame}


def frame_of(preprocessing: SamPreprocessing) -> type[Frame]:
    """How weights of SAM or of MedSAM are shown an image."""
    return _FRAMES[preprocessing]


def sam_preprocessing(name: str) -> SamPreprocessing:
    """How to show images to the weights of this name: a file, a folder or a hub id.

    MedSAM is SAM ViT-B trained on; names and shapes of its tensors are the same and its config.json too, so that
    nothing in the weights says which they are, while the wrong preprocessing gives poor masks without any error.
    Therefore: the note of ``save_sam_preprocessing`` beside them decides; without one, "medsam" in either of the last
    two parts of the name, in any letter case, means MedSAM (``medsam_vit_b.pth``, ``wanglab/medsam-vit-base``); all
    else is SAM. The choice is logged. Raises InputError for a note that says neither.
    """
    note = file_beside(name, NOTE)
    if note is not None:
        preprocessing = read_json_object(note).get("preprocessing")
        if preprocessing not in get_args(SamPreprocessing):
            raise InputError(f"{note}: preprocessing = {preprocessing!r}; set it to 'sam' or 'medsam'")
        reason = f"{NOTE} says so"
    else:
        is_medsam = any("medsam" in part.lower() for part in Path(name).parts[-2:])
        preprocessing = "medsam" if is_medsam else "sam"
        reason = f"its name {'has' if is_medsam else 'lacks'} 'medsam'"
    logger.info("mask head %s: images are prepared as for %s, as %s", name, preprocessing, reason)
    return cast(SamPreprocessing, preprocessing)


def save_sam_preprocessing(folder: Path, preprocessing: SamPreprocessing) -> None:
    """Note beside weights how images are shown to them; ``sam_preprocessing`` reads it."""
    (folder / NOTE).write_text(json.dumps({"preprocessing": preprocessing}) + "\n", encoding="utf-8")
