"""Losses of the detector (paper, section 2.3, equation 1) and of the mask head.

total = weight_l1 * L1 + weight_giou * GIoU + weight_focal * focal, on the boxes that the matching pairs; the focal term
runs over every query and every valid text token. All in float32, whatever the precision of the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torchvision.ops import box_convert, generalized_box_iou_loss, sigmoid_focal_loss

from gdinousam.training.matching import FOCAL_ALPHA, FOCAL_GAMMA, match
from gdinousam.training.settings import LossSettings


@dataclass(frozen=True, eq=False)
class DetectionTarget:
    """What the detector should find in one image.

    boxes_cxcywh_norm: (N, 4) float32, centre and size in fractions of the image that the model sees.
    positive_map: (N, T) float32 of zeros and ones, the text tokens of each box's phrase.
    """

    boxes_cxcywh_norm: torch.Tensor
    positive_map: torch.Tensor

    def token_targets(self, kind: Literal["ones", "shares"]) -> torch.Tensor:
        """(N, T): what the focal loss wants of each box's tokens; shares: each token of n gets 1/n."""
        if kind == "ones":
            return self.positive_map
        return self.positive_map / self.positive_map.sum(dim=1, keepdim=True).clamp(min=1)

    def repeated(self, times: int) -> DetectionTarget:
        """Every box ``times`` over, so that as many queries are matched with it."""
        return DetectionTarget(self.boxes_cxcywh_norm.repeat(times, 1), self.positive_map.repeat(times, 1))


def l1_loss(boxes_cxcywh_norm: torch.Tensor, true_boxes_cxcywh_norm: torch.Tensor) -> torch.Tensor:
    """Sum of absolute differences of matched boxes, both (N, 4). 0 for N = 0."""
    return F.l1_loss(boxes_cxcywh_norm, true_boxes_cxcywh_norm, reduction="sum")


def giou_loss(boxes_cxcywh_norm: torch.Tensor, true_boxes_cxcywh_norm: torch.Tensor) -> torch.Tensor:
    """Sum of 1 - GIoU of matched boxes, both (N, 4) (Rezatofighi et al. 2019). 0 for N = 0."""
    boxes_xyxy = box_convert(boxes_cxcywh_norm, "cxcywh", "xyxy")
    true_boxes_xyxy = box_convert(true_boxes_cxcywh_norm, "cxcywh", "xyxy")
    return generalized_box_iou_loss(boxes_xyxy, true_boxes_xyxy, reduction="sum")


def token_focal_loss(logits: torch.Tensor, targets: torch.Tensor, valid_tokens: torch.Tensor) -> torch.Tensor:
    """Sum of the sigmoid focal loss over all queries and the valid tokens (Lin et al. 2017; paper, section 2.3).

    logits, targets: (B, Q, T), targets in [0, 1]. valid_tokens: (B, T) bool, false on padding, where logits may be
    ``-inf``.
    """
    valid = valid_tokens[:, None, :].expand_as(logits)
    return sigmoid_focal_loss(logits[valid], targets[valid], FOCAL_ALPHA, FOCAL_GAMMA, reduction="sum")


def detection_sums(
    logits: torch.Tensor,
    boxes_cxcywh_norm: torch.Tensor,
    valid_tokens: torch.Tensor,
    targets: list[DetectionTarget],
    settings: LossSettings,
) -> dict[str, torch.Tensor]:
    """The three terms for one layer's predictions: sums over the batch, unweighted.

    logits: (B, Q, T). boxes_cxcywh_norm: (B, Q, 4) in [0, 1]. valid_tokens: (B, T) bool. targets: one per image.
    settings: matching costs, and what the focal loss wants. Returns {"l1", "giou", "focal"}, scalars. An image without
    boxes adds to the focal term alone.
    """
    logits, boxes = logits.float()[..., : valid_tokens.shape[1]], boxes_cxcywh_norm.float()
    token_targets = torch.zeros_like(logits)
    matched, true = [], []
    for row, target in enumerate(targets):
        queries, chosen = match(
            logits[row], boxes[row], target.positive_map, target.boxes_cxcywh_norm, settings.matching
        )
        token_targets[row, queries] = target.token_targets(settings.token_targets)[chosen]
        matched.append(boxes[row, queries])
        true.append(target.boxes_cxcywh_norm[chosen])
    matched_boxes, true_boxes = torch.cat(matched), torch.cat(true)
    return {
        "l1": l1_loss(matched_boxes, true_boxes),
        "giou": giou_loss(matched_boxes, true_boxes),
        "focal": token_focal_loss(logits, token_targets, valid_tokens),
    }


def soft_dice_loss(mask_logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """1 - Dice of the mask probabilities, per mask (Milletari et al. 2016).

    mask_logits, truth: (N, H, W), truth zeros and ones. Returns (N,) in [0, 1]; one is added to numerator and
    denominator, so that an empty truth has a gradient too.
    """
    probability, truth = mask_logits.float().sigmoid().flatten(1), truth.float().flatten(1)
    overlap = (probability * truth).sum(dim=1)
    return 1 - (2 * overlap + 1) / (probability.sum(dim=1) + truth.sum(dim=1) + 1)


def mask_sums(mask_logits: torch.Tensor, truth: torch.Tensor) -> dict[str, torch.Tensor]:
    """Cross-entropy, the mean over a mask's pixels, and soft Dice, summed over N masks; both 0 for N = 0.

    mask_logits, truth: (N, H, W), truth zeros and ones. Returns {"mask_bce", "mask_dice"}, scalars.
    """
    per_pixel = F.binary_cross_entropy_with_logits(mask_logits.float(), truth.float(), reduction="none")
    return {
        "mask_bce": per_pixel.mean(dim=(1, 2)).sum(),
        "mask_dice": soft_dice_loss(mask_logits, truth).sum(),
    }


LOSS = "loss"

Sums = Mapping[str, torch.Tensor]
Counts = Mapping[str, float]


@dataclass(frozen=True)
class Term:
    """One part of a loss. weight: of its mean in the loss. per: name of the count that its sum is divided by."""

    weight: float
    per: str


def means(sums: Sums, terms: Mapping[str, Term], counts: Counts) -> dict[str, torch.Tensor]:
    """The loss and the mean of each term.

    sums: scalars by term. counts: by the names that the terms give; below 1 they count as 1, so that a batch without
    boxes has box terms of 0. Returns {"loss": weighted sum of the means, and each term's mean}.
    """
    mean_of = {name: value / max(1.0, counts[terms[name].per]) for name, value in sums.items()}
    loss = torch.stack([terms[name].weight * value for name, value in mean_of.items()]).sum()
    return {LOSS: loss, **mean_of}
