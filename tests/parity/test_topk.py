"""Replaying another program's choice of the best k: what is taken, and how far it may be from one's own."""

import math

import pytest
import torch

from benchmarks.parity.topk import RecordTopk, ReplayTopk

SCORES = torch.tensor([[0.1, 0.9, 0.5, 0.5, 0.2]])


def choose(scores: torch.Tensor, choice: list[int]) -> tuple[torch.Tensor, float]:
    """What a program that asks for the best three gets when a choice is replayed."""
    with ReplayTopk([torch.tensor([choice])]) as replay:
        indices = torch.topk(scores, 3, dim=1)[1]
    return indices, replay.largest_difference


def test_choices_are_recorded_in_order() -> None:
    with RecordTopk() as record:
        torch.topk(SCORES, 1, dim=1)
        torch.sort(SCORES)
        torch.topk(-SCORES, 2, dim=1)
    assert [choice.tolist() for choice in record.choices] == [[[1]], [[0, 4]]]


def test_a_choice_that_differs_in_ties_is_taken_and_not_counted() -> None:
    indices, difference = choose(SCORES, [1, 3, 2])
    assert indices.tolist() == [[1, 3, 2]] and difference == 0


def test_a_worse_choice_is_taken_and_counted() -> None:
    indices, difference = choose(SCORES, [1, 2, 4])
    assert indices.tolist() == [[1, 2, 4]] and difference == pytest.approx(0.3)


def test_the_order_of_a_choice_counts() -> None:
    assert choose(SCORES, [2, 1, 3])[1] == pytest.approx(0.4)


def test_scores_that_are_no_numbers_are_never_a_tie() -> None:
    assert math.isnan(choose(SCORES * math.nan, [0, 1, 2])[1])


def test_more_calls_than_recorded_are_an_error() -> None:
    with ReplayTopk([]), pytest.raises(ValueError, match="more often than was recorded"):
        torch.topk(SCORES, 1)
