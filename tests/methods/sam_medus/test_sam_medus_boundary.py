"""The boundary loss, against values worked out by hand."""

import pytest
import torch

from gdinousam.methods.sam_medus.boundary import boundary_sum, signed_distances


def test_distances_are_negative_inside_and_zero_at_the_outline() -> None:
    truth = torch.tensor([[[0.0, 0, 1, 1, 1, 0]]])  # one mask of one row
    assert (signed_distances(truth) * 6).tolist() == [[[2, 1, 0, -1, 0, 1]]]


def test_distances_run_in_both_directions() -> None:
    truth = torch.zeros(1, 5, 5)
    truth[0, 2, 2] = 1
    distances = signed_distances(truth)[0] * 5
    assert distances[2, 2] == 0 and distances[2, 4] == 2 and distances[1, 2] == 1
    assert distances[0, 0] == pytest.approx(8**0.5)


def test_the_loss_by_hand() -> None:
    truth = torch.tensor([[[0.0, 0, 1, 1, 1, 0]]])
    undecided = torch.zeros(1, 1, 6)
    # probabilities of a half; distances 2 + 1 + 0 - 1 + 0 + 1, over 6 pixels and a side of 6
    assert float(boundary_sum(undecided, truth)) == pytest.approx(0.5 * 3 / 6 / 6)
    sure = torch.where(truth > 0, 100.0, -100.0)
    assert float(boundary_sum(sure, truth)) == pytest.approx(-1 / 6 / 6)
    assert float(boundary_sum(-sure, truth)) == pytest.approx(4 / 6 / 6)


def test_masks_are_summed_and_those_without_an_outline_count_for_nothing() -> None:
    truth = torch.tensor([[[0.0, 0, 1, 1, 1, 0]], [[0.0] * 6], [[1.0] * 6]])
    logits = torch.zeros(3, 1, 6)
    assert torch.equal(boundary_sum(logits, truth), boundary_sum(logits[:1], truth[:1]))
    assert float(boundary_sum(logits[:0], truth[:0])) == 0


def test_what_lies_further_outside_is_pushed_harder() -> None:
    truth = torch.tensor([[[0.0, 0, 1, 1, 1, 0]]])
    logits = torch.zeros(1, 1, 6, requires_grad=True)
    boundary_sum(logits, truth).backward()
    assert logits.grad is not None
    far, near, edge, middle = logits.grad[0, 0, :4].tolist()
    assert far > near > edge == 0 > middle
