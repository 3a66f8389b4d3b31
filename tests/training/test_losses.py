"""Losses: values worked out by hand, and the cases in which a mean has nothing to average."""

import math

import pytest
import torch
from transformers.loss.loss_grounding_dino import GroundingDinoHungarianMatcher, GroundingDinoImageLoss

from gdinousam.training.losses import (
    DetectionTarget,
    detection_sums,
    giou_loss,
    l1_loss,
    mask_sums,
    soft_dice_loss,
    token_focal_loss,
)
from gdinousam.training.settings import LossSettings

LOSSES = LossSettings()


def detection_losses(
    logits: torch.Tensor,
    boxes: torch.Tensor,
    valid: torch.Tensor,
    targets: list[DetectionTarget],
    settings: LossSettings,
    num_boxes: int,
) -> dict[str, torch.Tensor]:
    """The sums, divided by the boxes."""
    return {name: value / num_boxes for name, value in detection_sums(logits, boxes, valid, targets, settings).items()}


TERMS = ("l1", "giou", "focal")


def box(x0: float, y0: float, x1: float, y1: float) -> torch.Tensor:
    """One box (1, 4) as centre and size from its corners."""
    return torch.tensor([[(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0]])


def focal_by_hand(logit: float, is_target: bool) -> float:
    """Lin et al. 2017, equation 5, with alpha 0.25 and gamma 2."""
    probability = 1 / (1 + math.exp(-logit))
    p_t, alpha_t = (probability, 0.25) if is_target else (1 - probability, 0.75)
    return -alpha_t * (1 - p_t) ** 2 * math.log(p_t)


def test_l1_is_the_sum_of_the_four_differences() -> None:
    assert l1_loss(torch.tensor([[0.5, 0.5, 0.2, 0.4]]), torch.tensor([[0.4, 0.7, 0.2, 0.1]])).item() == pytest.approx(
        0.6
    )


@pytest.mark.parametrize(
    ("one", "other", "giou"),
    [
        (box(0.2, 0.2, 0.6, 0.8), box(0.2, 0.2, 0.6, 0.8), 1.0),
        # overlap 1/3; their hull is covered
        (box(0.0, 0.0, 0.4, 0.2), box(0.2, 0.0, 0.6, 0.2), 1 / 3),
        # no overlap; a third of the hull lies between them
        (box(0.0, 0.0, 0.2, 0.3), box(0.4, 0.0, 0.6, 0.3), -1 / 3),
        # a quarter inside the whole: IoU 1/4, the hull is the larger box
        (box(0.0, 0.0, 0.4, 0.4), box(0.1, 0.1, 0.3, 0.3), 1 / 4),
        # touching corners: the hull is twice their area
        (box(0.0, 0.0, 0.2, 0.2), box(0.2, 0.2, 0.4, 0.4), -1 / 2),
    ],
)
def test_giou_of_boxes_worked_out_by_hand(one: torch.Tensor, other: torch.Tensor, giou: float) -> None:
    assert giou_loss(one, other).item() == pytest.approx(1 - giou, abs=1e-5)
    assert giou_loss(other, one).item() == pytest.approx(1 - giou, abs=1e-5)


@pytest.mark.parametrize("logit", [-3.0, -0.5, 0.0, 2.0])
@pytest.mark.parametrize("is_target", [True, False])
def test_focal_loss_of_one_logit_by_the_formula(logit: float, is_target: bool) -> None:
    loss = token_focal_loss(
        torch.tensor([[[logit]]]), torch.tensor([[[float(is_target)]]]), torch.tensor([[True]])
    ).item()
    assert loss == pytest.approx(focal_by_hand(logit, is_target), rel=1e-5)


def test_padding_adds_nothing_to_the_focal_loss() -> None:
    logits = torch.tensor([[[0.3, -torch.inf], [-1.0, -torch.inf]]], requires_grad=True)
    targets = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]])
    loss = token_focal_loss(logits, targets, torch.tensor([[True, False]]))
    assert loss.item() == pytest.approx(focal_by_hand(0.3, True) + focal_by_hand(-1.0, False), rel=1e-5)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert torch.isfinite(gradient).all() and (gradient[..., 1] == 0).all()


def test_detection_losses_of_one_box_by_hand() -> None:
    true_box = box(0.2, 0.0, 0.6, 0.2)
    boxes = torch.cat([box(0.0, 0.0, 0.4, 0.2), box(0.8, 0.8, 0.9, 0.9)])[None]
    logits = torch.tensor([[[2.0, 0.0], [-2.0, -1.0]]])
    target = DetectionTarget(true_box, torch.tensor([[1.0, 0.0]]))
    losses = detection_losses(logits, boxes, torch.ones(1, 2, dtype=torch.bool), [target], LOSSES, num_boxes=1)
    focal = focal_by_hand(2.0, True) + sum(focal_by_hand(logit, False) for logit in (0.0, -2.0, -1.0))
    assert {name: losses[name].item() for name in TERMS} == {
        "l1": pytest.approx(0.2),
        "giou": pytest.approx(2 / 3, abs=1e-5),
        "focal": pytest.approx(focal, rel=1e-5),
    }


def test_soft_targets_by_hand() -> None:
    logits = torch.tensor([[[2.0, 0.5, -1.0]]])
    target = DetectionTarget(box(0.2, 0.2, 0.6, 0.8), torch.tensor([[1.0, 1.0, 0.0]]))
    settings = LossSettings(token_targets="shares")
    valid = torch.ones(1, 3, dtype=torch.bool)
    losses = detection_sums(logits, target.boxes_cxcywh_norm[None], valid, [target], settings)
    # of a target of 1/2: cross-entropy with both halves, p_t and alpha_t half of each
    soft = 0.0
    for logit in (2.0, 0.5):
        probability = 1 / (1 + math.exp(-logit))
        entropy = -(math.log(probability) + math.log(1 - probability)) / 2
        soft += (0.25 + 0.75) / 2 * (1 - 0.5) ** 2 * entropy
    assert losses["focal"].item() == pytest.approx(soft + focal_by_hand(-1.0, False), rel=1e-5)


def random_predictions(num_images: int, num_tokens: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(num_images, 6, num_tokens, generator=generator)
    centres = 0.3 + 0.4 * torch.rand(num_images, 6, 2, generator=generator)
    sizes = 0.1 + 0.4 * torch.rand(num_images, 6, 2, generator=generator)
    return logits.requires_grad_(), torch.cat([centres, sizes], dim=-1).requires_grad_()


NO_TARGET = DetectionTarget(torch.zeros(0, 4), torch.zeros(0, 5))
TWO_TARGETS = DetectionTarget(
    torch.cat([box(0.1, 0.1, 0.4, 0.5), box(0.5, 0.5, 0.9, 0.8)]),
    torch.tensor([[0, 1.0, 1.0, 0, 0], [0, 0, 0, 1.0, 0]]),
)


@pytest.mark.parametrize("targets", [[NO_TARGET, NO_TARGET], [TWO_TARGETS, NO_TARGET]])
def test_images_without_boxes_give_a_finite_loss_with_gradient(targets: list[DetectionTarget]) -> None:
    logits, boxes = random_predictions(2)
    valid = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    losses = detection_losses(logits, boxes, valid, targets, LOSSES, num_boxes=max(1, len(targets[0].positive_map)))
    sum(losses.values()).backward()
    assert all(torch.isfinite(losses[name]) for name in TERMS)
    assert torch.isfinite(logits.grad).all() and (logits.grad[valid[:, None].expand_as(logits)] != 0).all()
    assert torch.isfinite(boxes.grad).all()
    assert (boxes.grad[1] == 0).all() and bool((boxes.grad[0] != 0).any()) == (targets[0] is TWO_TARGETS)


@pytest.mark.parametrize("extreme", [1e3, -1e3])
def test_extreme_logits_give_finite_losses(extreme: float) -> None:
    _, boxes = random_predictions(1)
    logits = torch.full((1, 6, 5), extreme, requires_grad=True)
    losses = detection_losses(logits, boxes, torch.ones(1, 5, dtype=torch.bool), [TWO_TARGETS], LOSSES, num_boxes=2)
    losses["focal"].backward()
    assert torch.isfinite(losses["focal"]) and torch.isfinite(logits.grad).all()


def test_the_order_of_targets_does_not_matter() -> None:
    logits, boxes = random_predictions(1)
    valid = torch.ones(1, 5, dtype=torch.bool)
    turned = DetectionTarget(TWO_TARGETS.boxes_cxcywh_norm.flip(0), TWO_TARGETS.positive_map.flip(0))
    one = detection_losses(logits, boxes, valid, [TWO_TARGETS], LOSSES, num_boxes=2)
    other = detection_losses(logits, boxes, valid, [turned], LOSSES, num_boxes=2)
    torch.testing.assert_close(one, other)


def test_low_precision_predictions_are_judged_in_float32() -> None:
    logits, boxes = random_predictions(1)
    half = detection_losses(
        logits.bfloat16(), boxes.bfloat16(), torch.ones(1, 5, dtype=torch.bool), [TWO_TARGETS], LOSSES, num_boxes=2
    )
    assert {value.dtype for value in half.values()} == {torch.float32}


def test_losses_are_those_of_transformers() -> None:
    """The same matching and terms as transformers' own Grounding DINO loss, for one image."""
    logits, boxes = (predictions.detach() for predictions in random_predictions(1))
    valid = torch.tensor([[True, True, True, True, False]])
    ours = detection_losses(logits, boxes, valid, [TWO_TARGETS], LOSSES, num_boxes=2)
    costs = LOSSES.matching
    matcher = GroundingDinoHungarianMatcher(class_cost=costs.tokens, bbox_cost=costs.l1, giou_cost=costs.giou)
    theirs = GroundingDinoImageLoss(matcher, focal_alpha=0.25, losses=["labels", "boxes"])(
        {
            "logits": logits,
            "pred_boxes": boxes,
            "text_mask": valid[:, None].expand_as(logits),
            "label_maps": (TWO_TARGETS.positive_map,),
        },
        [{"class_labels": torch.tensor([0, 1]), "boxes": TWO_TARGETS.boxes_cxcywh_norm}],
    )
    assert {name: ours[name].item() for name in TERMS} == {
        "l1": pytest.approx(theirs["loss_bbox"].item(), rel=1e-5),
        "giou": pytest.approx(theirs["loss_giou"].item(), rel=1e-5),
        "focal": pytest.approx(theirs["loss_ce"].item(), rel=1e-5),
    }


def test_soft_dice_by_hand() -> None:
    truth = torch.tensor([[[1.0, 1.0], [0.0, 0.0]]])
    # probabilities of 1/2: overlap 1, sizes 2 and 2, one added above and below
    assert soft_dice_loss(torch.zeros(1, 2, 2), truth).item() == pytest.approx(1 - 3 / 5)
    perfect = (truth - 0.5) * 100
    assert soft_dice_loss(perfect, truth).item() == pytest.approx(0, abs=1e-6)
    assert soft_dice_loss(-perfect, truth).item() == pytest.approx(1 - 1 / 5)


def test_soft_dice_of_an_empty_truth_has_a_gradient() -> None:
    logits = torch.zeros(1, 2, 2, requires_grad=True)
    loss = soft_dice_loss(logits, torch.zeros(1, 2, 2))
    assert loss.item() == pytest.approx(1 - 1 / 3)
    loss.sum().backward()
    assert (logits.grad > 0).all()


def test_mask_losses_are_summed_over_masks() -> None:
    truth = torch.stack([torch.eye(2), torch.zeros(2, 2)])
    sums = mask_sums(torch.zeros(2, 2, 2), truth)
    assert sums["mask_bce"].item() == pytest.approx(2 * math.log(2))
    assert sums["mask_dice"].item() == pytest.approx((1 - 3 / 5) + (1 - 1 / 3))
