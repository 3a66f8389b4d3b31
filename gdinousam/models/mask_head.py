"""The mask head: SAM2 from transformers, prompted with boxes.

Shapes: B images, N boxes of an image, S side of the square that the model sees (1024 for the published models).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from transformers import Sam2Model

from gdinousam.preprocessing import ResizeSettings, build_resize, image_to_tensor, normalize_image
from gdinousam.records import Image, Mask


class MaskHead(nn.Module):
    """SAM2's image encoder, prompt encoder and mask decoder, asked for one mask per box."""

    def __init__(self, model: Sam2Model) -> None:
        super().__init__()
        self.model = model

    @property
    def side(self) -> int:
        """S, the side in pixels of the square image that the model sees."""
        return int(self.model.config.prompt_encoder_config.image_size)

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        return self.model.device

    def forward(self, pixel_values: torch.Tensor, boxes_xyxy: torch.Tensor) -> torch.Tensor:
        """Mask logits for boxes, all images with the same number of boxes; for training.

        pixel_values: (B, 3, S, S) float32, normalised. boxes_xyxy: (B, N, 4) in pixels of that square.
        Returns (B, N, S/4, S/4) float32; above 0 is inside.
        """
        # a copy: transformers (4.57) adds half a pixel to the boxes it is given, in place
        output = self.model(pixel_values=pixel_values, input_boxes=boxes_xyxy.clone(), multimask_output=False)
        return output.pred_masks[:, :, 0].float()

    @torch.inference_mode()
    def masks_in_boxes(self, images: Sequence[Image], boxes_xyxy: Sequence[torch.Tensor]) -> list[list[Mask]]:
        """Segment the object in each box.

        images: (H, W, 3) uint8 RGB. boxes_xyxy: for each image (N, 4) in pixels of that image.
        Returns for each image its N masks, (H, W) bool. Images without boxes cost nothing; all boxes of an image go
        through the decoder together.
        """
        masks: list[list[Mask]] = [[] for _ in images]
        wanted = [index for index, boxes in enumerate(boxes_xyxy) if len(boxes)]
        if not wanted:
            return masks
        resize = build_resize(ResizeSettings(size=self.side))
        squares = torch.stack([resize(image_to_tensor(images[index])) for index in wanted])
        levels = self.model.get_image_embeddings(normalize_image(squares.to(self.device)))  # type: ignore[arg-type]
        for row, index in enumerate(wanted):
            height, width = images[index].shape[:2]
            scale = torch.tensor([self.side / width, self.side / height] * 2, device=self.device)
            output = self.model(
                image_embeddings=[level[row : row + 1] for level in levels],
                input_boxes=(boxes_xyxy[index].to(self.device).float() * scale)[None],
                multimask_output=False,
            )
            full_size = F.interpolate(output.pred_masks[0].float(), (height, width), mode="bilinear")  # (N, 1, H, W)
            masks[index] = list(np.asarray((full_size[:, 0] > 0).cpu(), dtype=bool))
        return masks
