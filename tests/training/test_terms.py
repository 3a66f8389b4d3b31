"""Means of loss terms by hand, and what must not matter for them: how a step's images are spread over batches."""

import pytest
import torch

from gdinousam.training.losses import Term, means

TERMS = {"l1": Term(5.0, "boxes"), "focal": Term(2.0, "images")}


def test_each_term_is_divided_by_its_count_and_weighted_in_the_loss() -> None:
    sums = {"l1": torch.tensor(6.0), "focal": torch.tensor(8.0)}
    found = means(sums, TERMS, {"boxes": 3, "images": 4})
    assert {name: float(value) for name, value in found.items()} == {"loss": 5 * 2 + 2 * 2, "l1": 2, "focal": 2}


def test_nothing_to_average_divides_by_one() -> None:
    found = means({"l1": torch.tensor(0.0), "focal": torch.tensor(8.0)}, TERMS, {"boxes": 0, "images": 4})
    assert float(found["l1"]) == 0 and float(found["loss"]) == pytest.approx(4)
