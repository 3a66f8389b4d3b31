"""Matching: the cost of a pair by hand, and the pairs that anyone would choose."""

import math

import pytest
import torch

from gdinousam.training.matching import MatchingCosts, match, token_cost

COSTS = MatchingCosts()
LEFT, RIGHT = [0.25, 0.5, 0.2, 0.2], [0.75, 0.5, 0.2, 0.2]


def cost_by_hand(probability: float) -> float:
    """Focal cost of one token: alpha 0.25 and gamma 2 (Lin et al. 2017)."""
    positive = -0.25 * (1 - probability) ** 2 * math.log(probability)
    return positive + 0.75 * probability**2 * math.log(1 - probability)


def test_the_token_cost_of_one_query_and_one_target() -> None:
    logits = torch.tensor([[0.0, 5.0]])
    assert token_cost(logits, torch.tensor([[1.0, 0.0]])).item() == pytest.approx(-0.125 * math.log(2), rel=1e-6)
    assert token_cost(torch.tensor([[2.0]]), torch.ones(1, 1)).item() == pytest.approx(
        cost_by_hand(1 / (1 + math.exp(-2))), rel=1e-5
    )


def test_the_token_cost_is_averaged_over_the_tokens_of_the_target() -> None:
    logits = torch.tensor([[1.0, -1.0, 3.0]])
    expected = (
        cost_by_hand(torch.tensor(1.0).sigmoid().item()) + cost_by_hand(torch.tensor(-1.0).sigmoid().item())
    ) / 2
    assert token_cost(logits, torch.tensor([[1.0, 1.0, 0.0]])).item() == pytest.approx(expected, rel=1e-5)


def test_the_probability_cost_is_minus_the_mean_probability_of_the_tokens() -> None:
    logits = torch.tensor([[0.8, 0.2, 0.6], [0.1, 0.9, 0.3]]).logit()
    cost = token_cost(logits, torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]), "probability")
    torch.testing.assert_close(cost, torch.tensor([[-0.5, -0.6], [-0.5, -0.3]]))


def test_the_kind_of_token_cost_decides_which_query_is_taken() -> None:
    # means 0.5 and 0.45; the focal cost of an almost certain token outweighs the other one
    logits = torch.tensor([[0.5, 0.5], [0.89, 0.01]]).logit()
    boxes, target = torch.tensor([LEFT, LEFT]), torch.ones(1, 2)
    focal, _ = match(logits, boxes, target, torch.tensor([LEFT]), COSTS)
    probability, _ = match(logits, boxes, target, torch.tensor([LEFT]), MatchingCosts(token_cost="probability"))
    by_hand = [(cost_by_hand(0.5) + cost_by_hand(0.5)) / 2, (cost_by_hand(0.89) + cost_by_hand(0.01)) / 2]
    assert focal.tolist() == [by_hand.index(min(by_hand))] and probability.tolist() == [0]


def test_padding_of_the_caption_costs_nothing() -> None:
    logits = torch.tensor([[1.0, -1.0], [0.5, 2.0]])
    padded = torch.cat([logits, torch.full((2, 3), -torch.inf)], dim=1)
    targets = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    padded_targets = torch.cat([targets, torch.zeros(2, 3)], dim=1)
    torch.testing.assert_close(token_cost(padded, padded_targets), token_cost(logits, targets))


def test_a_surer_query_costs_less_up_to_extreme_logits() -> None:
    logits = torch.tensor([-1e3, -10.0, 0.0, 10.0, 1e3])[:, None]
    cost = token_cost(logits, torch.ones(1, 1))[:, 0]
    assert torch.isfinite(cost).all()
    assert (cost.diff() < 0).all()


def test_equal_queries_are_matched_by_their_boxes() -> None:
    boxes = torch.tensor([LEFT, [0.5, 0.1, 0.1, 0.1], RIGHT])
    queries, targets = match(torch.zeros(3, 4), boxes, torch.eye(4)[:2], torch.tensor([RIGHT, LEFT]), COSTS)
    assert dict(zip(queries.tolist(), targets.tolist(), strict=True)) == {2: 0, 0: 1}
    assert queries.dtype == targets.dtype == torch.int64


def test_equal_boxes_are_matched_by_their_phrase() -> None:
    logits = torch.tensor([[4.0, -4.0], [-4.0, 4.0]])
    boxes = torch.tensor([LEFT, LEFT])
    queries, targets = match(logits, boxes, torch.eye(2).flip(0), torch.tensor([LEFT, LEFT]), COSTS)
    assert dict(zip(queries.tolist(), targets.tolist(), strict=True)) == {0: 1, 1: 0}


@pytest.mark.parametrize(
    ("costs", "chosen"), [({"l1": 0, "giou": 0}, 0), ({"tokens": 0, "giou": 0}, 1), ({"tokens": 0, "l1": 0}, 1)]
)
def test_each_weight_belongs_to_its_term(costs: dict[str, float], chosen: int) -> None:
    sure_but_elsewhere_and_unsure_in_place = torch.tensor([[5.0], [-5.0]])
    queries, _ = match(
        sure_but_elsewhere_and_unsure_in_place,
        torch.tensor([RIGHT, LEFT]),
        torch.ones(1, 1),
        torch.tensor([LEFT]),
        MatchingCosts(**costs),
    )
    assert queries.tolist() == [chosen]


def test_the_sum_of_costs_is_minimal_and_not_each_cost() -> None:
    # both targets lie nearest to query 0; the farther one has no other choice
    boxes = torch.tensor([[0.5, 0.5, 0.2, 0.2], [0.3, 0.5, 0.2, 0.2]])
    true_boxes = torch.tensor([[0.52, 0.5, 0.2, 0.2], [0.48, 0.5, 0.2, 0.2]])
    queries, targets = match(torch.zeros(2, 1), boxes, torch.ones(2, 1), true_boxes, COSTS)
    assert dict(zip(queries.tolist(), targets.tolist(), strict=True)) == {0: 0, 1: 1}


def test_an_image_without_boxes_matches_nothing() -> None:
    queries, targets = match(torch.zeros(3, 4), torch.rand(3, 4), torch.zeros(0, 4), torch.zeros(0, 4), COSTS)
    assert queries.shape == targets.shape == (0,)
    assert queries.dtype == targets.dtype == torch.int64


@pytest.mark.parametrize("extreme", [1e3, -1e3])
def test_extreme_logits_still_match_by_box(extreme: float) -> None:
    boxes = torch.tensor([RIGHT, LEFT])
    queries, _ = match(torch.full((2, 3), extreme), boxes, torch.ones(1, 3), torch.tensor([LEFT]), COSTS)
    assert queries.tolist() == [1]


def test_predictions_that_are_no_numbers_do_not_stop_the_matching() -> None:
    nothing = torch.full((2, 3), torch.nan)
    queries, targets = match(nothing, torch.full((2, 4), torch.nan), torch.ones(1, 3), torch.tensor([LEFT]), COSTS)
    assert len(queries) == len(targets) == 1
