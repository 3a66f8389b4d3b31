"""MedCLIP-SAM (Koleilat and others, 2024): gScoreCAM, a dense CRF, and SAM in the box of the largest part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch

from gdinousam.methods.medclip_sam.crf import CRF_V1
from gdinousam.methods.medclip_sam.frame import seen_in_colours, stretched
from gdinousam.methods.medclip_sam.gscorecam import gscorecam
from gdinousam.methods.medclip_sam.regions import Levels, box_of_largest
from gdinousam.methods.medclip_sam.segmenter import SegmenterParts, SentenceSegmenter
from gdinousam.records import BoxXYXY, Image, Mask

MapForm = Literal["plain", "colours"]


class MedClipSam(SentenceSegmenter):
    """See the module.

    map_form: ``plain``, or ``colours`` for what the published scripts do (``seen_in_colours``). num_channels,
    batch_size: see ``gscorecam``.
    """

    def __init__(
        self,
        parts: SegmenterParts,
        map_form: MapForm = "plain",
        num_channels: int = 300,
        batch_size: int = 128,
    ) -> None:
        super().__init__(parts)
        self._map_form, self._num_channels, self._batch_size = map_form, num_channels, batch_size

    def map_settings(self, phrase: str) -> str:
        """The same for all phrases."""
        return f"{self._num_channels} channels"

    def map_of(self, pixel_values: torch.Tensor, text_feature: torch.Tensor, phrase: str) -> torch.Tensor:
        """See ``gscorecam``."""
        return gscorecam(self.model, pixel_values, text_feature, self._num_channels, self._batch_size)

    def on_image(self, map_gg: torch.Tensor, image: Image) -> Levels:
        """See ``stretched`` and ``seen_in_colours``."""
        levels_hw = stretched(map_gg, image.shape[:2])
        return levels_hw if self._map_form == "plain" else seen_in_colours(levels_hw, image)

    def regions_in(self, image: Image) -> Callable[[Levels], Mask]:
        """What the dense CRF takes for foreground; may be empty."""
        crf = CRF_V1.of(image)
        return lambda levels_hw: crf.foreground(levels_hw / 255)

    def box_of(self, region_hw: Mask) -> BoxXYXY:
        """Round the largest part; as published round the whole image where the region is empty."""
        height, width = region_hw.shape
        return box_of_largest(region_hw) or (0.0, 0.0, float(width), float(height))
