"""MedCLIP-SAMv2 (Koleilat and others, 2025): an information bottleneck, two groups of grey levels, and SAM in the box
of all parts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Literal

import torch

from gdinousam.identity import phrase_identity
from gdinousam.methods.medclip_sam.bottleneck import BottleneckSettings, bottleneck_map
from gdinousam.methods.medclip_sam.crf import CRF_V2
from gdinousam.methods.medclip_sam.frame import stretched_from_square
from gdinousam.methods.medclip_sam.regions import (
    Levels,
    box_of_all,
    brighter_of_two_groups,
    largest_parts,
    outlines_of,
)
from gdinousam.methods.medclip_sam.segmenter import SegmenterParts, SentenceSegmenter
from gdinousam.records import BoxXYXY, Image, Mask

RegionRule = Literal["kmeans", "threshold", "crf"]

_WHITE = 255


class MedClipSamV2(SentenceSegmenter):
    """See the module.

    bottleneck: settings of maps. of_organs: those of phrases that hold a word, in its place; the first that fits
    counts. region_rule: what of a map is the region; threshold: for the rule of that name, in [0, 1]. num_parts: the
    largest parts of the region are kept.
    """

    def __init__(
        self,
        parts: SegmenterParts,
        bottleneck: BottleneckSettings | None = None,
        of_organs: Mapping[str, BottleneckSettings] | None = None,
        region_rule: RegionRule = "kmeans",
        threshold: float = 0.3,
        num_parts: int = 1,
    ) -> None:
        super().__init__(parts)
        self._bottleneck, self._of_organs = bottleneck or BottleneckSettings(), dict(of_organs or {})
        self._region_rule, self._threshold, self._num_parts = region_rule, threshold, num_parts

    def bottleneck_of(self, phrase: str) -> BottleneckSettings:
        """The settings of a phrase's maps."""
        words = set(re.findall(r"\w+", phrase_identity(phrase)))
        fitting = (settings for organ, settings in self._of_organs.items() if phrase_identity(organ) in words)
        return next(fitting, self._bottleneck)

    def map_settings(self, phrase: str) -> str:
        """Those of the phrase's organ."""
        return repr(self.bottleneck_of(phrase))

    def map_of(self, pixel_values: torch.Tensor, text_feature: torch.Tensor, phrase: str) -> torch.Tensor:
        """See ``bottleneck_map``."""
        found, _ = bottleneck_map(self.model, pixel_values, text_feature, self.bottleneck_of(phrase))
        return found

    def on_image(self, map_gg: torch.Tensor, image: Image) -> Levels:
        """See ``stretched_from_square``."""
        return stretched_from_square(map_gg, self.model.size.image_size, image.shape[:2])

    def regions_in(self, image: Image) -> Callable[[Levels], Mask]:
        """The largest parts of what the rule takes; may be empty."""
        take = self._taken_in(image)
        return lambda levels_hw: largest_parts(take(levels_hw), self._num_parts)

    def _taken_in(self, image: Image) -> Callable[[Levels], Mask]:
        if self._region_rule == "kmeans":
            return brighter_of_two_groups
        if self._region_rule == "threshold":
            return lambda levels_hw: levels_hw > self._threshold * _WHITE
        crf = CRF_V2.of(image)
        return lambda levels_hw: crf.foreground(levels_hw / _WHITE)

    def box_of(self, region_hw: Mask) -> BoxXYXY | None:
        """Round all parts; ``None`` for an empty region, at which the published code stops with an error."""
        return box_of_all(region_hw)

    def finished(self, mask_hw: Mask, region_hw: Mask) -> Mask:
        """The largest parts of SAM's mask, as many as the region has outlines."""
        return largest_parts(mask_hw, len(outlines_of(region_hw)))
