"""The detector's image backbone, run once per image however many captions are asked about it.

Shapes: B images, C channels and (h, w) positions of a level.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from transformers.models.grounding_dino.modeling_grounding_dino import GroundingDinoConvModel

Levels = tuple[tuple[torch.Tensor, torch.Tensor], ...]


@dataclass(frozen=True, eq=False)
class ImageFeatures:
    """What the backbone makes of a batch of images of one size.

    size_hw: height and width of the images, padding included. levels: for each level features (B, C, h, w) and the mask
    of what is image and not padding, (B, h, w) bool. positions: their position embeddings, (B, D, h, w).
    """

    size_hw: tuple[int, int]
    pixel_mask: torch.Tensor | None
    levels: Levels
    positions: tuple[torch.Tensor, ...]

    def __len__(self) -> int:
        return len(self.positions[0])

    def rows(self, rows: Sequence[int]) -> ImageFeatures:
        """The features of these images, in this order; an image may come several times."""
        if list(rows) == list(range(len(self))):
            return self
        if len(set(rows)) == 1:  # shared, not copied
            first, count = rows[0], len(rows)

            def take(tensor: torch.Tensor) -> torch.Tensor:
                return tensor[first : first + 1].expand(count, *tensor.shape[1:])
        else:
            index = torch.tensor(list(rows), device=self.positions[0].device)

            def take(tensor: torch.Tensor) -> torch.Tensor:
                return tensor[index]

        return ImageFeatures(
            self.size_hw,
            None if self.pixel_mask is None else take(self.pixel_mask),
            tuple((take(features), take(mask)) for features, mask in self.levels),
            tuple(map(take, self.positions)),
        )


_given: ContextVar[ImageFeatures | None] = ContextVar("given", default=None)


class Backbone(GroundingDinoConvModel):
    """transformers' backbone, which answers with the features of ``giving`` where there are any."""

    def forward(self, pixel_values: torch.Tensor, pixel_mask: torch.Tensor) -> Any:
        """Features and position embeddings of every level, as transformers' own; pixels as in ``Detector.forward``."""
        features = _given.get()
        if features is None:
            return super().forward(pixel_values, pixel_mask)
        # a list, because transformers appends the positions of further levels
        return list(features.levels), list(features.positions)


@contextmanager
def giving(features: ImageFeatures) -> Iterator[torch.Tensor]:
    """Inside, every ``Backbone`` answers with these features. Yields pixels of their shape that hold nothing."""
    token = _given.set(features)
    try:
        yield features.positions[0].new_empty(()).expand(len(features), 3, *features.size_hw)
    finally:
        _given.reset(token)


def encode(backbone: Any, pixel_values: torch.Tensor, pixel_mask: torch.Tensor | None) -> ImageFeatures:
    """Run the backbone; shapes as in ``Detector.forward``."""
    batch_size, _, *size_hw = pixel_values.shape
    ones = torch.ones(batch_size, *size_hw, dtype=torch.long, device=pixel_values.device)
    levels, positions = backbone(pixel_values, ones if pixel_mask is None else pixel_mask)
    return ImageFeatures((size_hw[0], size_hw[1]), pixel_mask, tuple(levels), tuple(positions))
