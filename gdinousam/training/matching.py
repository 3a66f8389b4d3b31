"""One-to-one matching of query boxes with true boxes (Hungarian algorithm), as in DETR and Grounding DINO."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from scipy.optimize import linear_sum_assignment
from torchvision.ops import box_convert, generalized_box_iou

from gdinousam.settings import Settings

# Focal loss parameters of Grounding DINO and of the matching cost derived from it (Lin et al. 2017).
FOCAL_ALPHA = 0.25
FOCAL_GAMMA = 2.0
# Stands in for the -inf of padding, which times a weight of zero would be nan.
_LEAST_LOGIT = -50.0


TokenCost = Literal["focal", "probability"]


class MatchingCosts(Settings):
    """Weights of the three terms of the matching cost; the defaults are Grounding DINO's."""

    tokens: float = Field(2.0, ge=0, description="Weight of the cost of the phrase's tokens.")
    token_cost: TokenCost = Field(
        "focal",
        description="Cost of the phrase's tokens. focal: the change in focal loss, averaged over them "
        "(Grounding DINO); probability: their mean probability, negated (DETR, public code).",
    )
    l1: float = Field(5.0, ge=0, description="Weight of the L1 distance of the boxes.")
    giou: float = Field(2.0, ge=0, description="Weight of the negative GIoU of the boxes.")


def token_cost(logits: torch.Tensor, positive_map: torch.Tensor, kind: TokenCost = "focal") -> torch.Tensor:
    """Cost of giving each query each target, averaged over the target's tokens.

    logits: (Q, T) float32, ``-inf`` on padding. positive_map: (N, T) zeros and ones. Returns (Q, N).
    ``focal``: what the focal loss would change if the query's tokens were to be positive instead of negative.
    ``probability``: minus the probability.
    """
    logits = logits.clamp(min=_LEAST_LOGIT)
    weights = positive_map / positive_map.sum(dim=-1, keepdim=True).clamp(min=1)
    probability = logits.sigmoid()
    if kind == "probability":
        return -probability @ weights.T
    # softplus(x) = -log(1 - p) and softplus(-x) = -log(p), finite where p rounds to 0 or 1
    negative = (1 - FOCAL_ALPHA) * probability**FOCAL_GAMMA * F.softplus(logits)
    positive = FOCAL_ALPHA * (1 - probability) ** FOCAL_GAMMA * F.softplus(-logits)
    return (positive - negative) @ weights.T


@torch.no_grad()
def match(
    logits: torch.Tensor,
    boxes_cxcywh_norm: torch.Tensor,
    positive_map: torch.Tensor,
    true_boxes_cxcywh_norm: torch.Tensor,
    costs: MatchingCosts,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the pairs of query and target with the least total cost in one image.

    logits: (Q, T), ``-inf`` on padding. boxes_cxcywh_norm: (Q, 4) and true_boxes_cxcywh_norm: (N, 4), centre and size
    in fractions of the image. positive_map: (N, T). N may not exceed Q.
    Returns (query_indices, target_indices), each (N,) int64 on the device of ``logits``; empty where N is 0.
    """
    logits, boxes, true_boxes = logits.float(), boxes_cxcywh_norm.float(), true_boxes_cxcywh_norm.float()
    cost = (
        costs.tokens * token_cost(logits, positive_map.float(), costs.token_cost)
        + costs.l1 * torch.cdist(boxes, true_boxes, p=1)
        - costs.giou * generalized_box_iou(_xyxy(boxes), _xyxy(true_boxes))
    )
    # a diverged model's nan gives any pairs, and a nan loss, which the loop reports with what to do
    queries, targets = linear_sum_assignment(cost.nan_to_num().cpu().numpy())
    return torch.as_tensor(queries, device=logits.device), torch.as_tensor(targets, device=logits.device)


def _xyxy(boxes_cxcywh_norm: torch.Tensor) -> torch.Tensor:
    return box_convert(boxes_cxcywh_norm, "cxcywh", "xyxy")
