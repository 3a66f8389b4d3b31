"""Where a phrase is, place by place: the detector's encoder read as a map, where it was taught with masks.

Grounding DINO places its queries by the token logits of its encoder. Trained with ``losses.encoder_masks`` these say of
every position whether it belongs to an object of a phrase. A box that fits the map is believed rather than one that
does not, and the map says what a box cannot: which of several structures in it is meant. Not part of the paper.
Shapes: L positions of all levels, T tokens, P phrases, Q boxes, (h, w) of the finest level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from pydantic import Field

from gdinousam.settings import Settings

_LEVELS = 2  # the finest ones: coarser ones do not see outlines
_FINER = 2  # maps are held against boxes at so many times their size
_BOXES_AT_ONCE = 100  # which bounds memory


class MapSettings(Settings):
    """What the maps of phrases have to say; only for weights that were trained with ``losses.encoder_masks``."""

    agreement: float = Field(
        0.5,
        ge=0,
        description="Scores of boxes are multiplied by this power of their overlap with the map. 0: the map has no "
        "say in which boxes count.",
    )
    mask_weight: float = Field(
        0.5,
        ge=0,
        description="Weight of the map's logits, which are added to those of SAM2's masks. 0: SAM2 draws alone.",
    )

    @property
    def have_a_say(self) -> bool:
        """Whether they count in anything."""
        return self.agreement > 0 or self.mask_weight > 0


NO_MAPS = MapSettings(agreement=0.0, mask_weight=0.0)


@dataclass(frozen=True, eq=False)
class PhraseMaps:
    """The maps of one image. logits: (P, h, w) float32. overlaps: (Q, P) in [0, 1], see ``overlap_with_boxes``."""

    logits: torch.Tensor
    overlaps: torch.Tensor


def phrase_maps(logits: torch.Tensor, phrase_tokens: torch.Tensor, sizes_hw: Sequence[tuple[int, int]]) -> torch.Tensor:
    """Logits of where each phrase is, (P, h, w) float32: the mean of the finest levels.

    logits: (L, T) of the encoder, ``-inf`` on padding. phrase_tokens: (P, T) bool. sizes_hw: of the levels, finest
    first, as many as there are at least.
    """
    of_phrases = logits.float().masked_fill(logits.isneginf(), 0) @ token_shares(phrase_tokens, logits.shape[1])
    maps, start = [], 0
    for height, width in sizes_hw[:_LEVELS]:
        level = of_phrases[start : start + height * width].T.unflatten(1, (height, width))
        maps.append(F.interpolate(level[None], sizes_hw[0], mode="bilinear")[0])
        start += height * width
    return torch.stack(maps).mean(dim=0)


def token_shares(phrase_tokens: torch.Tensor, num_tokens: int) -> torch.Tensor:
    """(num_tokens, P) float32 that takes the mean over the tokens of each phrase. phrase_tokens: (P, T) bool."""
    padded = F.pad(phrase_tokens.float(), (0, num_tokens - phrase_tokens.shape[1]))
    return (padded / padded.sum(dim=1, keepdim=True).clamp(min=1)).T


def overlap_with_boxes(maps: torch.Tensor, boxes_cxcywh_norm: torch.Tensor) -> torch.Tensor:
    """How well boxes and maps agree, (Q, P) in [0, 1]: IoU of the map's probabilities and the ellipse that fills a box.

    An ellipse, since that is what most targets are: a map that fits the object fills about three quarters of its box.
    It is two points of the map wide at least, so that the smallest box holds one.
    maps: (P, h, w) logits. boxes_cxcywh_norm: (Q, 4) in [0, 1] of the image that the map covers.
    """
    size_hw = _FINER * maps.shape[-2], _FINER * maps.shape[-1]
    probabilities = F.interpolate(maps[None], size_hw, mode="bilinear")[0].sigmoid()
    return torch.cat([_overlap(probabilities, some) for some in boxes_cxcywh_norm.split(_BOXES_AT_ONCE)])


def _overlap(probabilities: torch.Tensor, boxes_cxcywh_norm: torch.Tensor) -> torch.Tensor:
    height, width = probabilities.shape[-2:]
    y, x = ((torch.arange(side, device=probabilities.device) + 0.5) / side for side in (height, width))
    centre_x, centre_y, box_width, box_height = boxes_cxcywh_norm.float()[:, :, None, None].unbind(dim=1)
    across = (x[None, None, :] - centre_x) / (box_width / 2).clamp(min=1 / width)
    down = (y[None, :, None] - centre_y) / (box_height / 2).clamp(min=1 / height)
    ellipses = (across**2 + down**2 <= 1).float().flatten(1)
    of_phrases = probabilities.flatten(1)
    shared = ellipses @ of_phrases.T
    either = ellipses.sum(dim=1)[:, None] + of_phrases.sum(dim=1)[None] - shared
    return shared / either.clamp(min=1e-6)
