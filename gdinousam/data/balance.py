"""Which images an epoch shows, where small datasets are to count for more than their size."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from gdinousam.runtime import derived_seed


class BalancedOrder:
    """Draws the images of an epoch, as many as there are, a dataset of n images in proportion to n ** (1 - balance).

    datasets: the dataset of each image. balance: in [0, 1]; 0 shows every image once, 1 every dataset equally often.
    Within a dataset every image is shown equally often, to within one, over all epochs so far. Which images an epoch
    shows depends on the seed and its number alone.
    """

    def __init__(self, datasets: Sequence[str], balance: float, seed: int) -> None:
        places: dict[str, list[int]] = defaultdict(list)
        for place, dataset in enumerate(datasets):
            places[dataset].append(place)
        self._places = dict(sorted(places.items()))
        self._quotas = _quotas({name: len(own) ** (1.0 - balance) for name, own in places.items()}, len(datasets))
        self._seed = seed
        self._drawn: tuple[int, list[int]] | None = None

    def of_epoch(self, epoch: int) -> list[int]:
        """The images of an epoch by their places, those of a dataset together."""
        if self._drawn is None or self._drawn[0] != epoch:
            chosen = [place for dataset in self._places for place in self._of_dataset(dataset, epoch)]
            self._drawn = (epoch, chosen)
        return self._drawn[1]

    def _of_dataset(self, dataset: str, epoch: int) -> list[int]:
        """The next images of a dataset, which is gone through again and again, in another order each time."""
        own, quota = self._places[dataset], self._quotas[dataset]
        first, end = epoch * quota, (epoch + 1) * quota
        rounds = range(first // len(own), -(-end // len(own)))
        passed = [place for number in rounds for place in self._shuffled(dataset, number)]
        skipped = first - rounds.start * len(own)
        return passed[skipped : skipped + quota]

    def _shuffled(self, dataset: str, number: int) -> list[int]:
        own = self._places[dataset]
        return random.Random(derived_seed("balance", self._seed, dataset, number)).sample(own, len(own))


def _quotas(weights: dict[str, float], total: int) -> dict[str, int]:
    """A total divided in proportion to weights, by largest remainders; of equal ones the first name's."""
    whole = sum(weights.values())
    shares = {name: total * weights[name] / whole for name in sorted(weights)}
    quotas = {name: int(share) for name, share in shares.items()}
    left_over = sorted(shares, key=lambda name: quotas[name] - shares[name])[: total - sum(quotas.values())]
    return {name: quota + (name in left_over) for name, quota in quotas.items()}
