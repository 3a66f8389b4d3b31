"""Balanced epochs: small datasets are shown more often, and every image of a dataset equally often."""

from __future__ import annotations

from collections import Counter

import pytest

from gdinousam.data.balance import BalancedOrder

DATASETS = ["large"] * 81 + ["small"] * 9 + ["tiny"]


@pytest.mark.parametrize(
    ("balance", "expected"),
    [
        (1.0, {"large": 31, "small": 30, "tiny": 30}),  # 91 images, a third each
        (0.5, {"large": 63, "small": 21, "tiny": 7}),  # as 9 to 3 to 1
        (1e-9, {"large": 81, "small": 9, "tiny": 1}),
    ],
)
def test_datasets_are_shown_in_proportion(balance: float, expected: dict[str, int]) -> None:
    for epoch in (0, 1, 7):
        chosen = BalancedOrder(DATASETS, balance, seed=0).of_epoch(epoch)
        assert len(chosen) == len(DATASETS)
        assert Counter(DATASETS[place] for place in chosen) == expected


def test_images_of_a_dataset_are_shown_equally_often() -> None:
    order = BalancedOrder(DATASETS, 0.5, seed=3)
    shown: Counter[int] = Counter()
    for epoch in range(5):
        shown.update(order.of_epoch(epoch))
        for name in set(DATASETS):
            times = [shown[place] for place, dataset in enumerate(DATASETS) if dataset == name]
            assert max(times) - min(times) <= 1, (epoch, name)
    assert shown.total() == 5 * len(DATASETS)


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    one, other = BalancedOrder(DATASETS, 0.5, seed=0), BalancedOrder(DATASETS, 0.5, seed=0)
    late = one.of_epoch(4)
    assert [other.of_epoch(epoch) for epoch in range(5)][-1] == late
    assert other.of_epoch(3) != late
    assert BalancedOrder(DATASETS, 0.5, seed=1).of_epoch(4) != late
